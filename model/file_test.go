package model

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trainer/internal/fault"
	"trainer/internal/safetensors"
)

// save writes the two files of a model to a folder.
func save(t testing.TB, m *Model, dir string) {
	t.Helper()
	var weights bytes.Buffer
	if err := m.WriteWeights(&weights); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, ConfigFile), m.Config.Marshal())
	write(t, filepath.Join(dir, WeightsFile), weights.Bytes())
}

func write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
}

func TestAModelComesBackBitForBit(t *testing.T) {
	for name, c := range kinds() {
		dir, m := t.TempDir(), newModel(t, c)
		m.Weights[0] = math.Float32frombits(1) // the smallest of all
		m.Weights[1] = float32(math.Copysign(0, -1))
		save(t, m, dir)
		got, err := Load(dir)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got.Config != c {
			t.Errorf("%s: the configuration is %+v, want %+v", name, got.Config, c)
		}
		sameBits(t, name, got.Weights, m.Weights)
		sameBits(t, name+": position table", got.fixed, m.fixed)
	}
}

func TestTheSameModelIsTheSameFile(t *testing.T) {
	for name, c := range kinds() {
		var one, two bytes.Buffer
		if err := errors.Join(newModel(t, c).WriteWeights(&one), newModel(t, c).WriteWeights(&two)); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(one.Bytes(), two.Bytes()) {
			t.Errorf("%s: two files differ", name)
		}
	}
}

// change returns what is to be written for a tensor.
type change func(name string, value []float32, shape []int) (string, []float32, []int)

// rewritten returns a weights file in which change gets every tensor of m, to be written under the returned name and shape; "" drops it.
func rewritten(t *testing.T, m *Model, change change, more ...safetensors.Tensor) []byte {
	t.Helper()
	tensors := more
	for i := range m.Parameters {
		p := &m.Parameters[i]
		for _, s := range p.Tensors(p.Value) {
			if name, value, shape := change(s.Name, s.Value, s.Shape); name != "" {
				tensors = append(tensors, safetensors.New(name, value, shape...))
			}
		}
	}
	var file bytes.Buffer
	if err := safetensors.Write(&file, tensors, nil); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func unchanged(name string, value []float32, shape []int) (string, []float32, []int) {
	return name, value, shape
}

func TestNamesWithoutThePrefixAreRead(t *testing.T) {
	for _, kind := range []string{"learned, tied true", "learned, tied false", "llama, tied true", "llama, tied false"} {
		dir, m := t.TempDir(), newModel(t, kinds()[kind])
		save(t, m, dir)
		// As on the Hub: no prefix, and what old versions of transformers stored: the causal masks of GPT-2, the frequencies of Llama.
		mask := safetensors.New("h.0.attn.bias", make([]float32, 81), 1, 1, 9, 9)
		masked := safetensors.New("h.0.attn.masked_bias", []float32{-1e4})
		frequencies := safetensors.New("layers.0.self_attn.rotary_emb.inv_freq", make([]float32, 6), 6)
		write(t, filepath.Join(dir, WeightsFile), rewritten(t, m, func(name string, value []float32, shape []int) (string, []float32, []int) {
			return strings.TrimPrefix(name, m.Config.variant().prefix), value, shape
		}, mask, masked, frequencies))
		got, err := Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		sameBits(t, kind, got.Weights, m.Weights)
	}
}

// The queries, keys and values of a Llama are one product here, and three tensors in files; so are the two inputs of SwiGLU.
func TestPackedWeightsAreRowsOfSeveralTensors(t *testing.T) {
	c := kinds()["llama, tied false"]
	c.KVHeads = 1
	m := newModel(t, c)
	var file bytes.Buffer
	if err := m.WriteWeights(&file); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), WeightsFile)
	write(t, path, file.Bytes())
	f, err := safetensors.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for packed, tensors := range map[string][]struct {
		name string
		rows int
	}{
		"model.layers.1.self_attn.qkv_proj.weight": {
			{"model.layers.1.self_attn.q_proj.weight", 36}, {"model.layers.1.self_attn.k_proj.weight", 12},
			{"model.layers.1.self_attn.v_proj.weight", 12},
		},
		"model.layers.0.mlp.gate_up_proj.weight": {{"model.layers.0.mlp.gate_proj.weight", 50}, {"model.layers.0.mlp.up_proj.weight", 50}},
	} {
		if has(f, packed) {
			t.Errorf("the file has a tensor %s", packed)
		}
		rest := m.Parameter(packed).Value
		for _, want := range tensors {
			got := make([]float32, want.rows*36)
			if err := safetensors.Read(f, want.name, got, want.rows, 36); err != nil {
				t.Fatal(err)
			}
			sameBits(t, want.name, got, rest[:len(got)])
			rest = rest[len(got):]
		}
		if len(rest) > 0 {
			t.Errorf("%d weights of %s are in no tensor", len(rest), packed)
		}
	}
}

func TestABrokenModelIsADataFaultThatNamesTheFile(t *testing.T) {
	m := newModel(t, kinds()["learned, tied false"])
	var whole bytes.Buffer
	if err := m.WriteWeights(&whole); err != nil {
		t.Fatal(err)
	}
	weights := whole.Bytes()
	header := 8 + int(binary.LittleEndian.Uint64(weights))
	config := func(change func(*Config)) []byte {
		c := m.Config
		change(&c)
		return c.Marshal()
	}
	// with returns the file with one tensor replaced.
	with := func(tensor string, change func(value []float32, shape []int) ([]float32, []int)) []byte {
		return rewritten(t, m, func(name string, value []float32, shape []int) (string, []float32, []int) {
			if name == tensor {
				value, shape = change(append([]float32(nil), value...), shape)
			}
			return name, value, shape
		})
	}
	element := func(tensor string, v float64) []byte {
		return with(tensor, func(value []float32, shape []int) ([]float32, []int) {
			value[7] = float32(v)
			return value, shape
		})
	}
	const cfc = "transformer.h.1.mlp.c_fc.weight"
	for _, c := range []struct {
		name            string
		config, weights []byte
		file, want      string
	}{
		{"an empty file", nil, []byte{}, WeightsFile, "0 bytes"},
		{"a file cut in the header's length", nil, weights[:5], WeightsFile, "5 bytes"},
		{"a file cut in the header", nil, weights[:100], WeightsFile, "cut short"},
		{"a file cut in a shape", nil, weights[:bytes.Index(weights, []byte(`"shape":[19`))+11], WeightsFile, "cut short"},
		{"a file cut before the data", nil, weights[:header], WeightsFile, "only 0 follow the header"},
		{"a file cut in the data", nil, weights[:len(weights)-1], WeightsFile, "the file is cut short"},
		{"a file with more behind it", nil, append(bytes.Clone(weights), 0), WeightsFile, "expected none after them"},
		{"a header that is no JSON", nil, bytes.Replace(weights, []byte(`"shape"`), []byte(`"shape'`), 1), WeightsFile, "JSON"},
		{"a pickle", nil, []byte("PK\x03\x04 this is not what it is called"), WeightsFile, "not a safetensors file"},
		{"a missing tensor", nil, rewritten(t, m, func(name string, value []float32, shape []int) (string, []float32, []int) {
			if name == cfc {
				name = ""
			}
			return name, value, shape
		}), WeightsFile, cfc},
		{"an unknown tensor", nil, rewritten(t, m, unchanged, safetensors.New("extra", []float32{1}, 1)), WeightsFile,
			"tensor extra is not part of the model"},
		{"a transposed tensor", nil, with(cfc, func(value []float32, shape []int) ([]float32, []int) {
			return value, []int{shape[1], shape[0]}
		}), WeightsFile, "has shape [50 36], expected [36 50]"},
		{"a tensor of float64", nil, rewritten(t, m, func(name string, value []float32, shape []int) (string, []float32, []int) {
			if name == cfc {
				name = ""
			}
			return name, value, shape
		}, safetensors.New(cfc, make([]float64, 36*50), 36, 50)), WeightsFile, "is of type F64, expected F32"},
		{"a NaN", nil, element(cfc, math.NaN()), WeightsFile, "element 7 of " + cfc + " is NaN"},
		{"an infinity", nil, element("transformer.wpe.weight", math.Inf(-1)), WeightsFile, "element 7 of transformer.wpe.weight is -Inf"},
		{"more layers than weights", config(func(c *Config) { c.Layers = 3 }), weights, WeightsFile, `no tensor "transformer.h.2.`},
		{"fewer layers than weights", config(func(c *Config) { c.Layers = 1 }), weights, WeightsFile, "tensor transformer.h.1."},
		{"another width", config(func(c *Config) { c.Width = 39 }), weights, WeightsFile, "has shape [19 36], expected [19 39]"},
		{"another context", config(func(c *Config) { c.Context = 8 }), weights, WeightsFile,
			`"transformer.wpe.weight" has shape [9 36], expected [8 36]`},
		{"a head where there should be none", config(func(c *Config) { c.TiedHead = true }), weights, WeightsFile,
			"of lm_head.weight is"},
		{"positions where there should be none", config(func(c *Config) { c.Positions = Rotary }), weights, WeightsFile,
			"tensor transformer.wpe.weight is not part"},
		{"an impossible configuration", config(func(c *Config) { c.Heads = 5 }), weights, ConfigFile, "expected a divisor"},
		{"a configuration cut short", m.Config.Marshal()[:50], weights, ConfigFile, "JSON"},
	} {
		dir := t.TempDir()
		if c.config == nil {
			c.config = m.Config.Marshal()
		}
		write(t, filepath.Join(dir, ConfigFile), c.config)
		write(t, filepath.Join(dir, WeightsFile), c.weights)
		wantDataFault(t, c.name, dir, filepath.Join(dir, c.file), c.want)
	}
}

func wantDataFault(t *testing.T, what, dir, file, want string) {
	t.Helper()
	got, err := Load(dir)
	if fault.ExitCode(err) != fault.ExitData || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: error %v, want a data fault that names %s and says %q", what, err, file, want)
	}
	if got != nil {
		t.Errorf("%s: a model came back with the error", what)
	}
}

func TestMissingFilesAreNamed(t *testing.T) {
	dir := t.TempDir()
	wantDataFault(t, "an empty folder", dir, filepath.Join(dir, ConfigFile), "no such file")
	write(t, filepath.Join(dir, ConfigFile), Calculator(35).Marshal())
	wantDataFault(t, "no weights", dir, filepath.Join(dir, WeightsFile), "no such file")
	if err := os.Mkdir(filepath.Join(dir, WeightsFile), 0o777); err != nil {
		t.Fatal(err)
	}
	wantDataFault(t, "a folder of that name", dir, filepath.Join(dir, WeightsFile), "not a regular file")
}

// fullDisk takes some bytes and then no more.
type fullDisk int

var errFull = errors.New("disk full")

func (d *fullDisk) Write(p []byte) (int, error) {
	if *d -= fullDisk(len(p)); *d < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestWriteWeightsReportsAFullDisk(t *testing.T) {
	m := newModel(t, kinds()["sinusoidal, tied true"])
	var whole bytes.Buffer
	if err := m.WriteWeights(&whole); err != nil {
		t.Fatal(err)
	}
	for _, room := range []int{0, 8, 100, whole.Len() - 1} {
		disk := fullDisk(room)
		if err := m.WriteWeights(&disk); !errors.Is(err, errFull) {
			t.Errorf("%d bytes of room: error %v", room, err)
		}
	}
}
