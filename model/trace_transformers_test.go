package model

import (
	"fmt"
	"path/filepath"
	"testing"

	"gorgonia.org/tensor"

	"trainer/internal/safetensors"
)

// What is traced inside of a model, transformers finds there too: the residual stream, the loss's gradient by it, and the attention weights.
func TestTransformersHasTheSameValuesInside(t *testing.T) {
	models := make(map[string]*Model)
	for _, kind := range []string{string(Learned), string(Llama)} {
		models[kind] = newModel(t, kinds()[fmt.Sprintf("%s, tied true", kind)]) // the Llama's heads share keys and values
	}
	// The last of the hidden states comes behind the final norm.
	const script = `
import pathlib, sys, torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM
for folder in pathlib.Path(sys.argv[1]).iterdir():
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
    out = model(torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6, 18]]), output_hidden_states=True, output_attentions=True)
    for hidden in out.hidden_states:
        hidden.retain_grad()
    torch.nn.functional.cross_entropy(out.logits[0], torch.tensor([1, 4, 1, 5, 9, 2, 6, 18, 0])).backward()
    results = {f"hidden.{i}": h.detach()[0].clone() for i, h in enumerate(out.hidden_states)}
    results.update({f"gradient.{i}": h.grad[0].clone() for i, h in enumerate(out.hidden_states)})
    results.update({f"attention.{i}": a.detach()[0].clone() for i, a in enumerate(out.attentions)})
    save_file(results, folder / "results.safetensors")
`
	root := inTransformers(t, script, models)
	for kind, m := range models {
		f, err := safetensors.Open(filepath.Join(root, kind, "results.safetensors"))
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
		c := m.Config
		states := []string{TapInput, TapResidual(0), "norm"} // of two blocks
		names := []string{TapQKV(0), TapQKV(1)}
		for _, s := range states {
			names = append(names, s, GradientOf(s))
		}
		b := whole(example{[]int32{3, 1, 4, 1, 5, 9, 2, 6, 18}, []int32{1, 4, 1, 5, 9, 2, 6, 18, 0}})
		got := trace(t, newExecutor(t, m), b, 1./9, names...)
		for i, s := range states {
			near(t, kind+": "+s, got[s].Value, results(fmt.Sprintf("hidden.%d", i), 9, c.Width), rounding)
			near(t, kind+": "+GradientOf(s), got[GradientOf(s)].Value, results(fmt.Sprintf("gradient.%d", i), 9, c.Width), 2*rounding)
		}
		for l := range c.Layers {
			near(t, fmt.Sprintf("%s: attention of layer %d", kind, l), c.AttentionWeights(got[TapQKV(l)].Value).Value,
				results(fmt.Sprintf("attention.%d", l), c.Heads, 9, 9), rounding)
		}
	}
}
