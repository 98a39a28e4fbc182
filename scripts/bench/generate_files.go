package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"trainer/internal/atomicfile"
	"trainer/internal/export"
	"trainer/internal/safetensors"
	"trainer/model"
	"trainer/tokenizer"
	"trainer/train"
)

// modelFiles is a model as the sides read it.
type modelFiles struct {
	Config model.Config
	Folder string            // for us and for transformers
	GGUF   map[string]string // for llama.cpp, by the type of weights
}

// llamaTypes are the types of llama.cpp with as many bits as ours.
var llamaTypes = map[string]string{"f32": "f32", "bf16": "f16", "int8": "q8_0"}

// filesArgument makes bench a process that writes a model. This one stays small: Linux counts its memory in that of a process that it starts.
const filesArgument = "trainer-files"

// newModelFiles writes a model with random weights to a folder.
func newModelFiles(ctx context.Context, c model.Config, dir string) (*modelFiles, error) {
	f := &modelFiles{Config: c, Folder: filepath.Join(dir, "model"), GGUF: make(map[string]string)}
	for _, kind := range llamaTypes {
		f.GGUF[kind] = filepath.Join(dir, kind+".gguf")
	}
	binary, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(f)
	if err != nil {
		return nil, err
	}
	if out, err := exec.CommandContext(ctx, binary, filesArgument, string(text)).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("writing the model: %w: %s", err, out)
	}
	return f, nil
}

// writeFiles is what that process does.
func writeFiles(settings string) error {
	var f modelFiles
	if err := json.Unmarshal([]byte(settings), &f); err != nil {
		return err
	}
	m, err := model.New(f.Config, 1)
	if err != nil {
		return err
	}
	letters := make([]rune, f.Config.VocabSize) // of a tokenizer that nobody asks
	for i := range letters {
		letters[i] = rune(0x10000 + i)
	}
	t, err := tokenizer.BuildChar(string(letters))
	if err != nil {
		return err
	}
	if err := os.Mkdir(f.Folder, 0o777); err != nil {
		return err
	}
	if err := train.SaveModel(f.Folder, m, t, safetensors.F32); err != nil {
		return err
	}
	for kind, path := range f.GGUF {
		content, err := export.GGUF(m, t, "bench", kind)
		if err != nil {
			return err
		}
		if err := atomicfile.Write(path, content.Write); err != nil {
			return err
		}
	}
	return nil
}
