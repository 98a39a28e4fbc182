package model

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"trainer/internal/safetensors"
)

// Rotary models are not among these: transformers has no such GPT-2 and refuses them.
func TestTransformersComputesTheSameLogitsFromOurFiles(t *testing.T) {
	interpreter := os.Getenv("TRAINER_PYTHON")
	if interpreter == "" {
		t.Skip("TRAINER_PYTHON names no python with torch and transformers")
	}
	root := t.TempDir()
	models := make(map[string]*Model)
	for _, positions := range []Positions{Learned, Sinusoidal} {
		for _, tied := range []bool{true, false} {
			name := fmt.Sprintf("%s-%v", positions, tied)
			models[name] = newModel(t, kinds()[fmt.Sprintf("%s, tied %v", positions, tied)])
			dir := filepath.Join(root, name)
			if err := os.Mkdir(dir, 0o777); err != nil {
				t.Fatal(err)
			}
			save(t, models[name], dir)
		}
	}
	const script = `
import pathlib, sys, torch
from safetensors.torch import save_file
from transformers import GPT2LMHeadModel
for folder in pathlib.Path(sys.argv[1]).iterdir():
    model, report = GPT2LMHeadModel.from_pretrained(folder, output_loading_info=True)
    assert not any(report.values()), (folder, report)
    with torch.no_grad():
        logits = model.eval()(torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6, 18]])).logits
    save_file({"logits": logits.contiguous()}, folder / "logits.safetensors")
`
	if output, err := exec.Command(interpreter, "-c", script, root).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
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
