package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"trainer/train"
)

// command is what cmd/train shows from outside.
type command struct {
	FirstStep float64      `json:"first_step_ms"` // from the start of the process to the end of step 1
	Memory    int64        `json:"memory_bytes"`  // most that the process held
	Full      *fullSummary `json:"full_run,omitempty"`
}

// fullSummary is the part of summary.json that the report shows, of the default run.
type fullSummary struct {
	Wall             float64 `json:"wall_seconds"` // of the process
	Seconds          float64 `json:"seconds"`      // of training
	Steps            int     `json:"steps"`
	HeldOutAccuracy  float64 `json:"held_out_accuracy"`
	TrainAccuracy    float64 `json:"train_accuracy"`
	PyTorchEstimated float64 `json:"pytorch_seconds_estimated,omitempty"` // its steps alone, from the median at the same batch
}

// timeCommand builds cmd/train and runs it, as far as step 1 or to the end.
func timeCommand(ctx context.Context, dir string, full bool) (*command, error) {
	binary, err := build(ctx, dir, "train")
	if err != nil {
		return nil, err
	}
	c := &command{}
	const starts = 5
	var firsts []float64
	for range starts {
		first, _, memory, err := trainProcess(ctx, binary, filepath.Join(dir, "short"), "-steps=1", "-overwrite")
		if err != nil {
			return nil, err
		}
		firsts, c.Memory = append(firsts, 1e3*first.Seconds()), max(c.Memory, memory)
	}
	c.FirstStep = median(firsts)
	if !full {
		return c, nil
	}
	out := filepath.Join(dir, "full")
	_, wall, memory, err := trainProcess(ctx, binary, out)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(out, train.SummaryFile))
	if err != nil {
		return nil, err
	}
	c.Memory, c.Full = memory, &fullSummary{}
	err = json.Unmarshal(text, c.Full)
	c.Full.Wall = wall.Seconds()
	return c, err
}

// build compiles a command of the project into a folder, and returns its path.
func build(ctx context.Context, dir, name string) (string, error) {
	binary := filepath.Join(dir, name+".exe") // a name that every system runs
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "./cmd/"+name).CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build ./cmd/%s: %w: run bench in the project's folder: %s", name, err, bytes.TrimSpace(out))
	}
	return binary, nil
}

// trainProcess runs cmd/train and returns how long its first step and the whole process took, and its memory.
func trainProcess(ctx context.Context, binary, out string, flags ...string) (first, wall time.Duration, memory int64, err error) {
	p := exec.CommandContext(ctx, binary, append([]string{"-device=cpu", "-json", "-out=" + out}, flags...)...)
	var problems bytes.Buffer
	p.Stderr = &problems
	lines, err := p.StdoutPipe()
	if err != nil {
		return 0, 0, 0, err
	}
	begin := time.Now()
	if err := p.Start(); err != nil {
		return 0, 0, 0, err
	}
	reader := bufio.NewReader(lines)
	for first == 0 {
		line, err := reader.ReadBytes('\n')
		if err != nil {
			return 0, 0, 0, fmt.Errorf("cmd/train printed no step: %w: %s", p.Wait(), problems.Bytes())
		}
		if bytes.Contains(line, []byte(`"type":"step"`)) {
			first = time.Since(begin)
		}
	}
	if _, err := io.Copy(io.Discard, reader); err != nil {
		return 0, 0, 0, err
	}
	if err := p.Wait(); err != nil {
		return 0, 0, 0, fmt.Errorf("cmd/train: %w: %s", err, problems.Bytes())
	}
	return first, time.Since(begin), maxResident(p.ProcessState), nil
}
