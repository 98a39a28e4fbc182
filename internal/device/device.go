// Package device chooses what a model runs on, and says why.
package device

import (
	"regexp"

	"trainer/internal/fault"
)

// Choice is a device and the reason for it.
type Choice struct {
	Name   string // "cpu"
	Reason string // for people: "CUDA is not part of this build; using the CPU"
}

// noCUDA is why a build of this program has no GPU.
const noCUDA = "CUDA is not part of this build"

// cuda are the names of GPUs: the first, or one by its number.
var cuda = regexp.MustCompile(`^cuda(:[0-9]{1,3})?$`)

// Choose reads the flag -device: "cpu", "cuda", "cuda:N" or "auto", which takes the best device there is. A device that was asked for by
// name is never replaced by another: without it the error is of the class of unavailable devices. Other names are usage errors.
func Choose(flag string) (Choice, error) {
	switch {
	case flag == "cpu":
		return Choice{"cpu", "as asked for by -device=cpu"}, nil
	case flag == "auto":
		return Choice{"cpu", noCUDA + "; using the CPU"}, nil
	case cuda.MatchString(flag):
		return Choice{}, fault.Devicef("-device=%s: %s: use -device=cpu, or -device=auto for the best device there is", flag, noCUDA)
	}
	return Choice{}, fault.Usagef("-device=%s: expected auto, cpu, cuda or cuda:1", flag)
}
