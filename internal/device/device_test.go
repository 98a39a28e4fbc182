package device

import (
	"errors"
	"strings"
	"testing"

	"trainer/internal/cpu/kernel"
	"trainer/internal/cuda/driver"
	"trainer/internal/fault"
)

// machine is a driver with one GPU.
type machine struct {
	version int
	gpus    []driver.Properties
	err     error
	free    int
}

func (m machine) Version() int                          { return m.version }
func (m machine) Devices() ([]driver.Properties, error) { return m.gpus, m.err }
func (m machine) Open(index int) (driver.Device, error) { return gpu{free: m.free}, nil }

// gpu tells its free memory; nothing else is asked.
type gpu struct {
	driver.Device
	free int
}

func (g gpu) FreeMemory() (int, error) { return g.free, nil }
func (g gpu) Close() error             { return nil }

const gib = 1 << 30

// ampere is a machine that can be used.
func ampere() machine {
	return machine{version: 12090, gpus: []driver.Properties{{Name: "NVIDIA A100", Capability: 80, Memory: 80 * gib}}, free: 70 * gib}
}

// opens makes a machine what the driver is opened to, nil is no driver.
func opens(m *machine) func() (driver.Driver, error) {
	return func() (driver.Driver, error) {
		if m == nil {
			return nil, errors.New("there is no NVIDIA driver")
		}
		return m, nil
	}
}

func TestAGPUThatCannotBeUsedIsReplacedByTheCPUOrRefusedForTheSameReason(t *testing.T) {
	tests := map[string]struct {
		change func(m *machine)
		reason string
	}{
		"driver too old": {func(m *machine) { m.version = 11080 }, "serves CUDA 11.8: expected 12.0 or newer"},
		"no device":      {func(m *machine) { m.gpus = nil }, "finds no GPU"},
		"device error":   {func(m *machine) { m.err = errors.New("CUDA error 803") }, "CUDA error 803"},
		"device too old": {func(m *machine) { m.gpus[0].Capability = 75 }, "NVIDIA A100 has compute capability 7.5: expected 8.0 or newer"},
		"driver older than the device": {func(m *machine) { m.version, m.gpus[0].Capability = 12040, 120 },
			"of compute capability 12.0, needs a driver for CUDA 12.9 or newer, not 12.4"},
		"little memory": {func(m *machine) { m.free = gib / 2 }, "NVIDIA A100 has 0.5 GiB of memory free, of 80.0 GiB: expected 1.0 GiB or more"},
	}
	for name, test := range tests {
		m := ampere()
		test.change(&m)
		c, err := choose("auto", gib, opens(&m))
		if err != nil || c.Name != CPU || !strings.Contains(c.Reason, test.reason) || !strings.HasSuffix(c.Reason, "; using the CPU") {
			t.Errorf("%s: auto chooses %+v, %v; want the CPU for a reason with %q", name, c, err, test.reason)
		}
		c, err = choose("cuda", gib, opens(&m))
		if c != (Choice{}) || fault.ExitCode(err) != fault.ExitDevice || !strings.Contains(err.Error(), test.reason) {
			t.Errorf("%s: cuda chooses %+v, %v; want an error of class device with %q", name, c, err, test.reason)
		}
	}
	if c, err := choose("auto", gib, opens(nil)); err != nil || c.Reason != "CUDA: there is no NVIDIA driver; using the CPU" {
		t.Errorf("without a driver auto chooses %+v, %v", c, err)
	}
}

func TestAGPUIsChosenWhereItCanBe(t *testing.T) {
	m := ampere()
	for _, flag := range []string{"auto", "cuda", "cuda:0"} {
		c, err := choose(flag, gib, opens(&m))
		if err != nil || !IsGPU(c.Name) || c.Reason != "CUDA 12.9, 70.0 GiB of memory free" {
			t.Errorf("%s: %+v, %v; want the GPU", flag, c, err)
		}
	}
	if _, err := choose("cuda:1", gib, opens(&m)); fault.ExitCode(err) != fault.ExitDevice || !strings.Contains(err.Error(), "cuda:0 alone") {
		t.Errorf("cuda:1 of one: %v, want an error that says which there are", err)
	}
	m.gpus[0].Capability, m.gpus[0].Name = 120, "NVIDIA RTX 5090" // newer than the machine code: the driver compiles the PTX
	if c, err := choose("auto", gib, opens(&m)); err != nil || c.Name != CUDA {
		t.Errorf("a GPU newer than the kernels: %+v, %v; want it", c, err)
	}
}

func TestTheCPUAndTheEmulatorAreAsAskedFor(t *testing.T) {
	for _, flag := range []string{CPU, Emulated} {
		if c, err := choose(flag, gib, opens(nil)); err != nil || c.Name != flag || !strings.Contains(c.Reason, "-device="+flag) {
			t.Errorf("%s: %+v, %v", flag, c, err)
		}
	}
}

func TestAnUnknownDeviceIsWrongUsage(t *testing.T) {
	for _, flag := range []string{"", "gpu", "cuda:", "cuda:x", "cuda:-1", "cudax", "CPU", "cuda-emulated:1"} {
		if _, err := choose(flag, 0, opens(nil)); fault.ExitCode(err) != fault.ExitUsage {
			t.Errorf("%q: %v; want a usage error", flag, err)
		}
	}
}

func TestBfloat16OnACPUNeedsItsInstructions(t *testing.T) {
	err := CheckFor(CPU, bf16, "auto")
	if fast := kernel.Best().FastBF16; fast && (err != nil || Kernels(bf16).Precision != bf16) {
		t.Errorf("a CPU with AVX512-BF16: %v, kernels of %s", err, Kernels(bf16).Precision)
	} else if !fast && (fault.ExitCode(err) != fault.ExitDevice || !strings.Contains(err.Error(), "AVX512-BF16")) {
		t.Errorf("a CPU without AVX512-BF16: %v, want an error of class device that names what is missing", err)
	}
	if err := CheckFor(CPU, f32, "auto"); err != nil || Kernels(f32).Precision != f32 {
		t.Errorf("float32: %v, kernels of %s", err, Kernels(f32).Precision)
	}
}

func TestPackedWeightsAreForProductsInFloat32OnACPU(t *testing.T) {
	for _, test := range []struct {
		name, weights, precision string
		code                     int
		want                     string
	}{
		{CPU, f32, bf16, fault.ExitDone, ""},
		{CPU, bf16, f32, fault.ExitDone, ""},
		{CPU, i8, f32, fault.ExitDone, ""},
		{CUDA, f32, bf16, fault.ExitDone, ""},
		{CPU, "f16", f32, fault.ExitUsage, `-weights "f16": expected f32, bf16, int8`},
		{CPU, i8, bf16, fault.ExitUsage, `expected -precision "f32"`},
		{CUDA, bf16, f32, fault.ExitDevice, "-precision=bf16 multiplies in 16 bits"},
		{Emulated, i8, f32, fault.ExitDevice, "or use -device=cpu"},
	} {
		err := fault.InFlags(CheckWeights(test.name, test.weights, test.precision), nil)
		if code := fault.ExitCode(err); code != test.code || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s, weights %s, precision %s: %v, exit code %d, want %d and %s", test.name, test.weights, test.precision, err, code, test.code, test.want)
		}
	}
}

func TestTheCPUIsOpenedWithTheWeightsAskedFor(t *testing.T) {
	for _, weights := range Weights {
		b := OpenCPU(1, f32, weights)
		if packed := strings.HasSuffix(b.Device(), "weights in "+weights+")"); packed != (weights != f32) {
			t.Errorf("-weights=%s opens %s", weights, b.Device())
		}
		b.Close()
	}
}
