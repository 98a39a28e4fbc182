package safetensors

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"trainer/internal/fault"
)

// everything has one tensor of each type, a scalar, an empty one, and one of several chunks.
func everything() ([]Tensor, map[string]string) {
	long := make([]float32, 2*chunk/4+5)
	for i := range long {
		long[i] = float32(i)
	}
	return []Tensor{
		New("z", []float32{1, -2.5, float32(math.Inf(1)), math.SmallestNonzeroFloat32, 5, 6}, 2, 3),
		New("a.weight", []float64{math.Pi, math.Copysign(0, -1)}, 2),
		New("scalar", []int64{math.MinInt64}),
		New("empty", []int32{}, 3, 0),
		New(`ids "é"`, []int32{1, -2, 3}, 3, 1, 1),
		New("long", long, len(long)),
	}, map[string]string{"format": "pt", "b": "two\nlines", "a": ""}
}

// file returns the bytes of a file.
func file(t testing.TB, tensors []Tensor, metadata map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, tensors, metadata); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// store writes the content to a file and returns its path.
func store(t testing.TB, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.safetensors")
	if err := os.WriteFile(path, content, 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

func mustOpen(t testing.TB, content []byte) *File {
	t.Helper()
	f, err := Open(store(t, content))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func mustRead[T Element](t *testing.T, f *File, name string, shape ...int) []T {
	t.Helper()
	n, _ := elements(shape)
	dst := make([]T, n)
	if err := Read(f, name, dst, shape...); err != nil {
		t.Fatal(err)
	}
	return dst
}

func TestTensorsComeBackAsWritten(t *testing.T) {
	tensors, metadata := everything()
	f := mustOpen(t, file(t, tensors, metadata))
	var names []string
	for i, info := range f.Tensors() {
		names = append(names, info.Name)
		if info.DType != tensors[i].dtype || !slices.Equal(info.Shape, tensors[i].shape) {
			t.Errorf("%s: %s %v, want %s %v", info.Name, info.DType, info.Shape, tensors[i].dtype, tensors[i].shape)
		}
	}
	if want := []string{"z", "a.weight", "scalar", "empty", `ids "é"`, "long"}; !slices.Equal(names, want) {
		t.Errorf("names %q, want %q", names, want)
	}
	if !reflect.DeepEqual(f.metadata, metadata) {
		t.Errorf("metadata %q, want %q", f.metadata, metadata)
	}
	z := []float32{1, -2.5, float32(math.Inf(1)), math.SmallestNonzeroFloat32, 5, 6}
	if got := mustRead[float32](t, f, "z", 2, 3); !slices.Equal(got, z) {
		t.Errorf("z = %v", got)
	}
	if got := mustRead[float64](t, f, "a.weight", 2); got[0] != math.Pi || !math.Signbit(got[1]) {
		t.Errorf("a.weight = %v", got)
	}
	if got := mustRead[int64](t, f, "scalar"); got[0] != math.MinInt64 {
		t.Errorf("scalar = %v", got)
	}
	mustRead[int32](t, f, "empty", 3, 0)
	if got := mustRead[int32](t, f, `ids "é"`, 3, 1, 1); !slices.Equal(got, []int32{1, -2, 3}) {
		t.Errorf("ids = %v", got)
	}
	info, _ := f.Lookup("long")
	for i, v := range mustRead[float32](t, f, "long", info.Shape...) {
		if v != float32(i) {
			t.Fatalf("long[%d] = %v", i, v)
		}
	}
}

func TestNaNKeepsItsBits(t *testing.T) {
	bits := uint32(0x7fa00001) // a signalling NaN with a payload
	f := mustOpen(t, file(t, []Tensor{New("x", []float32{math.Float32frombits(bits)}, 1)}, nil))
	if got := math.Float32bits(mustRead[float32](t, f, "x", 1)[0]); got != bits {
		t.Errorf("bits %#x, want %#x", got, bits)
	}
}

func TestSameTensorsGiveSameBytes(t *testing.T) {
	tensors, metadata := everything()
	first := file(t, tensors, metadata)
	for range 10 { // map iteration would show
		if !bytes.Equal(file(t, tensors, metadata), first) {
			t.Fatal("the bytes differ")
		}
	}
}

func TestHeaderIsAsTheFormatSays(t *testing.T) {
	got := file(t, []Tensor{New("b", []float32{1}, 1), New("a", []int64{}, 0)}, map[string]string{"k": "v"})
	json := `{"__metadata__":{"k":"v"},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},` +
		`"a":{"dtype":"I64","shape":[0],"data_offsets":[4,4]}}`
	json += strings.Repeat(" ", 192-8-len(json)) // 192 is the next multiple of 64
	want := append(binary.LittleEndian.AppendUint64(nil, uint64(len(json))), json...)
	if want = append(want, 0, 0, 0x80, 0x3f); !bytes.Equal(got, want) {
		t.Errorf("file\n%q, want\n%q", got, want)
	}
}

func TestFileOfNoTensors(t *testing.T) {
	if tensors := mustOpen(t, file(t, nil, nil)).Tensors(); len(tensors) != 0 {
		t.Errorf("tensors %v", tensors)
	}
}

// brokenWriter fails after n bytes.
type brokenWriter struct{ n int }

var errBroken = errors.New("broken")

func (w *brokenWriter) Write(data []byte) (int, error) {
	if w.n -= len(data); w.n < 0 {
		return 0, errBroken
	}
	return len(data), nil
}

func TestWriteReturnsTheErrorOfTheWriter(t *testing.T) {
	tensors, metadata := everything()
	size := len(file(t, tensors, metadata))
	for _, n := range []int{0, 8, 700, size - 1} {
		if err := Write(&brokenWriter{n}, tensors, metadata); !errors.Is(err, errBroken) {
			t.Errorf("writer broken after %d of %d bytes: error %v", n, size, err)
		}
	}
}

func TestReadSaysWhatWasExpectedAndFound(t *testing.T) {
	f := mustOpen(t, file(t, []Tensor{New("w", []float32{1, 2}, 2)}, nil))
	for _, c := range []struct {
		err  error
		want []string
	}{
		{Read(f, "v", make([]float32, 2), 2), []string{`no tensor "v"`, "F32", "[2]"}},
		{Read(f, "w", make([]float64, 2), 2), []string{`"w"`, "F32", "F64"}},
		{Read(f, "w", make([]float32, 2), 2, 1), []string{`"w"`, "[2]", "[2 1]"}},
		{Read(f, "w", make([]float32, 3), 3), []string{`"w"`, "[2]", "[3]"}},
	} {
		if fault.ExitCode(c.err) != fault.ExitData {
			t.Errorf("error %v is not a data fault", c.err)
			continue
		}
		for _, want := range append(c.want, "model.safetensors") {
			if !strings.Contains(c.err.Error(), want) {
				t.Errorf("error %q does not say %q", c.err, want)
			}
		}
	}
}

func TestMisuseOfWriteAndReadPanics(t *testing.T) {
	f := mustOpen(t, file(t, []Tensor{New("w", []float32{1, 2}, 2)}, nil))
	for name, misuse := range map[string]func(){
		"too few values":       func() { New("x", []float32{1}, 2) },
		"negative shape":       func() { New("x", []float32{1}, -1, -1) },
		"duplicate name":       func() { Write(&bytes.Buffer{}, []Tensor{New("x", []int32{}, 0), New("x", []int32{}, 0)}, nil) },
		"reserved name":        func() { Write(&bytes.Buffer{}, []Tensor{New("__metadata__", []int32{}, 0)}, nil) },
		"name not UTF-8":       func() { Write(&bytes.Buffer{}, []Tensor{New("\xff", []int32{}, 0)}, nil) },
		"metadata not UTF-8":   func() { Write(&bytes.Buffer{}, nil, map[string]string{"k": "\xff"}) },
		"Read into too little": func() { Read(f, "w", make([]float32, 1), 2) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			misuse()
		}()
	}
}
