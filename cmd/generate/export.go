package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"trainer/internal/atomicfile"
	"trainer/internal/cli"
	"trainer/internal/export"
	"trainer/internal/fault"
	"trainer/internal/safetensors"
	"trainer/model"
	"trainer/tokenizer"
	"trainer/train"
)

// exported is what a model was written to.
type exported struct {
	Path  string `json:"exported"`
	Type  string `json:"type"`
	Bytes int    `json:"bytes"` // of weights, or of the one file
}

// extension is that of files for llama.cpp; a path without one is a folder.
const extension = ".gguf"

// folderTypes are the types of weights in a folder, by the names that they have in files for llama.cpp, too.
var folderTypes = map[string]safetensors.DType{"f32": safetensors.F32, "f16": safetensors.F16, "bf16": safetensors.BF16}

// exportModel writes the model as -export asks for.
func exportModel(a *arguments) (*exported, error) {
	m, t, err := load(a.model)
	if err != nil {
		return nil, err
	}
	weights := a.export
	if filepath.Ext(a.export) == extension {
		err = exportFile(a, m, t)
	} else {
		weights = filepath.Join(a.export, model.WeightsFile)
		err = exportFolder(a, m, t)
	}
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(weights)
	if err != nil {
		return nil, err
	}
	return &exported{a.export, a.exportType, int(info.Size())}, nil
}

// exportFile writes the file for llama.cpp, under the name of the model's folder.
func exportFile(a *arguments, m *model.Model, t tokenizer.Tokenizer) error {
	folder, err := filepath.Abs(a.model)
	if err != nil {
		return err
	}
	file, err := export.GGUF(m, t, filepath.Base(folder), a.exportType)
	if err != nil {
		return err
	}
	return atomicfile.Write(a.export, file.Write)
}

// exportFolder writes a folder for Hugging Face transformers, which must hold no other model.
func exportFolder(a *arguments, m *model.Model, t tokenizer.Tokenizer) error {
	if _, err := os.Stat(filepath.Join(a.export, model.ConfigFile)); !errors.Is(err, fs.ErrNotExist) {
		return fault.Usagef("-export %s: there is a model in the folder: expected another one", a.export)
	}
	if err := os.MkdirAll(a.export, 0o777); err != nil {
		return err
	}
	return train.SaveModel(a.export, m, t, folderTypes[a.exportType])
}

// checkExport returns a usage error for what does not go together with -export or without it.
func (a *arguments) checkExport(f *cli.Flags) error {
	kind := filepath.Ext(a.export)
	switch {
	case a.export == "" && f.Given("type"):
		return fault.Usagef("-type %s is that of the weights which -export writes: expected both or none", a.exportType)
	case a.export == "":
		return nil
	case kind != "" && kind != extension:
		return fault.Usagef("-export %s: expected the name of a file that ends with %s, or of a folder", a.export, extension)
	case !slices.Contains(export.Types, a.exportType):
		return fault.Usagef("-type %q: expected %s", a.exportType, strings.Join(export.Types, ", "))
	case kind == "" && folderTypes[a.exportType] == "":
		return fault.Usagef("-type %s is for files that end with %s: expected f32, f16 or bf16 in a folder", a.exportType, extension)
	case f.Given("weights"):
		return fault.Usagef("-weights %s is how a model is asked, not how it is written: expected -type", a.weights)
	case a.eval != "":
		return fault.Usagef("-export and -eval: expected one of them")
	case f.NArg() > 0:
		return fault.Usagef("-export writes a model and asks nothing: leave out the prompt %q", strings.Join(f.Args(), " "))
	}
	return nil
}
