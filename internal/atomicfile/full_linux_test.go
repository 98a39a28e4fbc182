package atomicfile

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// mountSmall mounts a filesystem of 64 KiB and returns its folder. It needs the right to mount.
func mountSmall(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("cannot mount a small filesystem: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestFullDiskKeepsTheLastCheckpoint(t *testing.T) {
	dir := mountSmall(t)
	old := []byte("old")
	if err := saveModel(dir, old); err != nil {
		t.Fatal(err)
	}
	err := saveModel(dir, make([]byte, 100<<10))
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("error %v, want a full disk", err)
	}
	for _, want := range []string{filepath.Join(dir, "model"), "the disk is full", "the last checkpoint is kept"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %q", err, want)
		}
	}
	if got, err := os.ReadFile(filepath.Join(dir, "model")); err != nil || !bytes.Equal(got, old) {
		t.Errorf("the old file has %d bytes, error %v", len(got), err)
	}
	if err := saveModel(dir, make([]byte, 32<<10)); err != nil {
		t.Errorf("a save which fits, after one that did not: %v", err)
	}
}

func TestReadOnlyDiskIsNamed(t *testing.T) {
	dir := mountSmall(t)
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Skipf("cannot mount read-only: %v", err)
	}
	for _, err := range []error{
		saveModel(dir, nil),
		Write(filepath.Join(dir, "file"), func(io.Writer) error { return nil }),
	} {
		if err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "read-only") {
			t.Errorf("error %v, want one that names the folder and says it is read-only", err)
		}
	}
}
