package model

import (
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"trainer/internal/safetensors"
)

// shapes are the trained tensors of a model.
func shapes(m *Model) map[string][]int {
	all := make(map[string][]int)
	for _, p := range m.Parameters {
		all[p.Name] = p.Shape
	}
	return all
}

func TestParametersAreThoseThatTransformersSaves(t *testing.T) {
	const dir = "testdata/reference"
	text, err := os.ReadFile(filepath.Join(dir, ConfigFile))
	if err != nil {
		t.Fatal(err)
	}
	c, err := ParseConfig(text, ConfigFile)
	if err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.Open(filepath.Join(dir, WeightsFile))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want := make(map[string][]int)
	for _, info := range f.Tensors() {
		want[info.Name] = info.Shape
	}
	if got := shapes(newModel(t, c)); !reflect.DeepEqual(got, want) {
		t.Errorf("parameters are %v, want %v", got, want)
	}
	c.TiedHead = false
	want["lm_head.weight"] = []int{c.VocabSize, c.Width}
	if got := shapes(newModel(t, c)); !reflect.DeepEqual(got, want) {
		t.Errorf("with an untied head parameters are %v, want %v", got, want)
	}
	for _, positions := range []Positions{Sinusoidal, Rotary} {
		c.Positions = positions
		without := newModel(t, c)
		if p := without.Parameter("transformer.wpe.weight"); p != nil || len(without.Parameters) != len(want)-1 {
			t.Errorf("%s: %d parameters, want those of learned positions but their table", positions, len(without.Parameters))
		}
	}
}

func TestWeightsAreCountedOnceEach(t *testing.T) {
	for name, c := range kinds() {
		m := newModel(t, c)
		parameters, stages := 0, 0
		for _, p := range m.Parameters {
			parameters += p.Size()
		}
		for _, s := range m.Stages {
			stages += s.Weights
		}
		if want := c.NumParameters(); parameters != want || stages != want {
			t.Errorf("%s: %d weights in parameters and %d in stages, want %d", name, parameters, stages, want)
		}
		if len(m.fixed) != c.NumFixed() {
			t.Errorf("%s: %d fixed weights, want %d", name, len(m.fixed), c.NumFixed())
		}
	}
}

func TestStagesAreInTheOrderOfTheComputation(t *testing.T) {
	want := []string{"embeddings", "positions", "attention 1", "mlp 1", "attention 2", "mlp 2", "output"}
	for name, c := range kinds() {
		m := newModel(t, c)
		var got []string
		for _, s := range m.Stages {
			got = append(got, s.Name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: stages are %q, want %q", name, got, want)
		}
		last := 0
		for _, p := range m.Parameters {
			if p.Stage < last {
				t.Errorf("%s: %s of stage %d is behind a parameter of stage %d", name, p.Name, p.Stage, last)
			}
			last = p.Stage
		}
	}
}

func TestParametersAreAlignedViewsOfTheWeights(t *testing.T) {
	m := newModel(t, kinds()["learned, tied false"])
	end := 0
	for _, p := range m.Parameters {
		if p.Begin%16 != 0 || p.Begin < end || &p.Value[0] != &m.Weights[p.Begin] || len(p.Value) != p.Size() || cap(p.Value) != p.Size() {
			t.Errorf("%s begins at %d, behind %d, with %d of %d weights", p.Name, p.Begin, end, len(p.Value), p.Size())
		}
		for i, w := range m.Weights[end:p.Begin] {
			if w != 0 {
				t.Errorf("weight %d, in the gap before %s, is %g", end+i, p.Name, w)
			}
		}
		end = p.Begin + p.Size()
	}
	if len(m.Weights) < end || len(m.Weights) >= end+16 {
		t.Errorf("%d weights, want %d and less than a block more", len(m.Weights), end)
	}
}

func TestTheSeedDecidesTheWeights(t *testing.T) {
	c := Calculator(35)
	weights := func(seed uint64) []float32 {
		m, err := New(c, seed)
		if err != nil {
			t.Fatal(err)
		}
		return m.Weights
	}
	first := weights(1)
	sameBits(t, "weights of the same seed", weights(1), first)
	if slices.Equal(first, weights(2)) {
		t.Error("seeds 1 and 2 give the same weights")
	}
	// A run can be repeated on another machine and years later only if these never change.
	sameBits(t, "the first weights of seed 1", first[:3], []float32{-0.016049653, 0.0084941415, -0.009970142})
}

func TestNewWeightsHaveTheDeviationsOfGPT2(t *testing.T) {
	gpt2 := Calculator(200)
	gpt2.Layers = 3
	llama := gpt2
	llama.Architecture, llama.KVHeads, llama.Positions = Llama, 2, Rotary
	haveDeviations(t, gpt2, "c_proj.weight", "c_proj.weight")
	haveDeviations(t, llama, "o_proj.weight", "down_proj.weight")
}

// haveDeviations checks new weights of 3 layers; the named ones are the last of a residual branch.
func haveDeviations(t *testing.T, c Config, attention, mlp string) {
	t.Helper()
	m, err := New(c, 4)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range m.Parameters {
		switch {
		case p.IsMatrix():
			want := 0.02
			if strings.HasSuffix(p.Name, attention) || strings.HasSuffix(p.Name, mlp) {
				want = 0.02 / math.Sqrt(2*3)
			}
			var sum, squares float64
			for _, w := range p.Value {
				sum += float64(w)
				squares += float64(w) * float64(w)
			}
			n := float64(p.Size())
			mean, deviation := sum/n, math.Sqrt(squares/n)
			// Five standard errors of either estimate.
			if math.Abs(mean) > 5*want/math.Sqrt(n) || math.Abs(deviation/want-1) > 5/math.Sqrt(2*n) {
				t.Errorf("%s has mean %g and deviation %g, want 0 and %g", p.Name, mean, deviation, want)
			}
		case strings.HasSuffix(p.Name, ".weight"):
			if slices.Min(p.Value) != 1 || slices.Max(p.Value) != 1 {
				t.Errorf("%s is not 1", p.Name)
			}
		default:
			if slices.Min(p.Value) != 0 || slices.Max(p.Value) != 0 {
				t.Errorf("%s is not 0", p.Name)
			}
		}
	}
}

func TestSinusoidalTableIsThatOfVaswani(t *testing.T) {
	c := Calculator(35)
	c.Positions, c.Width, c.Heads = Sinusoidal, 6, 1
	m, err := New(c, 1)
	if err != nil {
		t.Fatal(err)
	}
	// Angles of position p in columns 0, 2 and 4 of 6: p, p/10000^(1/3), p/10000^(2/3), with 10000^(1/3) = 21.544347.
	angles := func(p float64) [3]float64 { return [3]float64{p, p / 21.5443469, p / 464.158883} }
	for p := range c.Context {
		for i, angle := range angles(float64(p)) {
			row := m.fixed[p*c.Width : (p+1)*c.Width]
			// The size of an embedding of deviation 0.02: sines and cosines have deviation 1/√2.
			const size = 0.02 * math.Sqrt2
			near(t, "table", row[2*i:2*i+2], []float32{float32(size * math.Sin(angle)), float32(size * math.Cos(angle))}, 1e-6)
		}
	}
}

// 96 layers of width 65,536 are 5·10¹² weights. To allocate them would end the process with a stack trace.
func TestNewRefusesAModelLargerThanTheMachine(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells how much memory there is")
	}
	c := Calculator(35)
	c.Width, c.Layers, c.MLPWidth = 65536, 96, 4*65536
	m, err := New(c, 1)
	if err == nil || m != nil || !strings.Contains(err.Error(), "n_embd 65536 with n_layer 96: a model of 4947") {
		t.Errorf("model %v, error %v: want one that names the sizes", m, err)
	}
}

func TestNewRefusesAnImpossibleModel(t *testing.T) {
	c := Calculator(35)
	c.Heads = 5
	if m, err := New(c, 1); err == nil || m != nil || !strings.Contains(err.Error(), "n_head 5: expected a divisor") {
		t.Errorf("model %v, error %v: want one that names the heads", m, err)
	}
}
