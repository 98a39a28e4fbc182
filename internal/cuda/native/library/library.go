//go:build gpu && linux && amd64

// Package library finds NVIDIA's libraries of computation while the program runs: those that are not a part of the driver.
package library

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Load tries the places where a library may be, with open, until one has it: the file that an environment variable names and no other, else the
// file's name beside the program, then wherever the dynamic linker looks. what and advice are for the error: "cuBLASLt", "install it".
func Load(what, advice, variable, name string, open func(file string) error) error {
	var files []string
	if file := os.Getenv(variable); file != "" {
		files = []string{file}
	} else {
		if program, err := os.Executable(); err == nil {
			files = append(files, filepath.Join(filepath.Dir(program), name))
		}
		files = append(files, name)
	}
	var reasons []error
	for _, file := range files {
		err := open(file)
		if err == nil {
			return nil
		}
		reasons = append(reasons, err)
	}
	return fmt.Errorf("%s was not found; %s, or name the file %s in %s: %w", what, advice, name, variable, errors.Join(reasons...))
}
