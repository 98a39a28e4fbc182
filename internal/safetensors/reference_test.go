package safetensors

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// python runs a script with the interpreter that TRAINER_PYTHON names, which needs the packages safetensors and numpy.
func python(t *testing.T, script string, args ...string) {
	t.Helper()
	interpreter := os.Getenv("TRAINER_PYTHON")
	if interpreter == "" {
		t.Skip("TRAINER_PYTHON names no python with safetensors and numpy")
	}
	if output, err := exec.Command(interpreter, append([]string{"-c", script}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
}

func TestReferenceImplementationReadsOurFile(t *testing.T) {
	tensors, metadata := everything()
	tensors = append(tensors, NewAs(F16, "half", []float32{2. / 3, -65504, 1e-7, 0x1.ffep-15}, 4))
	python(t, `
import sys, numpy as np
from safetensors import safe_open
with safe_open(sys.argv[1], "np") as f:
    assert f.metadata() == {"format": "pt", "b": "two\nlines", "a": ""}, f.metadata()
    got = {name: f.get_tensor(name) for name in f.keys()}
want = {
    "z": np.array([[1, -2.5, np.inf], [np.float32(1e-45), 5, 6]], np.float32),
    "a.weight": np.array([np.pi, -0.0]),
    "scalar": np.array(-2**63, np.int64),
    "empty": np.zeros((3, 0), np.int32),
    'ids "é"': np.array([[[1]], [[-2]], [[3]]], np.int32),
    "long": np.arange(2 * 65536 // 4 + 5, dtype=np.float32),
    "half": np.array([2 / 3, -65504, 1e-7, 0x1ffe / 2**27], np.float32).astype(np.float16),
}
assert got.keys() == want.keys(), got.keys()
for name, w in want.items():
    g = got[name]
    assert g.dtype == w.dtype and g.shape == w.shape and g.tobytes() == w.tobytes(), (name, g, w)
`, store(t, file(t, tensors, metadata)))
}

func TestWeReadAFileOfTheReferenceImplementation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.safetensors")
	python(t, `
import sys, numpy as np
from safetensors.numpy import save_file
save_file({
    "w": np.array([[1, 2], [3, 4.5]], np.float32),
    "half": np.array([1, 6e-8, np.inf, 2 / 3], np.float16),
    "mask": np.array([True, False, True]),
    "step": np.array(7, np.int64),
}, sys.argv[1], {"format": "np"})
`, path)
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if format, _ := f.Metadata("format"); format != "np" {
		t.Errorf("format %q", format)
	}
	if got := mustRead[float32](t, f, "w", 2, 2); !slices.Equal(got, []float32{1, 2, 3, 4.5}) {
		t.Errorf("w = %v", got)
	}
	if got := mustRead[int64](t, f, "step"); got[0] != 7 {
		t.Errorf("step = %v", got)
	}
	if got := mustRead[float32](t, f, "half", 4); !slices.Equal(got, []float32{1, 0x1p-24, float32(math.Inf(1)), 0x1.554p-1}) {
		t.Errorf("half = %v", got)
	}
}
