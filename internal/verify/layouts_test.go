package verify

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"trainer/internal/cpu/kernel"
	"trainer/internal/safetensors"
	"trainer/model"
)

// The weights of the reference in three files give what they give in one.
func TestNumbersOfAModelInSeveralFilesAreThoseOfPyTorch(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{model.ConfigFile, "ref_f32.safetensors"} {
		copyFile(t, dir, name)
	}
	whole, err := safetensors.Open(filepath.Join(folder, model.WeightsFile))
	if err != nil {
		t.Fatal(err)
	}
	defer whole.Close()
	const shards = 3
	var parts [shards][]safetensors.Tensor
	files := make(map[string]string)
	for i, info := range whole.Tensors() {
		parts[i%shards] = append(parts[i%shards], safetensors.New(info.Name, read[float32](t, whole, info), info.Shape...))
		files[info.Name] = fmt.Sprintf("model-%d.safetensors", i%shards)
	}
	for i, tensors := range parts {
		file, err := os.Create(filepath.Join(dir, fmt.Sprintf("model-%d.safetensors", i)))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if err := safetensors.Write(file, tensors, nil); err != nil {
			t.Fatal(err)
		}
	}
	index, err := json.Marshal(map[string]any{"weight_map": files})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, model.WeightsFile+safetensors.IndexSuffix), index, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, row := range report(t, dir, kernel.Best(), 1).Failed() {
		t.Errorf("%s: %s is off by %v of %g", row.Group, row.Tensor, row.Deviations, row.Size)
	}
}

// transformers splits a model and rounds its weights; PyTorch then computes with the rounded ones, in float32 and float64.
func TestNumbersOfSixteenBitShardsOfTransformersAreThoseOfPyTorch(t *testing.T) {
	interpreter := os.Getenv("TRAINER_PYTHON")
	if interpreter == "" {
		t.Skip("TRAINER_PYTHON names no python with torch and transformers")
	}
	const script = `
import sys, torch
from transformers import GPT2LMHeadModel
GPT2LMHeadModel.from_pretrained(sys.argv[1], dtype=torch.bfloat16).save_pretrained(sys.argv[2], max_shard_size="50KB")
`
	dir, out := t.TempDir(), t.TempDir()
	if output, err := exec.Command(interpreter, "-c", script, folder, dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	if shards, _ := filepath.Glob(filepath.Join(dir, "model-*.safetensors")); len(shards) < 3 {
		t.Fatalf("transformers saved the files %q, want at least 3 shards", shards)
	}
	if output, err := exec.Command(interpreter, "../../scripts/verify/reference.py", dir, out).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	for _, row := range report(t, out, kernel.Best(), 1).Failed() {
		t.Errorf("%s: %s is off by %v of %g", row.Group, row.Tensor, row.Deviations, row.Size)
	}
}
