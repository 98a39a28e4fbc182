//go:build !mpi || !linux

package main

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
)

func TestABuildWithoutMPIDoesNotTrainManyTimesTheSame(t *testing.T) {
	t.Parallel()
	for rank, wants := range []string{"2 processes were started together, but this program is built without MPI", ""} {
		dir := workplace(t)
		c := newCommand(dir, small()...)
		c.Env = append(c.Env, "OMPI_COMM_WORLD_SIZE=2", "OMPI_COMM_WORLD_RANK="+string(rune('0'+rank)))
		var stderr bytes.Buffer
		c.Stderr = &stderr
		if err := c.Run(); err == nil || err.(*exec.ExitError).ExitCode() != 4 {
			t.Errorf("rank %d: %v, want exit code 4", rank, err)
		}
		if text := stderr.String(); wants == "" && text != "" || !strings.Contains(text, wants) {
			t.Errorf("rank %d says %q, want %q", rank, text, wants)
		}
		if _, made := contents(t, dir)["run/"]; made {
			t.Errorf("rank %d has left a run folder", rank)
		}
	}
}
