package export

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"trainer/internal/cpu"
	"trainer/internal/cpu/kernel"
	"trainer/model"
	"trainer/tokenizer"
)

const prompt = "The wheels on the bus, Straße 42"

// script lets llama.cpp answer: the ids of the prompt, the logits behind it, and the tokens that it goes on with.
const script = `
import json, sys, numpy as np, llama_cpp
path, prompt, new = sys.argv[1], sys.argv[2], int(sys.argv[3])
m = llama_cpp.Llama(path, n_ctx=0, n_threads=1, logits_all=False, verbose=False, seed=1)
ids = m.tokenize(prompt.encode(), add_bos=False, special=False)
tokens, logits = [], None
m.eval(ids)
for _ in range(new):
    last = np.ctypeslib.as_array(llama_cpp.llama_get_logits(m.ctx), shape=(m.n_vocab(),)).copy()
    logits = last if logits is None else logits
    tokens.append(int(last.argmax()))
    m.eval(tokens[-1:])
print(json.dumps({"prompt": ids, "logits": logits.tolist(), "tokens": tokens, "text": m.detokenize(ids).decode(), "end": m.token_eos()}))
`

type answer struct {
	Prompt, Tokens []int32
	Logits         []float64
	Text           string
	End            int
}

// askLlamaCpp runs the script, or skips the test.
func askLlamaCpp(t *testing.T, path string, tokens int) answer {
	t.Helper()
	interpreter := os.Getenv("TRAINER_PYTHON")
	if interpreter == "" || exec.Command(interpreter, "-c", "import llama_cpp").Run() != nil {
		t.Skip("TRAINER_PYTHON names no python with llama_cpp: pip install llama-cpp-python builds it with a C++ compiler")
	}
	c := exec.Command(interpreter, "-c", script, path, prompt, strconv.Itoa(tokens))
	var errors strings.Builder
	c.Stderr = &errors
	output, err := c.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, errors.String())
	}
	var a answer
	if err := json.Unmarshal(output, &a); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return a
}

// decided is a model whose choices are no matter of rounding: its weights are larger than those of a new one.
func decided(t *testing.T, of tokenizer.Tokenizer, change func(*model.Config)) *model.Model {
	t.Helper()
	m := small(t, of, func(c *model.Config) {
		c.Context, c.Width, c.MLPWidth = 64, 64, 256
		change(c)
	})
	random := rand.New(rand.NewPCG(3, 4))
	for i := range m.Parameters {
		for j := range m.Parameters[i].Value {
			m.Parameters[i].Value[j] += float32(0.15 * random.NormFloat64())
		}
	}
	return m
}

// ours is what the trainer answers.
func ours(t *testing.T, m *model.Model, ids []int32, tokens int) (logits []float32, greedy []int32) {
	t.Helper()
	b := cpu.New(1, kernel.Best())
	defer b.Close()
	e := model.NewExecutor(m, b)
	var batch model.Batch
	targets := make([]int32, len(ids))
	for i := range targets {
		targets[i] = -1
	}
	targets[len(ids)-1] = 0
	batch.Add(ids, targets)
	out, err := e.Run(&batch, model.Predict, 0)
	if err != nil {
		t.Fatal(err)
	}
	logits = slices.Clone(out.Logits)
	choices, err := model.NewGenerator(e).Generate([][]int32{ids}, model.Sampling{TopP: 1, MaxTokens: tokens}, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range choices[0] {
		greedy = append(greedy, c.Token)
	}
	return logits[len(logits)-m.Config.VocabSize:], greedy
}

func TestLlamaCppGoesOnWithTheSameTokens(t *testing.T) {
	letters, err := tokenizer.BuildChar(prompt + "ü€ abcdefghijklmnopqrstuvwxyz")
	if err != nil {
		t.Fatal(err)
	}
	var learner tokenizer.BPETrainer
	if err := learner.Add(strings.NewReader(strings.Repeat("The wheels on the bus go round and round. ", 9))); err != nil {
		t.Fatal(err)
	}
	const tokens = 8
	// The largest deviation of a logit relative to the largest logit. llama.cpp looks GELU up in a table of 16 bits.
	tolerance := map[string]float64{"f32": 5e-3, "f16": 1e-2, "bf16": 5e-2, "q8_0": 5e-2}
	tied := func(c *model.Config) { c.TiedHead = true }
	for name, test := range map[string]struct {
		of     tokenizer.Tokenizer
		change func(*model.Config)
	}{
		"bpe": {learner.Train(280, 2), tied}, "char": {letters, tied}, "bytes": {tokenizer.NewBytes(), func(*model.Config) {}},
		"llama": {learner.Train(280, 2), asLlama},
	} {
		of := test.of
		for _, kind := range Types {
			m := decided(t, of, test.change)
			c, err := GGUF(m, of, "small", kind)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "small.gguf")
			file, err := os.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			if err := c.Write(file); err != nil {
				t.Fatal(err)
			}
			got := askLlamaCpp(t, path, tokens)
			ids, err := of.Encode(prompt)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got.Prompt, ids) || got.Text != prompt {
				t.Errorf("%s %s: llama.cpp encodes %q as %v, which is %q; want %v", name, kind, prompt, got.Prompt, got.Text, ids)
				continue
			}
			logits, greedy := ours(t, m, ids, tokens)
			largest, off := 0.0, 0.0
			for i, v := range logits {
				largest, off = max(largest, math.Abs(float64(v))), max(off, math.Abs(float64(v)-got.Logits[i]))
			}
			t.Logf("%s %s: logits are off by %.2g of the largest", name, kind, off/largest)
			if off > tolerance[kind]*largest {
				t.Errorf("%s %s: logits are off by %g of %g", name, kind, off, largest)
			}
			if kind == "f32" && !slices.Equal(got.Tokens, greedy) {
				t.Errorf("%s: llama.cpp goes on with %v, want %v", name, got.Tokens, greedy)
			}
			end := int(of.EOS())
			if end == tokenizer.NoToken {
				end = of.VocabSize()
			}
			if got.End != end {
				t.Errorf("%s %s: llama.cpp ends a text at token %d, want %d", name, kind, got.End, end)
			}
		}
	}
}
