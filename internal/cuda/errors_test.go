package cuda_test

import (
	"errors"
	"strings"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"trainer/internal/cuda"
	"trainer/internal/cuda/driver"
	"trainer/internal/cuda/emulated"
	"trainer/internal/op"
	"trainer/internal/vm"
	"trainer/model"
)

// says fails the test where an error lacks one of the words.
func says(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, expected one with %q", words)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("the error %q does not say %q", err, w)
		}
	}
}

func TestOutOfMemorySaysForWhatAndWhichFlagsHelp(t *testing.T) {
	needsEmulator(t)
	small := emulated.DefaultProperties()
	small.Name, small.Memory = "Small GPU", 8<<20
	c := model.Calculator(40)
	c.Context = 1024
	m := newModel(t, c)
	var batch model.Batch
	fill(&batch, c, 1000, 1000)
	for precision, advice := range map[cuda.Precision]string{cuda.F32: "-precision=bf16", cuda.BF16: "-accumulate"} {
		b := open(t, emulated.Options{Devices: []driver.Properties{small}}, cuda.Options{Precision: precision})
		defer b.Close()
		_, err := model.NewExecutor(m, b).Run(&batch, model.Train, 1)
		says(t, err, "activations", "out of memory", "Small GPU", "free", "-batch", "-accumulate", "-recompute", advice)
		if !errors.Is(err, driver.ErrOutOfMemory) {
			t.Errorf("%v is not driver.ErrOutOfMemory", err)
		}
		if precision == cuda.BF16 && strings.Contains(err.Error(), "-precision") {
			t.Errorf("in bfloat16 the error %q advises a precision", err)
		}
	}
}

func TestHeadsThatAreTooWideAreRefused(t *testing.T) {
	c := model.Calculator(40)
	c.Width, c.Heads = 136, 1
	var batch model.Batch
	fill(&batch, c, 3)
	b := open(t, emulated.Options{}, cuda.Options{})
	defer b.Close()
	_, err := model.NewExecutor(newModel(t, c), b).Run(&batch, model.Predict, 1)
	says(t, err, "heads of 136 columns", "at most 128", "-device=cpu")
}

func TestAProductLibraryThatIsAskedForMustBeThere(t *testing.T) {
	needsEmulator(t)
	device, err := emulated.New(emulated.Options{}).Open(0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = cuda.New(device, cuda.Options{GEMM: cuda.CuBLASLt})
	says(t, err, "cuBLASLt")
	for want, o := range map[string]emulated.Options{"own matrix products": {}, "matrix products in Go": {MatMul: true}} {
		b := open(t, o, cuda.Options{})
		defer b.Close()
		if !strings.Contains(b.Device(), want) {
			t.Errorf("the device is %q, expected %q in it", b.Device(), want)
		}
	}
}

// A row that the table has not got is read out of bounds: a GPU stops for good, unless the row is on a page of memory that is its own, and
// the error must tell where to look.
func TestAFaultNamesKernelAndInstruction(t *testing.T) {
	needsEmulator(t)
	b := open(t, emulated.Options{}, cuda.Options{})
	g := gorgonia.NewGraph()
	table := gorgonia.NewMatrix(g, tensor.Float32, gorgonia.WithShape(4, 8), gorgonia.WithName("table"))
	ids := gorgonia.NewVector(g, tensor.Int32, gorgonia.WithShape(2), gorgonia.WithName("ids"))
	rows, err := op.Apply(op.Gather{}, table, ids)
	if err != nil {
		t.Fatal(err)
	}
	p, err := vm.Compile(rows)
	if err != nil {
		t.Fatal(err)
	}
	m, err := vm.New(p, vm.NewWorkspace(b))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Memory(ids).Write(vm.Bytes([]int32{1, 4000})); err != nil {
		t.Fatal(err)
	}
	if err := m.RunAll(); err != nil {
		t.Fatal(err)
	}
	err = m.Memory(rows).Read(make([]byte, 64))
	says(t, err, "kernel gather", "instructions 0 (op.Gather{})")
	var fault *driver.Fault
	if !errors.As(err, &fault) {
		t.Errorf("%v is not a driver.Fault", err)
	}
	if err := b.Close(); err == nil {
		t.Error("closing a GPU that has failed says nothing")
	}
}
