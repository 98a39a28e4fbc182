package cli

import (
	"os"
	"path/filepath"
	"strings"
)

// Sibling is how another program of the project is run, by its name, for whoever ran this one: by the go command, or as a program that
// lies beside this one.
func Sibling(name string) string {
	executable, err := os.Executable()
	if err == nil && strings.Contains(executable, "go-build") { // a folder of the go command
		return "go run ./cmd/" + name
	}
	return sibling(os.Args[0], name)
}

// sibling is a program beside that of a command line; one that was found by its name alone is on the PATH, and so is the other.
func sibling(program, name string) string {
	if filepath.Base(program) == program {
		return name
	}
	return filepath.Join(filepath.Dir(program), name)
}
