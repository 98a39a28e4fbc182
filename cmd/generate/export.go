package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"trainer/internal/atomicfile"
	"trainer/internal/cli"
	"trainer/internal/export"
	"trainer/internal/fault"
)

// exported is a file that a model was written to.
type exported struct {
	Path  string `json:"exported"`
	Type  string `json:"type"`
	Bytes int    `json:"bytes"`
}

// extension is that of the files that -export writes.
const extension = ".gguf"

// exportModel writes the model as -export asks for, under the name of its folder.
func exportModel(a *arguments) (*exported, error) {
	m, t, err := load(a.model)
	if err != nil {
		return nil, err
	}
	folder, err := filepath.Abs(a.model)
	if err != nil {
		return nil, err
	}
	file, err := export.GGUF(m, t, filepath.Base(folder), a.exportType)
	if err != nil {
		return nil, err
	}
	if err := atomicfile.Write(a.export, file.Write); err != nil {
		return nil, err
	}
	info, err := os.Stat(a.export)
	if err != nil {
		return nil, err
	}
	return &exported{a.export, a.exportType, int(info.Size())}, nil
}

// checkExport returns a usage error for what does not go together with -export or without it.
func (a *arguments) checkExport(f *cli.Flags) error {
	switch {
	case a.export == "" && f.Given("type"):
		return fault.Usagef("-type %s is that of the file which -export names: expected both or none", a.exportType)
	case a.export == "":
		return nil
	case !strings.HasSuffix(a.export, extension):
		return fault.Usagef("-export %s: expected a name that ends with %s", a.export, extension)
	case !slices.Contains(export.Types, a.exportType):
		return fault.Usagef("-type %q: expected %s", a.exportType, strings.Join(export.Types, ", "))
	case a.eval != "":
		return fault.Usagef("-export and -eval: expected one of them")
	case f.NArg() > 0:
		return fault.Usagef("-export writes a file and asks nothing: leave out the prompt %q", strings.Join(f.Args(), " "))
	}
	return nil
}
