package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"trainer/model"
)

// mount mounts a filesystem of its own for a test. It needs the right to.
func mount(t *testing.T, dir, options string) {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Skipf("cannot mount a small filesystem: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
}

func remount(t *testing.T, dir string, flags uintptr, options string) {
	t.Helper()
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|flags, options); err != nil {
		t.Skipf("cannot change a mounted filesystem: %v", err)
	}
}

func TestFullDiskKeepsTheLastCheckpoint(t *testing.T) {
	t.Parallel()
	flags := []string{"-steps", "1500", "-save-every", "100", "-keep", "1"}
	whole := uninterrupted(t, flags...)
	// It depends on the size whether the disk is full for the metrics or for a file of the checkpoint.
	for _, size := range []string{"64k", "160k", "200k"} {
		dir := workplace(t)
		folder := filepath.Join(dir, "run")
		if err := os.Mkdir(folder, 0o777); err != nil {
			t.Fatal(err)
		}
		mount(t, folder, "size="+size)
		o := fail(t, 1, []string{"cannot save run/", "the disk is full (free some space", "the last checkpoint is kept"}, dir, small(flags...)...)
		if strings.Count(o.stderr, "\n") != 1 {
			t.Errorf("%s: expected one line of error: %s", size, o.stderr)
		}
		if _, err := model.Load(folder); err != nil {
			t.Errorf("%s: the last checkpoint: %v", size, err)
		}
		remount(t, folder, 0, "size=10m")
		succeed(t, dir, "-resume", "-out", "run", "-quiet")
		sameCheckpoint(t, folder, whole)
		checkSteps(t, folder, 1500)
	}
}

func TestFullDiskOfTensorBoardEndsTheRunBehindASave(t *testing.T) {
	t.Parallel()
	flags := []string{"-steps", "1500", "-tensorboard"}
	dir := workplace(t)
	events := filepath.Join(dir, "run", "tensorboard")
	if err := os.MkdirAll(events, 0o777); err != nil {
		t.Fatal(err)
	}
	mount(t, events, "size=64k")
	says := []string{"cannot save run/tensorboard/events.out.", "the disk is full", "stopped at step ", "is saved; go on with:\n"}
	fail(t, 1, says, dir, small(flags...)...)
	succeed(t, dir, "-resume", "-out", "run", "-quiet", "-tensorboard=false")
	checkSteps(t, filepath.Join(dir, "run"), 1500)
}

func TestReadOnlyFolderIsNamed(t *testing.T) {
	t.Parallel()
	dir := stopped(t)
	folder := filepath.Join(dir, "run")
	if err := os.Rename(folder, filepath.Join(dir, "copy")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	mount(t, folder, "size=1m")
	if err := os.CopyFS(folder, os.DirFS(filepath.Join(dir, "copy"))); err != nil {
		t.Fatal(err)
	}
	remount(t, folder, syscall.MS_RDONLY, "")
	for _, flag := range []string{"-resume", "-overwrite"} {
		o := fail(t, 1, []string{"run", "read-only"}, dir, small(flag)...)
		if strings.Count(o.stderr, "\n") != 1 {
			t.Errorf("expected one line of error: %s", o.stderr)
		}
	}
	if _, err := model.Load(folder); err != nil {
		t.Errorf("the last checkpoint: %v", err)
	}
}

func TestFolderWithoutPermissionIsNamed(t *testing.T) {
	t.Parallel()
	if os.Getuid() == 0 {
		t.Skip("root may write everywhere")
	}
	dir := workplace(t)
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	fail(t, 1, []string{"run", "permission denied"}, dir, small()...)
	if err := os.Chmod(dir, 0o777); err != nil { // or the test's folder cannot be removed
		t.Fatal(err)
	}
}
