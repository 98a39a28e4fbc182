package gguf

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

var metadata = []Entry{
	{"general.architecture", "gpt2"}, {"empty", ""}, {"yes", true}, {"no", false}, {"count", uint32(math.MaxUint32)}, {"epsilon", float32(1e-5)},
	{"tokens", []string{"a", "", "Ġé"}}, {"kinds", []int32{1, -3}}, {"none", []string{}},
}

// tensor has the values, row by row.
func tensor(name string, kind Type, values []float32, shape ...int) Tensor {
	length := shape[len(shape)-1]
	return Tensor{name, kind, shape, func(i int, dst []float32) { copy(dst, values[i*length:(i+1)*length]) }}
}

func random(n int) []float32 {
	r := rand.New(rand.NewPCG(1, 2))
	values := make([]float32, n)
	for i := range values {
		values[i] = float32(r.NormFloat64())
	}
	return values
}

// everything has a tensor of each type; the vector's size is no multiple of the alignment.
func everything() []Tensor {
	return []Tensor{
		tensor("vector", F32, random(5), 5), tensor("matrix", F32, random(12), 3, 4), tensor("cube", F16, random(24), 2, 3, 4),
		tensor("brain", BF16, random(7), 1, 7), tensor("small", Q80, random(3*64), 3, 64),
	}
}

func write(t testing.TB, metadata []Entry, tensors []Tensor) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, metadata, tensors); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// precision is how far a stored element may be from what it was, relative to the largest of its block.
var precision = map[Type]float64{F32: 0, F16: 1. / (1 << 11), BF16: 1. / (1 << 8), Q80: 1. / 250}

func TestWhatWasWrittenIsRead(t *testing.T) {
	f, err := Parse(write(t, metadata, everything()))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(f.Metadata, metadata) {
		t.Errorf("metadata %v, want %v", f.Metadata, metadata)
	}
	for i, want := range everything() {
		values, info, err := f.Read(want.Name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Type != want.Type || !slices.Equal(info.Shape, want.Shape) || f.Tensors[i].Name != want.Name {
			t.Errorf("tensor %d is %+v, want %+v", i, info, want)
		}
		for j, v := range random(len(values)) {
			if off := math.Abs(float64(values[j] - v)); off > 3*precision[want.Type] {
				t.Errorf("%s: element %d is %g, was %g", want.Name, j, values[j], v)
			}
		}
	}
	if f.Value("count") != uint32(math.MaxUint32) || f.Value("nothing") != nil {
		t.Errorf("count is %v", f.Value("count"))
	}
	if _, _, err := f.Read("nothing"); err == nil || !strings.Contains(err.Error(), `"nothing"`) {
		t.Errorf("error %v", err)
	}
}

// The bytes of a file of one tensor, written out by hand after the specification.
func TestFileIsAsTheFormatSays(t *testing.T) {
	got := write(t, []Entry{{"k", []int32{-1}}}, []Tensor{tensor("w", F32, []float32{1, 2}, 1, 2)})
	want := "GGUF\x03\x00\x00\x00" + "\x01\x00\x00\x00\x00\x00\x00\x00" + "\x01\x00\x00\x00\x00\x00\x00\x00" +
		"\x01\x00\x00\x00\x00\x00\x00\x00k" + "\x09\x00\x00\x00" + "\x05\x00\x00\x00" + "\x01\x00\x00\x00\x00\x00\x00\x00" + "\xff\xff\xff\xff" +
		"\x01\x00\x00\x00\x00\x00\x00\x00w" + "\x02\x00\x00\x00" + "\x02\x00\x00\x00\x00\x00\x00\x00" + "\x01\x00\x00\x00\x00\x00\x00\x00" +
		"\x00\x00\x00\x00" + "\x00\x00\x00\x00\x00\x00\x00\x00"
	want += strings.Repeat("\x00", 96-len(want)) + "\x00\x00\x80\x3f\x00\x00\x00\x40" + strings.Repeat("\x00", 24)
	if string(got) != want {
		t.Errorf("file\n%q, want\n%q", got, want)
	}
}

func TestNumbersThatATypeCannotHoldAreNamed(t *testing.T) {
	for _, c := range []struct {
		kind  Type
		value float32
		want  string // "" is no error
	}{
		{F16, 65519, ""}, {F16, -65520, "tensor w, row 1: element 31 is -65520: f16 holds numbers up to 65504"},
		{F16, float32(math.NaN()), "is NaN"}, {BF16, 3e38, ""}, {Q80, 8e6, ""}, {Q80, -1e7, "row 1: elements from 0 on: the largest is 1e+07"},
	} {
		values := make([]float32, 64)
		values[63] = c.value
		err := Write(&bytes.Buffer{}, nil, []Tensor{tensor("w", c.kind, values, 2, 32)})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v of %g: error %v, want %q", c.kind, c.value, err, c.want)
		}
	}
}

// fullDisk takes so many bytes.
type fullDisk int

var errFull = errors.New("disk full")

func (d *fullDisk) Write(p []byte) (int, error) {
	if *d -= fullDisk(len(p)); *d < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestWriteReturnsTheErrorOfTheWriter(t *testing.T) {
	size := len(write(t, metadata, everything()))
	for _, room := range []int{0, 300, size - 200, size - 1} {
		disk := fullDisk(room)
		if err := Write(&disk, metadata, everything()); !errors.Is(err, errFull) {
			t.Errorf("with room for %d of %d bytes: error %v", room, size, err)
		}
	}
}

func TestMisuseOfWritePanics(t *testing.T) {
	for name, misuse := range map[string]func(){
		"a kind of value that is not known": func() { Write(&bytes.Buffer{}, []Entry{{"k", 1}}, nil) },
		"a type that is not known":          func() { Write(&bytes.Buffer{}, nil, []Tensor{tensor("w", 99, nil, 1)}) },
		"a scalar":                          func() { Write(&bytes.Buffer{}, nil, []Tensor{{Name: "w"}}) },
		"rows of no whole blocks":           func() { Write(&bytes.Buffer{}, nil, []Tensor{tensor("w", Q80, nil, 2, 33)}) },
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

func TestFileCutShortAnywhereIsRefused(t *testing.T) {
	whole := write(t, metadata, everything())
	last := 3 * 2 * 34 % alignment
	padding := (alignment - last) % alignment
	for n := range len(whole) - padding {
		if _, err := Parse(whole[:n]); err == nil {
			t.Fatalf("the first %d of %d bytes were accepted", n, len(whole))
		}
	}
}

func TestBadFilesAreRefusedWithTheCause(t *testing.T) {
	good := string(write(t, []Entry{{"k", true}}, []Tensor{tensor("ww", F32, []float32{1, 2}, 1, 2), tensor("vv", F32, []float32{1}, 1)}))
	const (
		ww   = "ww\x02\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00" // up to its type
		vv   = "vv\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"                 // up to its offset
		deep = "ww\x02\x00\x00\x00"
	)
	for _, c := range []struct{ old, new, want string }{
		{"GGUF", "GGML", `does not begin with "GGUF"`},
		{"GGUF\x03", "GGUF\x02", "version 2, expected 3"},
		{"k\x07", "k\x63", "kind 99"},
		{"k\x07\x00\x00\x00\x01", "k\x09\x00\x00\x00\x63", "an array of the metadata is of kind"},
		{"ww\x02", "ww\x05", `"ww" has 5 dimensions`},
		{"ww\x02", "ww\x00", `"ww" has 0 dimensions`},
		{"vv", "ww", `"ww" is there twice`},
		{ww + "\x00", ww + "\x05", "type 5 is not supported"},
		{ww + "\x00", ww + "\x08", "no multiple of the 32"},
		{deep + "\x02", deep + "\x63", "396 bytes at 0"},
		{vv + "\x20", vv + "\x10", "expected a multiple of 32"},
	} {
		content := strings.Replace(good, c.old, c.new, 1)
		if content == good {
			t.Fatalf("%q is not in the file", c.old)
		}
		if _, err := Parse([]byte(content)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q for %q: error %v, want %q", c.new, c.old, err, c.want)
		}
	}
}

// The reader of llama.cpp's own package finds the same metadata, shapes, and elements as it dequantises them.
func TestTheReaderOfLlamaCppReadsOurFile(t *testing.T) {
	interpreter := os.Getenv("TRAINER_PYTHON")
	if interpreter == "" {
		t.Skip("TRAINER_PYTHON names no python with gguf")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "all.gguf")
	content := write(t, metadata, everything())
	if err := os.WriteFile(path, content, 0o666); err != nil {
		t.Fatal(err)
	}
	f, err := Parse(content)
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range f.Tensors {
		values, _, err := f.Read(info.Name)
		if err != nil {
			t.Fatal(err)
		}
		raw := make([]byte, 4*len(values))
		if err := F32.encode(raw, values); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, info.Name), raw, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	const script = `
import pathlib, sys, numpy as np
from gguf import GGUFReader, dequantize, quantize, GGMLQuantizationType as Q
dir = pathlib.Path(sys.argv[1])
r = GGUFReader(dir / "all.gguf")
value = lambda key: r.fields[key].contents()
assert value("general.architecture") == "gpt2" and value("empty") == "" and value("yes") is True and value("no") is False
assert value("count") == 2**32 - 1 and value("epsilon") == np.float32(1e-5)
assert value("tokens") == ["a", "", "Ġé"] and value("kinds") == [1, -3], (value("tokens"), value("kinds"))
kinds = {"vector": Q.F32, "matrix": Q.F32, "cube": Q.F16, "brain": Q.BF16, "small": Q.Q8_0}
shapes = {"vector": [5], "matrix": [4, 3], "cube": [4, 3, 2], "brain": [7, 1], "small": [64, 3]}
assert [t.name for t in r.tensors] == list(kinds)
for t in r.tensors:
    assert t.tensor_type == kinds[t.name] and list(t.shape) == shapes[t.name], t
    want = np.fromfile(dir / t.name, np.float32).reshape(shapes[t.name][::-1])
    got = dequantize(t.data, t.tensor_type).astype(np.float32).reshape(want.shape)
    assert np.array_equal(got, want), (t.name, got, want)
    if t.name in ("small", "brain"):
        original = np.fromfile(dir / "original", np.float32)[: want.size].reshape(want.shape)
        assert np.array_equal(quantize(original, t.tensor_type).reshape(-1), t.data.reshape(-1)), t.name
`
	raw := make([]byte, 4*3*64)
	if err := F32.encode(raw, random(3*64)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "original"), raw, 0o666); err != nil {
		t.Fatal(err)
	}
	if output, err := exec.Command(interpreter, "-c", script, dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(write(f, metadata, everything()))
	f.Add(write(f, nil, nil))
	f.Fuzz(func(t *testing.T, content []byte) {
		file, err := Parse(content)
		if err != nil {
			return
		}
		for _, info := range file.Tensors {
			values, _, err := file.Read(info.Name)
			if err != nil {
				t.Fatal(err)
			}
			n := 1
			for _, d := range info.Shape {
				n *= d
			}
			if n != len(values) {
				t.Fatalf("%d elements of %+v", len(values), info)
			}
		}
	})
}
