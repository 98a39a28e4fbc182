package verify

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trainer/internal/cpu"
	"trainer/internal/cpu/kernel"
	"trainer/internal/fault"
	"trainer/internal/safetensors"
	"trainer/model"
)

const folder = "../../model/testdata/reference"

// referenceRows are those of its report: 28 parameters, 2 of them with masked targets too, logits and 3 losses, on two paths; losses and norms;
// weights; text.
const referenceRows = 2*(28+2+4) + 2 + 28 + 1

// report compares on the CPU.
func report(t *testing.T, dir string, set *kernel.Set, threads int) *Report {
	t.Helper()
	b := cpu.New(threads, set)
	defer b.Close()
	r, err := Run(dir, OnCPU(b, set))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestNumbersAreThoseOfPyTorchForAllKernelsAndThreads(t *testing.T) {
	for _, set := range kernel.Sets() {
		for _, threads := range []int{1, 2} {
			r := report(t, folder, set, threads)
			for _, row := range r.Failed() {
				t.Errorf("%s, %d threads: %s: %s is off by %v of %g", set.Name, threads, row.Group, row.Tensor, row.Deviations, row.Size)
			}
			if len(r.Rows) != referenceRows || len(r.Precisions) != 2 {
				t.Errorf("%s, %d threads: %d rows against %v, want %d against both precisions", set.Name, threads, len(r.Rows), r.Precisions,
					referenceRows)
			}
		}
	}
}

func TestNumbersOfTheCPUInBFloat16AreThoseOfPyTorch(t *testing.T) {
	r := report(t, folder, kernel.Best().BF16(), 1)
	for _, row := range r.Failed() {
		t.Errorf("%s: %s is off by %v of %g", row.Group, row.Tensor, row.Deviations, row.Size)
	}
	if logits := slices.IndexFunc(r.Rows, func(row Row) bool { return row.Tensor == "logits" }); r.Rows[logits].Relative() < Tolerance {
		t.Errorf("logits are off by %g alone: nothing was rounded", r.Rows[logits].Relative())
	}
}

// altered is a copy of the float32 reference in which one file is changed: change gets every tensor of it and returns what is to be written, nil for
// none.
func altered(t *testing.T, file string, change func(name string, shape []int, values any) (any, []int)) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"config.json", "model.safetensors", "ref_f32.safetensors"} {
		copyFile(t, dir, name)
	}
	old, err := safetensors.Open(filepath.Join(folder, file))
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	var tensors []safetensors.Tensor
	for _, info := range old.Tensors() {
		var values any
		if info.DType == safetensors.I64 {
			values = read[int64](t, old, info)
		} else {
			values = read[float32](t, old, info)
		}
		changed, shape := change(info.Name, info.Shape, values)
		switch values := changed.(type) {
		case []int64:
			tensors = append(tensors, safetensors.New(info.Name, values, shape...))
		case []float32:
			tensors = append(tensors, safetensors.New(info.Name, values, shape...))
		}
	}
	f, err := os.Create(filepath.Join(dir, file))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := safetensors.Write(f, tensors, nil); err != nil {
		t.Fatal(err)
	}
	return dir
}

// copyFile copies a file of the reference.
func copyFile(t *testing.T, dir, name string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o666); err != nil {
		t.Fatal(err)
	}
}

func read[T safetensors.Element](t *testing.T, f *safetensors.File, info safetensors.Info) []T {
	t.Helper()
	values := make([]T, elements(info.Shape))
	if err := safetensors.Read(f, info.Name, values, info.Shape...); err != nil {
		t.Fatal(err)
	}
	return values
}

// failures are the tensors that do not pass, each once.
func failures(r *Report) []string {
	var names []string
	for _, row := range r.Failed() {
		names = append(names, row.Tensor)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func TestADeviationAboveTheToleranceIsFoundInItsTensor(t *testing.T) {
	const keys = "after.transformer.h.0.attn.c_attn.bias"
	for _, c := range []struct {
		tensor  string
		element int
		by      float64 // of the largest value
		want    []string
	}{
		{"logits", 77, 2 * Tolerance, []string{"logits"}},
		{"logits", 77, Tolerance / 2, nil},
		{"logits", 0, math.NaN(), []string{"logits"}},
		{"loss", 0, 2 * LossTolerance, []string{"loss"}},
		{"losses", 9, 2 * LossTolerance, []string{"losses"}},
		{"grad.transformer.h.1.mlp.c_fc.bias", 255, -2 * Tolerance, []string{"grad.transformer.h.1.mlp.c_fc.bias"}},
		{"after.transformer.wpe.weight", 5, 2 * Tolerance, []string{"after.transformer.wpe.weight"}},
		{keys, 63, 2 * Tolerance, []string{keys + " [without keys]"}},
		{keys, 64, 2 * Tolerance, nil}, // the first and the last element of the keys' part
		{keys, 127, 2 * Tolerance, nil},
		{keys, 128, 2 * Tolerance, []string{keys + " [without keys]"}},
	} {
		dir := altered(t, "ref_f32.safetensors", func(name string, shape []int, values any) (any, []int) {
			if name == c.tensor {
				list := values.([]float32)
				largest := 0.0
				for _, v := range list {
					largest = max(largest, math.Abs(float64(v)))
				}
				list[c.element] += float32(c.by * largest)
			}
			return values, shape
		})
		if got := failures(report(t, dir, kernel.Best(), 1)); !slices.Equal(got, c.want) {
			t.Errorf("%s[%d] changed by %g of its largest: the tensors %q fail, want %q", c.tensor, c.element, c.by, got, c.want)
		}
	}
}

func TestAnotherTokenInTheTextIsFoundUnlessTwoWereAsLikely(t *testing.T) {
	for _, tie := range []bool{false, true} {
		dir := altered(t, "ref_f32.safetensors", func(name string, shape []int, values any) (any, []int) {
			switch list := values.(type) {
			case []int64:
				if name == "greedy" {
					list[9] = (list[9] + 1) % 100
				}
			case []float32:
				if name == "margins" && tie {
					list[9-5] = 1e-5
				}
			}
			return values, shape
		})
		var want []string
		if !tie {
			want = []string{"tokens that differ"}
		}
		if got := failures(report(t, dir, kernel.Best(), 1)); !slices.Equal(got, want) {
			t.Errorf("tie %v: the tensors %q fail, want %q", tie, got, want)
		}
	}
}

// The reference goes on to its length whatever the tokens are.
func TestAnEndTokenDoesNotEndTheText(t *testing.T) {
	var end int64
	dir := altered(t, "ref_f32.safetensors", func(name string, shape []int, values any) (any, []int) {
		if name == "greedy" {
			end = values.([]int64)[9]
		}
		return values, shape
	})
	path := filepath.Join(dir, model.ConfigFile)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), `"eos_token_id": 0`, fmt.Sprintf(`"eos_token_id": %d`, end), 1)
	if err := os.WriteFile(path, []byte(changed), 0o666); err != nil {
		t.Fatal(err)
	}
	if got := failures(report(t, dir, kernel.Best(), 1)); got != nil || changed == string(text) {
		t.Errorf("with the end token %d the tensors %q fail", end, got)
	}
}

func TestAWrongWeightOfTheModelFailsAlmostEverything(t *testing.T) {
	dir := altered(t, "model.safetensors", func(name string, shape []int, values any) (any, []int) {
		if name == "transformer.h.0.attn.c_attn.weight" {
			values.([]float32)[0] += 0.1
		}
		return values, shape
	})
	r := report(t, dir, kernel.Best(), 1)
	if failed := len(r.Failed()); failed < len(r.Rows)/2 {
		t.Errorf("%d of %d rows fail", failed, len(r.Rows))
	}
	var text strings.Builder
	if err := r.Print(&text); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(text.String()), "\n")
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, "FAILED") {
		t.Errorf("the table ends with %q, want a verdict", last)
	}
}

func TestABadReferenceFolderIsADataFaultThatSaysWhatIsWrong(t *testing.T) {
	type change func(name string, shape []int, values any) (any, []int)
	reference := func(c change) string { return altered(t, "ref_f32.safetensors", c) }
	without := func(without string) change {
		return func(name string, shape []int, values any) (any, []int) {
			if name == without {
				return nil, nil
			}
			return values, shape
		}
	}
	token := func(in string, id int64) change {
		return func(name string, shape []int, values any) (any, []int) {
			if name == in {
				values.([]int64)[3] = id
			}
			return values, shape
		}
	}
	reshaped := func(tensor string, shape ...int) change {
		return func(name string, old []int, values any) (any, []int) {
			if name == tensor {
				return values, shape
			}
			return values, old
		}
	}
	both := reference(token("xs", 1))
	copyFile(t, both, "ref_f64.safetensors")
	host := cpu.New(1, kernel.Best())
	defer host.Close()
	for _, c := range []struct{ dir, want string }{
		{t.TempDir(), "neither ref_f32.safetensors nor ref_f64.safetensors"},
		{reference(without("x")), `"x" has shape []`},
		{reference(without("ys")), `no tensor "ys"`},
		{reference(without("logits")), `no tensor "logits"`},
		{reference(without("grad.transformer.ln_f.bias")), `no tensor "grad.transformer.ln_f.bias"`},
		{reference(without("margins")), `no tensor "margins"`},
		{reference(token("x", 100)), `element 3 of "x" is 100`},
		{reference(token("prompt", -100)), `element 3 of "prompt" is -100`},
		{reference(reshaped("x", 2, 64)), "64 tokens, more than the 32"},
		{reference(reshaped("x", 128)), "[sequences, length]"},
		{reference(reshaped("greedy", 4, 8)), `"greedy" has shape [4 8]`},
		{reference(func(name string, shape []int, values any) (any, []int) {
			if name == "after.transformer.ln_f.bias" {
				return make([]float32, 3), []int{3}
			}
			return values, shape
		}), `"after.transformer.ln_f.bias" has shape [3]`},
		{both, "ref_f64.safetensors: its tokens are not those"},
	} {
		_, err := Run(c.dir, OnCPU(host, kernel.Best()))
		if fault.ExitCode(err) != fault.ExitData || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.dir) {
			t.Errorf("error %v: want a data fault that names %s and says %q", err, c.dir, c.want)
		}
	}
}

// Models of our own, of several kinds, as PyTorch computes them.
func TestNumbersOfOtherModelsAreThoseOfPyTorch(t *testing.T) {
	interpreter := os.Getenv("TRAINER_PYTHON")
	if interpreter == "" {
		t.Skip("TRAINER_PYTHON names no python with torch and transformers")
	}
	for name, change := range map[string]func(c *model.Config){
		"learned":    func(*model.Config) {},
		"sinusoidal": func(c *model.Config) { c.Positions = model.Sinusoidal },
		"llama":      func(c *model.Config) { c.Architecture, c.KVHeads, c.Positions = model.Llama, 1, model.Rotary },
	} {
		for _, tied := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s tied=%v", name, tied), func(t *testing.T) {
				c := model.Calculator(35)
				c.Width, c.Heads, c.Layers, c.MLPWidth, c.Context, c.TiedHead = 48, 3, 3, 100, 17, tied
				change(&c)
				dir, out := t.TempDir(), t.TempDir()
				write(t, dir, c)
				if output, err := exec.Command(interpreter, "../../scripts/verify/reference.py", dir, out).CombinedOutput(); err != nil {
					t.Fatalf("%v\n%s", err, output)
				}
				for _, row := range report(t, out, kernel.Best(), 1).Failed() {
					t.Errorf("%s: %s is off by %v of %g", row.Group, row.Tensor, row.Deviations, row.Size)
				}
			})
		}
	}
}

// write stores a model whose every weight matters: random, biases and norms too.
func write(t *testing.T, dir string, c model.Config) {
	t.Helper()
	m, err := model.New(c, 1)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range m.Parameters {
		for j := range m.Parameters[i].Value {
			m.Parameters[i].Value[j] += float32(0.08 * random.NormFloat64())
		}
	}
	if err := os.WriteFile(filepath.Join(dir, model.ConfigFile), c.Marshal(), 0o666); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, model.WeightsFile))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := m.WriteWeights(f); err != nil {
		t.Fatal(err)
	}
}
