package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"trainer/internal/safetensors"
	"trainer/model"
	"trainer/tokenizer"
	"trainer/train"
)

// baseModel writes a small model of text, with a tokenizer of bytes, to a folder of that name in dir: in two files and of 16 bits.
func baseModel(t *testing.T, dir, name string) *model.Model {
	t.Helper()
	of := tokenizer.NewBytes()
	c := model.Calculator(of.VocabSize())
	c.Context, c.Width, c.Layers, c.Heads, c.MLPWidth, c.TiedHead, c.EOS = 48, 24, 1, 3, 40, true, int(of.EOS())
	m, err := model.New(c, 5)
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(dir, name)
	if err := os.MkdirAll(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	var shards [2][]safetensors.Tensor
	var entries []string
	for i, p := range m.Parameters {
		shards[i%2] = append(shards[i%2], safetensors.NewAs(safetensors.BF16, p.Name, p.Value, p.Shape...))
		entries = append(entries, `"`+p.Name+`":"`+[]string{"a", "b"}[i%2]+`.safetensors"`)
	}
	for i, name := range []string{"a.safetensors", "b.safetensors"} {
		file, err := os.Create(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if err := safetensors.Write(file, shards[i], nil); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range map[string]string{
		model.ConfigFile: string(c.Marshal()), tokenizer.FileName: string(of.JSON()),
		model.WeightsFile + safetensors.IndexSuffix: `{"weight_map":{` + strings.Join(entries, ",") + `}}`,
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	loaded, err := model.Load(folder)
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

// tuned are the arguments of a short run that begins with the model in the folder base.
func tuned(arguments ...string) []string {
	return append([]string{"-init-from", "base", "-out", "run", "-batch", "4", "-threads", "1", "-steps", "40", "-lr", "0.01"}, arguments...)
}

func TestARunBeginsWithTheWeightsSizesAndTokenizerOfAnotherModel(t *testing.T) {
	t.Parallel()
	dir := workplace(t, "book.txt", rhyme(), "sums.txt", "one plus one equals two\ntwo plus one equals three\none plus two equals three\n")
	base := baseModel(t, dir, "base")
	for name, data := range map[string][]string{
		"text": {"-data", "book.txt", "-context", "16"}, "examples": {"-data", "sums.txt"}, "text in the model's context": {"-data", "book.txt"},
	} {
		// With this learning rate no weight moves by more than its last bits in a step.
		o := succeed(t, dir, append(tuned("-overwrite", "-steps", "1", "-lr", "1e-9", "-warmup", "0", "-final-lr", "1e-9"), data...)...)
		if !strings.Contains(o.stdout, "those of base") || !strings.Contains(o.stdout, "258 tokens") {
			t.Errorf("%s: the weights' origin or the vocabulary are missing in\n%s", name, o.stdout)
		}
		m, of, err := train.LoadModel(filepath.Join(dir, "run"))
		if err != nil {
			t.Fatal(err)
		}
		if m.Config != base.Config || of.VocabSize() != 258 {
			t.Errorf("%s: the configuration is %+v, want %+v", name, m.Config, base.Config)
		}
		for i, v := range m.Weights {
			if off := v - base.Weights[i]; off > 1e-6 || off < -1e-6 {
				t.Fatalf("%s: weight %d is %g, want %g", name, i, v, base.Weights[i])
			}
		}
	}
}

func TestARunThatBeganWithAnotherModelGoesOnWithoutIt(t *testing.T) {
	t.Parallel()
	dir := workplace(t, "book.txt", rhyme())
	baseModel(t, dir, "base")
	onBook := func(arguments ...string) []string {
		return tuned(append(arguments, "-data", "book.txt", "-context", "16", "-quiet")...)
	}
	succeed(t, dir, onBook("-out", "whole")...)
	if stopped := command(t, dir, onBook("-stop-after", "17")...); stopped.code != 130 {
		t.Fatalf("stopped with %+v", stopped)
	}
	if err := os.RemoveAll(filepath.Join(dir, "base")); err != nil {
		t.Fatal(err)
	}
	succeed(t, dir, "-resume", "-out", "run", "-quiet")
	a, err1 := os.ReadFile(filepath.Join(dir, "whole", model.WeightsFile))
	b, err2 := os.ReadFile(filepath.Join(dir, "run", model.WeightsFile))
	if err1 != nil || err2 != nil || string(a) != string(b) {
		t.Errorf("the weights differ between a whole and a resumed run, or %v, %v", err1, err2)
	}
}

func TestMistakesWithAModelToBeginWithAreNamed(t *testing.T) {
	t.Parallel()
	dir := workplace(t, "book.txt", rhyme(), "long.txt", strings.Repeat("one plus one ", 9)+"equals two\n", "run.toml", "heads = 3\n")
	baseModel(t, dir, "base")
	baseModel(t, dir, "other")
	baseModel(t, dir, "words")
	if err := os.WriteFile(filepath.Join(dir, "words", model.ConfigFile), []byte("{}"), 0o666); err != nil {
		t.Fatal(err)
	}
	words, err := tokenizer.NewWord([]string{"one"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "other", tokenizer.FileName), words.JSON(), 0o666); err != nil {
		t.Fatal(err)
	}
	before := contents(t, dir)
	for _, c := range []struct {
		arguments string
		code      int
		want      []string
	}{
		{"-layers 1", 2, []string{"-layers with -init-from base", "leave the flag out"}},
		{"-config run.toml", 2, []string{"-heads with -init-from base"}},
		{"-d-model 24", 2, []string{"-d-model with -init-from base"}},
		{"-tied", 2, []string{"-tied with"}},
		{"-architecture llama", 2, []string{"-architecture with"}},
		{"-kv-heads 1", 2, []string{"-kv-heads with"}},
		{"-positions learned", 2, []string{"-positions with"}},
		{"-tokenizer bytes", 2, []string{"-tokenizer with"}},
		{"-context 49", 2, []string{"-context 49: expected at most 48", "base"}},
		{"-context 0", 2, []string{"-context", "0", "1 to"}},
		{"-init-from nowhere", 3, []string{"nowhere", "config.json"}},
		{"-init-from words", 3, []string{"words", "config.json", "model_type"}},
		{"-init-from other", 3, []string{"other", "the tokenizer has 3 tokens", "not of one model"}},
		{"-data long.txt", 3, []string{"long.txt:1", "exceed the model's context of 48"}},
	} {
		fail(t, c.code, c.want, dir, append(tuned("-data", "book.txt", "-quiet"), strings.Fields(c.arguments)...)...)
	}
	nothingCreated(t, dir, before)
}

// transformers makes models and a tokenizer; what a run made of them is read by transformers again.
func TestModelsOfTransformersAreTunedAndReadByItAgain(t *testing.T) {
	t.Parallel()
	interpreter := os.Getenv("TRAINER_PYTHON")
	if interpreter == "" {
		t.Skip("TRAINER_PYTHON names no python with torch, transformers and tokenizers")
	}
	dir := workplace(t, "book.txt", rhyme())
	const create = `
import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
t = ByteLevelBPETokenizer()
t.train(["book.txt"], vocab_size=300, special_tokens=["<|endoftext|>"])
torch.manual_seed(1)
same = dict(vocab_size=t.get_vocab_size(), bos_token_id=0, eos_token_id=0)
gpt2 = GPT2Config(n_positions=32, n_embd=24, n_layer=2, n_head=3, **same)
llama = LlamaConfig(max_position_embeddings=32, hidden_size=24, num_hidden_layers=2, num_attention_heads=3, num_key_value_heads=1,
    intermediate_size=64, rope_theta=500.0, **same)
for name, model in ("gpt2", GPT2LMHeadModel(gpt2)), ("llama", LlamaForCausalLM(llama)):
    model.to(torch.bfloat16).save_pretrained("hub/" + name, max_shard_size="20KB")
    PreTrainedTokenizerFast(tokenizer_object=t._tokenizer, eos_token="<|endoftext|>").save_pretrained("hub/" + name)
`
	const check = `
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
for folder in "runs/gpt2", "runs/llama":
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32), AutoTokenizer.from_pretrained(folder)
    ids = tokenizer(open("book.txt").read(), return_tensors="pt").input_ids[:, :32]
    with torch.no_grad():
        loss = model(ids, labels=ids).loss.item()
    assert loss < 2, (folder, loss)
`
	python := func(script string) {
		c := exec.Command(interpreter, "-c", script)
		c.Dir = dir
		if output, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, output)
		}
	}
	python(create)
	for _, name := range []string{"gpt2", "llama"} {
		succeed(t, dir, "-init-from", "hub/"+name, "-data", "book.txt", "-out", "runs/"+name, "-batch", "8", "-threads", "1", "-steps", "150",
			"-lr", "0.01", "-quiet")
	}
	python(check)
}
