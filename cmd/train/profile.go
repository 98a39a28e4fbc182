package main

import (
	"errors"
	"os"
	"runtime"
	"runtime/pprof"

	"trainer/internal/fault"
)

// profile begins the profiles that have a path and returns how to end them. Their files are made first: a wrong path is found before the training.
func profile(cpu, memory string) (finish func() error, err error) {
	cpuFile, err := createProfile("-cpuprofile", cpu)
	if err != nil {
		return nil, err
	}
	memoryFile, err := createProfile("-memprofile", memory)
	if err != nil {
		return nil, err
	}
	if cpuFile != nil {
		err = pprof.StartCPUProfile(cpuFile)
	}
	return func() error {
		var err error
		if cpuFile != nil {
			pprof.StopCPUProfile()
			err = cpuFile.Close()
		}
		if memoryFile != nil {
			runtime.GC()
			err = errors.Join(err, pprof.Lookup("allocs").WriteTo(memoryFile, 0), memoryFile.Close())
		}
		return err
	}, err
}

// createProfile creates the file that a flag names, none where it is empty.
func createProfile(flag, path string) (*os.File, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, fault.Usagef("%s: %w", flag, err)
	}
	return f, nil
}
