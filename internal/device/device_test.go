package device

import (
	"strings"
	"testing"

	"trainer/internal/fault"
)

func TestChooseTakesTheCPUWithAReason(t *testing.T) {
	for flag, reason := range map[string]string{"auto": "CUDA", "cpu": "-device=cpu"} {
		c, err := Choose(flag)
		if err != nil || c.Name != "cpu" || !strings.Contains(c.Reason, reason) {
			t.Errorf("%s: %+v, %v; want the CPU for a reason with %q", flag, c, err, reason)
		}
	}
}

func TestCUDAIsNeverReplacedByTheCPU(t *testing.T) {
	for _, flag := range []string{"cuda", "cuda:0", "cuda:7"} {
		if c, err := Choose(flag); fault.ExitCode(err) != fault.ExitDevice || c != (Choice{}) {
			t.Errorf("%s: %+v, %v; want an error of class device", flag, c, err)
		}
	}
}

func TestAnUnknownDeviceIsWrongUsage(t *testing.T) {
	for _, flag := range []string{"", "gpu", "cuda:", "cuda:x", "cuda:-1", "cudax", "CPU"} {
		if _, err := Choose(flag); fault.ExitCode(err) != fault.ExitUsage {
			t.Errorf("%q: %v; want a usage error", flag, err)
		}
	}
}
