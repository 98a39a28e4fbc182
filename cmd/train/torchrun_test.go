package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// torchrun starts ranks of the command with the variables that torchrun sets, each with a list of flags, but no rank whose list is nil.
func torchrun(t testing.TB, dir string, parts ...[]string) []*exec.Cmd {
	t.Helper()
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	list := make([]*exec.Cmd, len(parts))
	for rank, flags := range parts {
		if flags == nil {
			continue
		}
		c := newCommand(dir, flags...)
		c.Env = append(c.Env, "MASTER_ADDR=127.0.0.1", "MASTER_PORT="+port, fmt.Sprintf("WORLD_SIZE=%d", len(parts)), fmt.Sprintf("RANK=%d", rank))
		c.Stderr = new(bytes.Buffer)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Process.Kill() })
		list[rank] = c
	}
	return list
}

// ended waits for a rank and returns its exit code and what it has said.
func ended(c *exec.Cmd) (code int, says string) {
	c.Wait()
	return c.ProcessState.ExitCode(), c.Stderr.(*bytes.Buffer).String()
}

func TestProcessesOfTorchrunTrainToTheBitsOfOneWithAsManyThreads(t *testing.T) {
	t.Parallel()
	together, alone := workplace(t), workplace(t)
	flags := small("-steps", "40", "-evaluate-every", "20", "-save-every", "25", "-d-model", "64")
	for rank, c := range torchrun(t, together, flags, flags, flags) {
		if code, says := ended(c); code != 0 || says != "" {
			t.Fatalf("rank %d ends with code %d: %s", rank, code, says)
		}
	}
	succeed(t, alone, append(flags, "-threads", "3")...)
	name := "run/model.safetensors"
	if got := contents(t, together)[name]; got == "" || got != contents(t, alone)[name] {
		t.Errorf("%s of three processes differs from that of one", name)
	}
}

func TestProcessesOnEmulatedGPUsTrainAsOneDoes(t *testing.T) {
	if testing.Short() {
		t.Skip("the emulated GPU takes seconds for some steps; left out with -short")
	}
	t.Parallel()
	together, alone := workplace(t), workplace(t)
	flags := small("-steps", "4", "-device", "cuda-emulated", "-save-every", "2")
	for rank, c := range torchrun(t, together, flags, flags) {
		if code, says := ended(c); code != 0 || says != "" {
			t.Fatalf("rank %d ends with code %d: %s", rank, code, says)
		}
	}
	succeed(t, alone, flags...)
	got, want := losses(t, filepath.Join(together, "run")), losses(t, filepath.Join(alone, "run"))
	for i, w := range want {
		if d := got[i] - w; len(got) != 4 || d > 1e-5*w || -d > 1e-5*w {
			t.Errorf("the losses of two processes are %v, of one %v", got, want)
		}
	}
}

func TestARankOfTorchrunThatDoesNotComeOrIsKilledIsNamed(t *testing.T) {
	t.Parallel()
	for missing, want := range []string{
		"rank 2 of 3: rank 0 does not answer at 127.0.0.1:", "rank 1 of 3 did not come to ", "rank 2 of 3 did not come to ",
	} {
		parts := [][]string{small("-rank-timeout", "1"), small("-rank-timeout", "1"), small("-rank-timeout", "1")}
		parts[missing] = nil
		for rank, c := range torchrun(t, workplace(t), parts...) {
			if rank == missing || rank == 1 && missing == 0 {
				continue
			}
			if code, says := ended(c); code != 4 || !strings.Contains(says, want) {
				t.Errorf("without rank %d, rank %d ends with code %d and says %s, want %s", missing, rank, code, says, want)
			}
		}
	}
	for killed := range 3 {
		flags := small("-steps", "10000000", "-save-every", "10")
		list := torchrun(t, workplace(t), flags, flags, flags)
		time.Sleep(700 * time.Millisecond) // in the midst of anything
		list[killed].Process.Kill()
		var said int
		for rank, c := range list {
			code, says := ended(c)
			if rank != killed && code != 1 {
				t.Errorf("rank %d was killed, and rank %d ends with code %d: %s", killed, rank, code, says)
			}
			if strings.Contains(says, fmt.Sprintf("rank %d is lost (", killed)) && strings.Contains(says, "-resume") {
				said++
			}
		}
		if want := map[bool]int{true: 2, false: 1}[killed == 0]; said != want {
			t.Errorf("that rank %d is lost is said %d times, want %d", killed, said, want)
		}
	}
}

func TestAnErrorOfARankOfTorchrunEndsAllWithItsCode(t *testing.T) {
	t.Parallel()
	list := torchrun(t, workplace(t), small(), small("-data", "nothing.txt"))
	for rank, c := range list {
		code, says := ended(c)
		if code != 3 || rank == 0 && !strings.Contains(says, "rank 1 of 2: ") || rank == 1 && says != "" {
			t.Errorf("rank %d ends with code %d and says %q", rank, code, says)
		}
	}
	c := newCommand(workplace(t), small()...)
	c.Env = append(c.Env, "MASTER_ADDR=127.0.0.1", "MASTER_PORT=1", "WORLD_SIZE=2", "RANK=two")
	c.Stderr = new(bytes.Buffer)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if code, says := ended(c); code != 2 || !strings.Contains(says, `RANK is "two": expected 0 to 1`) {
		t.Errorf("a wrong RANK: code %d, %s", code, says)
	}
}

// losses are those of the steps of a run folder.
func losses(t testing.TB, folder string) (list []float64) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "metrics.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range objects(t, string(text)) {
		if loss, ok := line["loss"].(float64); ok {
			list = append(list, loss)
		}
	}
	return list
}
