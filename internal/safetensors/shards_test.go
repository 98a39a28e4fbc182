package safetensors

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trainer/internal/fault"
)

// split writes two shards and an index with that text, and returns the path that stands for them.
func split(t *testing.T, index string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string][]byte{
		"one.safetensors":              file(t, []Tensor{New("a", []float32{1, 2}, 2), New("b", []int64{3}, 1)}, map[string]string{"format": "pt"}),
		"two.safetensors":              file(t, []Tensor{NewAs(BF16, "c", []float32{-4}, 1)}, nil),
		"model.safetensors.index.json": []byte(index),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "model.safetensors")
}

const (
	goodMap   = `"weight_map":{"c":"two.safetensors","a":"one.safetensors","b":"one.safetensors"}`
	goodIndex = `{"metadata":{"total_size":18,"total_parameters":4},` + goodMap + `}`
)

func TestShardsAreReadAsOneFile(t *testing.T) {
	f, err := Open(split(t, goodIndex))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if len(f.shards) != 2 {
		t.Errorf("%d files are open, want each of 2 once", len(f.shards))
	}
	if a, b, c := mustRead[float32](t, f, "a", 2), mustRead[int64](t, f, "b", 1), mustRead[float32](t, f, "c", 1); !slices.Equal(a, []float32{1, 2}) ||
		b[0] != 3 || c[0] != -4 {
		t.Errorf("a = %v, b = %v, c = %v", a, b, c)
	}
	if format, _ := f.Metadata("format"); format != "pt" || len(f.Tensors()) != 3 {
		t.Errorf("format %q, tensors %v", format, f.Tensors())
	}
	for name, want := range map[string]string{"b": "one.safetensors", "c": "two.safetensors", "d": "model.safetensors.index.json"} {
		err := Read(f, name, make([]float64, 1), 1)
		if fault.ExitCode(err) != fault.ExitData || !strings.Contains(err.Error(), want) {
			t.Errorf("%s read as float64: error %v, want one that names %s", name, err, want)
		}
	}
}

func TestAFileGoesBeforeAnIndex(t *testing.T) {
	path := split(t, `broken`)
	if err := os.WriteFile(path, file(t, []Tensor{New("x", []int32{7}, 1)}, nil), 0o666); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if x := mustRead[int32](t, f, "x", 1); x[0] != 7 {
		t.Errorf("x = %v", x)
	}
}

func TestTotalSizeNeedNotBeThere(t *testing.T) {
	for _, metadata := range []string{``, `"metadata":{},`, `"metadata":null,`, `"metadata":{"total_size":null},`, `"metadata":{"total_size":18.0},`} {
		f, err := Open(split(t, `{`+metadata+goodMap+`,"more":[1,{}]}`))
		if err != nil {
			t.Errorf("%s: %v", metadata, err)
			continue
		}
		f.Close()
	}
}

func TestShardsThatDoNotFitTheirIndexAreRefusedWithTheCause(t *testing.T) {
	const index = "model.safetensors.index.json"
	for _, c := range []struct{ index, file, want string }{
		{``, index, "not JSON"},
		{"{\"\xff\":1}", index, "not UTF-8"},
		{`[]`, index, "expected an object"},
		{`{}`, index, "no weight_map"},
		{`{"weight_map":{}}`, index, "no weight_map"},
		{`{"weight_map":[]}`, index, `"weight_map": found [, expected an object`},
		{`{"weight_map":{"a":1}}`, index, `"a": found 1, expected a string`},
		{`{"weight_map":{"a":"one.safetensors","a":"two.safetensors"}}`, index, `"a" is there twice`},
		{`{"metadata":[],` + goodMap + `}`, index, `"metadata"`},
		{`{"metadata":{"total_size":"much"},` + goodMap + `}`, index, `"metadata"`},
		{strings.Replace(goodIndex, "18", "22", 1), index, "total_size is 22, but the tensors of all files take 18 bytes"},
		{`{"weight_map":{"a":"../one.safetensors"}}`, index, `tensor "a" in "../one.safetensors": expected the name of a file in the same folder`},
		{`{"weight_map":{"a":"/one.safetensors"}}`, index, "same folder"},
		{`{"weight_map":{"a":"c:one.safetensors"}}`, index, "same folder"},
		{`{"weight_map":{"a":".."}}`, index, "same folder"},
		{`{"weight_map":{"a":""}}`, index, "same folder"},
		{strings.Replace(goodIndex, "two.", "three.", 1), "three.safetensors", "no such file"},
		{strings.Replace(goodIndex, "two.", "three.", 1), index, "needs it"},
		{strings.Replace(goodIndex, `"c":"two`, `"c":"one`, 1), index, `tensor "c" is not in one.safetensors, where weight_map says that it is`},
		{strings.Replace(goodIndex, `"c":"two`, `"d":"two`, 1), "two.safetensors", `tensor "c" is not in ` + index},
		{strings.Replace(goodIndex, `"b":"one`, `"b":"two`, 1), "one.safetensors",
			`tensor "b" is here, but ` + index + ` says that it is in two.safetensors`},
		{strings.Replace(goodIndex, "two.safetensors", index, 1), index, "not a safetensors file"},
	} {
		f, err := Open(split(t, c.index))
		if err == nil {
			f.Close()
			t.Errorf("%s: opened", c.index)
			continue
		}
		if fault.ExitCode(err) != fault.ExitData || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.file) {
			t.Errorf("%s: error %q, want a data fault that names %s and says %q", c.index, err, c.file, c.want)
		}
	}
}

// A float32 in memory is a 16-bit number in the file, as the format's own bits: 1, -2, 2/3 and the smallest F16.
func TestSixteenBitTensorsRoundAndWiden(t *testing.T) {
	values := []float32{1, -2, 2. / 3, 0x1p-24}
	for dtype, bytesWant := range map[DType][]byte{
		F16:  {0x00, 0x3c, 0x00, 0xc0, 0x55, 0x39, 0x01, 0x00},
		BF16: {0x80, 0x3f, 0x00, 0xc0, 0x2b, 0x3f, 0x80, 0x33},
	} {
		content := file(t, []Tensor{NewAs(dtype, "w", values, 2, 2)}, nil)
		if got := content[len(content)-8:]; !bytes.Equal(got, bytesWant) {
			t.Errorf("%s: bytes % x, want % x", dtype, got, bytesWant)
		}
		f := mustOpen(t, content)
		got := mustRead[float32](t, f, "w", 2, 2)
		if again := file(t, []Tensor{NewAs(dtype, "w", got, 2, 2)}, nil); !bytes.Equal(again, content) {
			t.Errorf("%s: %v is written as other bytes than it was read from", dtype, got)
		}
		if err := Read(f, "w", make([]float64, 4), 2, 2); fault.ExitCode(err) != fault.ExitData || !strings.Contains(err.Error(), string(dtype)) {
			t.Errorf("%s read as float64: error %v", dtype, err)
		}
	}
}

func TestSixteenBitTensorsOfSeveralChunksKeepTheirOrder(t *testing.T) {
	long := make([]float32, chunk+3) // two bytes each: more than two chunks
	for i := range long {
		long[i] = float32(i % 2048) // exact in F16
	}
	f := mustOpen(t, file(t, []Tensor{NewAs(F16, "long", long, len(long)), New("after", []int32{5}, 1)}, nil))
	if got := mustRead[float32](t, f, "long", len(long)); !slices.Equal(got, long) {
		t.Error("the values differ")
	}
	if got := mustRead[int32](t, f, "after", 1); got[0] != 5 {
		t.Errorf("after = %v", got)
	}
}

func TestOnlyFloat32IsWrittenAsAnotherType(t *testing.T) {
	for name, misuse := range map[string]func(){
		"F16 of int32":   func() { NewAs(F16, "x", []int32{1}, 1) },
		"F64 of float32": func() { NewAs(F64, "x", []float32{1}, 1) },
		"unknown":        func() { NewAs("F8", "x", []float32{1}, 1) },
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

// zeros is a file of that many zero bytes behind a header.
type zeros struct {
	header []byte
	size   int64
	read   int // the largest buffer
}

func (z *zeros) ReadAt(buffer []byte, offset int64) (int, error) {
	z.read = max(z.read, len(buffer))
	clear(buffer)
	if offset < int64(len(z.header)) {
		copy(buffer, z.header[offset:])
	}
	if left := z.size - offset; left < int64(len(buffer)) {
		return int(left), io.EOF
	}
	return len(buffer), nil
}

// What is in memory beside the destination is one chunk, however large the file is.
func TestReadingNeedsNoMemoryBesideTheDestination(t *testing.T) {
	const n, total = 1 << 22, 3 << 30
	header := raw(fmt.Sprintf(`{"a":{"dtype":"BF16","shape":[%d],"data_offsets":[0,%d]},"b":{"dtype":"U8","shape":[%d],"data_offsets":[%d,%d]}}`,
		n, 2*n, total-2*n, 2*n, total), 0)
	z := &zeros{header: header, size: int64(len(header)) + total}
	f, err := parse(z, z.size)
	if err != nil {
		t.Fatal(err)
	}
	dst := make([]float32, n)
	if allocated := testing.AllocsPerRun(1, func() { err = Read(f, "a", dst, n) }); err != nil || allocated > 10 || z.read > chunk {
		t.Errorf("%v; %g allocations, reads of up to %d bytes: want at most 10 and %d", err, allocated, z.read, chunk)
	}
}

func FuzzIndex(f *testing.F) {
	f.Add([]byte(goodIndex))
	f.Add([]byte(`{"weight_map":{"a":"../b"},"metadata":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		ix, err := parseIndex(text)
		if err != nil {
			return
		}
		for tensor, file := range ix.files {
			if filepath.Join("folder", file) != "folder"+string(filepath.Separator)+file {
				t.Fatalf("tensor %q is in %q, which is outside of the folder", tensor, file)
			}
		}
		ix.check(nil)
	})
}
