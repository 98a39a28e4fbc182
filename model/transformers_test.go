package model

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"gorgonia.org/tensor"

	"trainer/internal/safetensors"
)

// transformers returns the python that has it, or skips the test.
func transformers(t *testing.T) string {
	t.Helper()
	interpreter := os.Getenv("TRAINER_PYTHON")
	if interpreter == "" {
		t.Skip("TRAINER_PYTHON names no python with torch and transformers")
	}
	return interpreter
}

// inTransformers saves models into folders of one, under their names, and runs a script of Python on that, which it returns.
func inTransformers(t *testing.T, script string, models map[string]*Model) (root string) {
	t.Helper()
	interpreter := transformers(t)
	root = t.TempDir()
	for name, m := range models {
		dir := filepath.Join(root, name)
		if err := os.Mkdir(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		save(t, m, dir)
	}
	if output, err := exec.Command(interpreter, "-c", script, root).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return root
}

// Rotary GPT-2s are not among these: transformers has no such models and refuses them.
func TestTransformersComputesTheSameLogitsFromOurFiles(t *testing.T) {
	models := make(map[string]*Model)
	for _, kind := range []string{string(Learned), string(Sinusoidal), string(Llama)} {
		for _, tied := range []bool{true, false} {
			models[fmt.Sprintf("%s-%v", kind, tied)] = newModel(t, kinds()[fmt.Sprintf("%s, tied %v", kind, tied)])
		}
	}
	const script = `
import pathlib, sys, torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM
for folder in pathlib.Path(sys.argv[1]).iterdir():
    model, report = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert not any(report.values()), (folder, report)
    with torch.no_grad():
        logits = model.eval()(torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6, 18]])).logits
    save_file({"logits": logits.contiguous()}, folder / "logits.safetensors")
`
	root := inTransformers(t, script, models)
	for name, m := range models {
		f, err := safetensors.Open(filepath.Join(root, name, "logits.safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		want := make([]float32, 9*m.Config.VocabSize)
		if err := safetensors.Read(f, "logits", want, 1, 9, m.Config.VocabSize); err != nil {
			t.Fatal(err)
		}
		tokens := []int32{3, 1, 4, 1, 5, 9, 2, 6, 18}
		near(t, name, run(t, newExecutor(t, m), batchOf(example{tokens, tokens}), Predict, 0).Logits, want, rounding)
	}
}

// A Llama that transformers made and saved has the same logits, loss and gradients here. A gradient of a packed parameter is those of its
// tensors, one behind the other.
func TestALlamaOfTransformersHasTheSameLogitsAndGradients(t *testing.T) {
	interpreter := transformers(t)
	root := t.TempDir()
	const script = `
import pathlib, sys, torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM
for tied in (False, True):
    torch.manual_seed(1)
    config = LlamaConfig(vocab_size=23, hidden_size=48, intermediate_size=70, num_hidden_layers=2, num_attention_heads=6, num_key_value_heads=2,
        max_position_embeddings=16, rms_norm_eps=1e-5, rope_theta=500.0, tie_word_embeddings=tied, initializer_range=0.2)
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "norm" in name:
                p += 0.3 * torch.randn_like(p)
    folder = pathlib.Path(sys.argv[1]) / f"tied-{tied}".lower()
    model.save_pretrained(folder)
    tokens = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6, 18]])
    logits = model(tokens).logits
    loss = torch.nn.functional.cross_entropy(logits[0], torch.tensor([1, 4, 1, 5, 9, 2, 6, 18, 22]))
    loss.backward()
    results = {name: p.grad for name, p in model.named_parameters()}
    save_file({**results, "logits": logits.detach().contiguous(), "loss": loss.detach()[None]}, folder / "results.safetensors")
`
	if output, err := exec.Command(interpreter, "-c", script, root).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	for _, folder := range []string{"tied-false", "tied-true"} {
		m, err := Load(filepath.Join(root, folder))
		if err != nil {
			t.Fatal(err)
		}
		if c := m.Config; c.KVHeads != 2 || c.RopeTheta != 500 || c.TiedHead != (folder == "tied-true") {
			t.Errorf("%s: the configuration is %+v", folder, c)
		}
		f, err := safetensors.Open(filepath.Join(root, folder, "results.safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		results := func(name string, shape ...int) []float32 {
			value := make([]float32, tensor.Shape(shape).TotalSize())
			if err := safetensors.Read(f, name, value, shape...); err != nil {
				t.Fatal(err)
			}
			return value
		}
		e := example{[]int32{3, 1, 4, 1, 5, 9, 2, 6, 18}, []int32{1, 4, 1, 5, 9, 2, 6, 18, 22}}
		executor := newExecutor(t, m)
		near(t, folder+": logits", run(t, executor, batchOf(e), Predict, 0).Logits, results("logits", 1, 9, 23), rounding)
		got := run(t, executor, batchOf(e), Train, 1./9)
		near(t, folder+": loss", []float32{got.Loss}, results("loss", 1), rounding)
		for i := range m.Parameters {
			p := &m.Parameters[i]
			for _, s := range p.Tensors(got.Gradients[p.Begin:][:p.Size()]) {
				near(t, folder+": gradient of "+s.Name, s.Value, results(s.Name, s.Shape...), 2*rounding)
			}
		}
	}
}
