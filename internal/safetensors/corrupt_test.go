package safetensors

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trainer/internal/fault"
)

// raw is a file of any header text.
func raw(header string, data int) []byte {
	content := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(content, header...), make([]byte, data)...)
}

func TestBadFilesAreRefusedWithTheCause(t *testing.T) {
	length := func(n uint64) []byte { return append(binary.LittleEndian.AppendUint64(nil, n), "{}      "...) }
	tensor := func(text string, data int) []byte { return raw(`{"w":`+text+`}`, data) }
	for _, c := range []struct {
		name    string
		content []byte
		want    string
	}{
		{"nothing", nil, "has 0 bytes"},
		{"seven bytes", make([]byte, 7), "has 7 bytes"},
		{"header longer than the file", length(9), "only 8 bytes follow: the file is cut short"},
		{"header above the limit", length(maxHeader + 1), "above the limit"},
		{"header length with the sign bit", length(1 << 63), "above the limit"},
		{"no header", length(0), "does not begin with '{'"},
		{"space before the header", raw(" {}", 0), "does not begin with '{'"},
		{"not UTF-8", raw("{\"\xff\":1}", 0), "not UTF-8"},
		{"not JSON", raw(`{"w":}`, 0), "not JSON"},
		{"comma at the end", raw(`{"__metadata__":{},}`, 0), "not JSON"},
		{"text after the object", raw(`{} {}`, 0), "not JSON"},
		{"tensor that is no object", tensor(`[]`, 0), `"w": found [, expected an object`},
		{"tensor that is null", tensor(`null`, 0), "expected an object"},
		{"tensor twice", raw(`{"w":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"w":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}`, 0),
			`"w" is there twice`},
		{"metadata twice", raw(`{"__metadata__":{},"__metadata__":{}}`, 0), "twice"},
		{"metadata key twice", raw(`{"__metadata__":{"k":"","k":""}}`, 0), `"k" is there twice`},
		{"metadata of numbers", raw(`{"__metadata__":{"k":1}}`, 0), `"k": found 1, expected a string`},
		{"metadata that is a string", raw(`{"__metadata__":"k"}`, 0), "expected an object"},
		{"key twice", tensor(`{"dtype":"F32","dtype":"F32","shape":[0],"data_offsets":[0,0]}`, 0), `"dtype" is there twice`},
		{"unknown key", tensor(`{"dtype":"F32","shape":[0],"data_offsets":[0,0],"x":1}`, 0), `"x": unknown key`},
		{"key of other case", tensor(`{"Dtype":"F32","shape":[0],"data_offsets":[0,0]}`, 0), `"Dtype": unknown key`},
		{"no dtype", tensor(`{"shape":[0],"data_offsets":[0,0]}`, 0), "expected dtype, shape and data_offsets"},
		{"no shape", tensor(`{"dtype":"F32","data_offsets":[0,0]}`, 0), "expected dtype, shape and data_offsets"},
		{"no offsets", tensor(`{"dtype":"F32","shape":[0]}`, 0), "expected dtype, shape and data_offsets"},
		{"unknown dtype", tensor(`{"dtype":"f32","shape":[0],"data_offsets":[0,0]}`, 0), `unknown dtype "f32"`},
		{"dtype that is a number", tensor(`{"dtype":32,"shape":[0],"data_offsets":[0,0]}`, 0), `"dtype": found 32, expected a string`},
		{"shape that is a number", tensor(`{"dtype":"F32","shape":1,"data_offsets":[0,4]}`, 4), "expected an array"},
		{"negative shape", tensor(`{"dtype":"F32","shape":[-1,-1],"data_offsets":[0,4]}`, 4), `"shape": found -1, expected an integer`},
		{"fractional shape", tensor(`{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}`, 4), "found 1.0, expected an integer"},
		{"shape of null", tensor(`{"dtype":"F32","shape":[null],"data_offsets":[0,0]}`, 0), "expected an integer"},
		{"shape of strings", tensor(`{"dtype":"F32","shape":["1"],"data_offsets":[0,4]}`, 4), "found 1, expected an integer"},
		{"shape beyond int64", tensor(`{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,4]}`, 4), "expected an integer"},
		{"shape whose product overflows", tensor(`{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}`, 0), "too large"},
		{"shape whose size overflows", tensor(`{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]}`, 0), "too large"},
		{"one offset", tensor(`{"dtype":"F32","shape":[1],"data_offsets":[4]}`, 4), "expected begin and end"},
		{"three offsets", tensor(`{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}`, 4), "expected begin and end"},
		{"negative offset", tensor(`{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}`, 4), "found -4, expected an integer"},
		{"offsets in reverse", tensor(`{"dtype":"F32","shape":[1],"data_offsets":[4,0]}`, 4), "expected begin and end"},
		{"too few bytes", tensor(`{"dtype":"F32","shape":[2],"data_offsets":[0,4]}`, 4), "hold 4 bytes, but shape [2] of F32 takes 8"},
		{"too many bytes", tensor(`{"dtype":"F32","shape":[],"data_offsets":[0,8]}`, 8), "hold 8 bytes, but shape [] of F32 takes 4"},
		{"gap at the beginning", tensor(`{"dtype":"F32","shape":[1],"data_offsets":[4,8]}`, 8), "begins at byte 4 of the data, expected 0"},
		{"gap", raw(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}`, 12),
			`"b" begins at byte 8 of the data, expected 4`},
		{"overlap", raw(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8),
			`"b" begins at byte 4 of the data, expected 8`},
		{"same bytes twice",
			raw(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4),
			`"b" begins at byte 0 of the data, expected 4`},
		{"data cut short", tensor(`{"dtype":"F32","shape":[2],"data_offsets":[0,8]}`, 7),
			"take 8 bytes, but only 7 follow the header: the file is cut short"},
		{"data after the tensors", tensor(`{"dtype":"F32","shape":[2],"data_offsets":[0,8]}`, 9), "take 8 bytes, but 9 follow"},
		{"deep nesting", raw(`{"w":`+strings.Repeat("[", 100_000), 0), "not JSON"},
	} {
		f, err := Open(store(t, c.content))
		if err == nil {
			f.Close()
			t.Errorf("%s: opened", c.name)
			continue
		}
		if fault.ExitCode(err) != fault.ExitData || !strings.Contains(err.Error(), c.want) ||
			!strings.Contains(err.Error(), "model.safetensors") {
			t.Errorf("%s: error %q, want a data fault that names the file and says %q", c.name, err, c.want)
		}
	}
}

func TestMissingFileAndFolderAreDataFaults(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Join(dir, "missing")} {
		if _, err := Open(path); fault.ExitCode(err) != fault.ExitData || !strings.Contains(err.Error(), path) {
			t.Errorf("Open(%q): error %v", path, err)
		}
	}
}

// small is a valid file with data.
func small(t testing.TB) []byte {
	return file(t, []Tensor{New("w", []float32{1, 2}, 2), New("v", []int64{3}, 1)}, map[string]string{"k": "v"})
}

func TestFileCutShortAnywhereIsRefused(t *testing.T) {
	whole := small(t)
	for n := range whole {
		if _, err := parse(bytes.NewReader(whole[:n]), int64(n)); err == nil {
			t.Errorf("the first %d of %d bytes were accepted", n, len(whole))
		}
	}
	if _, err := parse(bytes.NewReader(whole), int64(len(whole))); err != nil {
		t.Errorf("the whole was refused: %v", err)
	}
}

func TestFileThatShrinksAfterOpenIsRefused(t *testing.T) {
	path := store(t, small(t))
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.Truncate(path, int64(len(small(t))-1)); err != nil {
		t.Fatal(err)
	}
	err = Read(f, "v", make([]int64, 1), 1)
	if fault.ExitCode(err) != fault.ExitData || !strings.Contains(err.Error(), "became shorter") {
		t.Errorf("error %v", err)
	}
}

// A flipped bit of the header either is refused or changes a name, a type of the same size, or a text: never the layout.
func TestFlippedBitOfTheHeaderNeverMovesData(t *testing.T) {
	whole := small(t)
	original, err := parse(bytes.NewReader(whole), int64(len(whole)))
	if err != nil {
		t.Fatal(err)
	}
	accepted := 0
	for i := range int(original.shards[0].start) * 8 {
		flipped := bytes.Clone(whole)
		flipped[i/8] ^= 1 << (i % 8)
		f, err := parse(bytes.NewReader(flipped), int64(len(flipped)))
		if err != nil {
			continue
		}
		accepted++
		if f.shards[0].start != original.shards[0].start && i/8 >= 8 {
			t.Errorf("bit %d of byte %d moves the data from %d to %d", i%8, i/8, original.shards[0].start, f.shards[0].start)
		}
		for j, info := range f.tensors {
			if o := original.tensors[j]; info.begin != o.begin || info.end != o.end || fmt.Sprint(info.Shape) != fmt.Sprint(o.Shape) {
				t.Errorf("bit %d of byte %d: tensor %+v, was %+v", i%8, i/8, info, o)
			}
		}
	}
	if accepted > 150 {
		t.Errorf("%d of %d flipped bits went unnoticed", accepted, original.shards[0].start*8)
	}
}

// counter is a reader which counts the bytes asked for.
type counter struct {
	io.ReaderAt
	n int
}

func (c *counter) ReadAt(buffer []byte, offset int64) (int, error) {
	c.n += len(buffer)
	return c.ReaderAt.ReadAt(buffer, offset)
}

func FuzzOpen(f *testing.F) {
	f.Add(small(f))
	f.Add(raw(`{"a":{"dtype":"BF16","shape":[2,1],"data_offsets":[0,4]}}`, 4))
	f.Add(raw(`{"a":{"dtype":"F16","shape":[3],"data_offsets":[0,6]},"b":{"dtype":"F32","shape":[],"data_offsets":[6,10]}}`, 10))
	f.Add(raw(`{"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]}}`, 0))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff{}"))
	f.Fuzz(func(t *testing.T, content []byte) {
		reader := &counter{ReaderAt: bytes.NewReader(content)}
		file, err := parse(reader, int64(len(content)))
		if reader.n > len(content)+8 {
			t.Fatalf("asked for %d bytes of a file of %d", reader.n, len(content))
		}
		if err != nil {
			return
		}
		var total int64
		for _, info := range file.Tensors() {
			n, ok := elements(info.Shape)
			if !ok || n*sizes[info.DType] != info.end-info.begin {
				t.Fatalf("shape of %+v", info)
			}
			total += info.end - info.begin
			if readable[float32](info.DType) {
				if err := Read(file, info.Name, make([]float32, n), info.Shape...); err != nil {
					t.Fatal(err)
				}
			}
		}
		if file.shards[0].start+total != int64(len(content)) {
			t.Fatalf("header of %d and tensors of %d bytes, file of %d", file.shards[0].start, total, len(content))
		}
	})
}
