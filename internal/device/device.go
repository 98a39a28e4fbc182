// Package device chooses what a model runs on, says why, and opens it.
package device

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"trainer/internal/cpu"
	"trainer/internal/cpu/kernel"
	"trainer/internal/cuda"
	"trainer/internal/cuda/driver"
	"trainer/internal/cuda/emulated"
	"trainer/internal/cuda/kernels"
	"trainer/internal/cuda/native"
	"trainer/internal/fault"
	"trainer/internal/format"
)

// Names of devices. A GPU is CUDA, with its number where it is not the first: "cuda:1".
const (
	CPU      = "cpu"
	CUDA     = "cuda"
	Emulated = "cuda-emulated" // runs a GPU's machine code instruction by instruction, for tests: a thousand times slower than a CPU
)

// Choice is a device and the reason for it.
type Choice struct {
	Name   string // "cpu", "cuda:1"
	Reason string // for people: "CUDA: no NVIDIA driver; using the CPU"
}

// gpus are the names of GPUs: the first, or one by its number.
var gpus = regexp.MustCompile(`^cuda(:[0-9]{1,3})?$`)

// IsGPU says whether a name is that of a GPU, emulated or not.
func IsGPU(name string) bool { return name == Emulated || gpus.MatchString(name) }

// Choose reads the flag -device: "cpu", "cuda", "cuda:N" or "auto", which takes the first GPU where it can be used and has `need` bytes free.
// A device that was asked for by name is never replaced by another: without it the error is of the class of unavailable devices. Other names are
// usage errors.
func Choose(flag string, need int) (Choice, error) { return choose(flag, need, native.Open) }

func choose(flag string, need int, open func() (driver.Driver, error)) (Choice, error) {
	switch {
	case flag == CPU || flag == Emulated:
		return Choice{flag, "as asked for by -device=" + flag}, nil
	case flag == "auto":
		about, err := usable(CUDA, need, open)
		if err != nil {
			return Choice{CPU, fmt.Sprintf("CUDA: %v; using the CPU", err)}, nil
		}
		return Choice{CUDA, about}, nil
	case gpus.MatchString(flag):
		about, err := usable(flag, need, open)
		if errors.Is(err, native.ErrNotBuilt) {
			err = fmt.Errorf("CUDA is %w: build with -tags gpu on Linux for amd64, as README.md shows", err)
		}
		if err != nil {
			return Choice{}, fault.Devicef("-device=%s: %w: use -device=cpu, or -device=auto for the best device there is", flag, err)
		}
		return Choice{flag, about}, nil
	}
	return Choice{}, fault.Usagef("-device=%s: expected auto, cpu, cuda or cuda:1", flag)
}

const (
	f32  = "f32"
	bf16 = "bf16"
	i8   = "int8"
)

// Precisions and GEMMs are the values of the flags -precision and -gemm.
var (
	Precisions = []string{f32, bf16}
	GEMMs      = []string{"auto", "cublaslt", "own"}
)

// Check returns an error for a precision or a maker of matrix products that there is not.
func Check(precision, gemm string) error {
	switch {
	case !slices.Contains(Precisions, precision):
		return fault.Optionf("%s %q: expected %s", fault.Option("precision"), precision, strings.Join(Precisions, " or "))
	case !slices.Contains(GEMMs, gemm):
		return fault.Optionf("%s %q: expected %s", fault.Option("gemm"), gemm, strings.Join(GEMMs, ", "))
	}
	return nil
}

// CheckFor is Check, with an error too for what is there, but not on the device of a name.
func CheckFor(name, precision, gemm string) error {
	switch {
	case !IsGPU(name) && precision == bf16 && !kernel.Best().FastBF16:
		return fault.Devicef("-precision=%s: this CPU has no instructions for it (AVX512-BF16): expected %s; a GPU has it", precision, f32)
	case !IsGPU(name) && gemm != GEMMs[0]:
		return fault.Devicef("-gemm=%s: expected %s on a CPU; a GPU has the choice", gemm, GEMMs[0])
	}
	return Check(precision, gemm)
}

// Kernels returns the fastest kernels of this processor for a precision that CheckFor accepts.
func Kernels(precision string) *kernel.Set {
	if precision == bf16 {
		return kernel.Best().BF16()
	}
	return kernel.Best()
}

// Weights are the values of the flag -weights: how a model that is not trained keeps the weights of its products on a CPU.
var Weights = []string{f32, bf16, i8}

// CheckWeights returns an error for weights that there are not, or not on the device of a name, or not with a precision.
func CheckWeights(name, weights, precision string) error {
	switch {
	case !slices.Contains(Weights, weights):
		return fault.Optionf("%s %q: expected %s", fault.Option("weights"), weights, strings.Join(Weights, ", "))
	case weights == f32:
		return nil
	case IsGPU(name):
		return fault.Devicef("-weights=%s is for the CPU: expected %s on %s, where -precision=%s multiplies in 16 bits; or use -device=%s",
			weights, f32, name, bf16, CPU)
	case precision != f32:
		return fault.Optionf("%s %q: with %s %q products are computed in float32: expected %s %q", fault.Option("precision"), precision,
			fault.Option("weights"), weights, fault.Option("precision"), f32)
	}
	return nil
}

// OpenCPU opens the CPU for a model that is not trained, with a precision and weights that CheckFor and CheckWeights accept.
func OpenCPU(threads int, precision, weights string) *cpu.Backend {
	b := cpu.New(threads, Kernels(precision))
	switch weights {
	case bf16:
		b.Pack(kernel.BF16)
	case i8:
		b.Pack(kernel.Int8)
	}
	return b
}

// Open opens the GPU of a name that Choose returned, with a precision and a maker of products that CheckFor accepts. Its errors are of the class of
// unavailable devices.
func Open(name, precision, gemm string) (*cuda.Backend, error) {
	b, err := open(name, cuda.Options{Precision: cuda.Precision(slices.Index(Precisions, precision)), GEMM: cuda.GEMM(slices.Index(GEMMs, gemm))})
	if err != nil {
		return nil, fault.Devicef("-device=%s: %w", name, err)
	}
	return b, nil
}

func open(name string, o cuda.Options) (*cuda.Backend, error) {
	d, err := openDriver(name)
	if err != nil {
		return nil, err
	}
	gpu, err := d.Open(index(name))
	if err != nil {
		return nil, err
	}
	return cuda.New(gpu, o)
}

func openDriver(name string) (driver.Driver, error) {
	if name == Emulated {
		return emulated.New(emulated.Options{IgnoreRaces: true}), nil
	}
	return native.Open()
}

// index is the number of a GPU.
func index(name string) int {
	_, number, _ := strings.Cut(name, ":")
	n, _ := strconv.Atoi(number) // nothing is 0
	return n
}

// What the kernels need of a driver and a GPU.
const (
	leastVersion    = 12000 // CUDA 12.0
	leastCapability = 80    // Ampere
)

// usable returns a description of a GPU, or an error that says why it cannot be used.
func usable(name string, need int, open func() (driver.Driver, error)) (about string, err error) {
	d, err := open()
	if err != nil {
		return "", err
	}
	if d.Version() < leastVersion {
		return "", fmt.Errorf("the NVIDIA driver serves CUDA %s: expected %s or newer: update the driver", version(d.Version()), version(leastVersion))
	}
	devices, err := d.Devices()
	if err != nil {
		return "", err
	}
	i := index(name)
	switch {
	case len(devices) == 0:
		return "", fmt.Errorf("the NVIDIA driver finds no GPU")
	case i >= len(devices):
		return "", fmt.Errorf("the NVIDIA driver finds %s alone", names(len(devices)))
	}
	if err := runsKernels(devices[i], d.Version()); err != nil {
		return "", err
	}
	gpu, err := d.Open(i)
	if err != nil {
		return "", err
	}
	defer gpu.Close()
	free, err := gpu.FreeMemory()
	if err != nil {
		return "", err
	}
	if free < need {
		return "", fmt.Errorf("%s has %s of memory free, of %s: expected %s or more", devices[i].Name, format.GiB(free),
			format.GiB(devices[i].Memory), format.GiB(need))
	}
	return fmt.Sprintf("CUDA %s, %s of memory free", version(d.Version()), format.GiB(free)), nil
}

// runsKernels returns an error for a GPU that has no machine code among the kernels, and whose driver cannot make it from their PTX.
func runsKernels(p driver.Properties, driverVersion int) error {
	if p.Capability < leastCapability {
		return fmt.Errorf("%s has compute capability %s: expected %s or newer", p.Name, capability(p.Capability), capability(leastCapability))
	}
	if kernels.Cubin(kernels.Sources()[0], p.Capability) == nil && driverVersion < kernels.PTXVersion {
		return fmt.Errorf("%s, of compute capability %s, needs a driver for CUDA %s or newer, not %s: update the driver", p.Name,
			capability(p.Capability), version(kernels.PTXVersion), version(driverVersion))
	}
	return nil
}

// names lists the names of n GPUs.
func names(n int) string {
	if n == 1 {
		return "cuda:0"
	}
	return fmt.Sprintf("cuda:0 to cuda:%d", n-1)
}

func version(v int) string    { return fmt.Sprintf("%d.%d", v/1000, v%1000/10) }
func capability(c int) string { return fmt.Sprintf("%d.%d", c/10, c%10) }
