package main

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

//go:embed calculator_peer.py
var peerScript []byte

// peer is a Python process that trains in PyTorch on request; see calculator_peer.py for what it is asked and answers.
type peer struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	errors  strings.Builder
	version string // of PyTorch
}

// turn is what a side says of a few steps.
type turn struct {
	Milliseconds []float64 `json:"milliseconds"` // of each step
	Losses       []float64 `json:"losses"`       // before each step
}

// howToGetPyTorch is for those who have none.
const howToGetPyTorch = "to compare: python3 -m venv ~/torch && ~/torch/bin/pip install torch numpy && " +
	"TRAINER_PYTHON=~/torch/bin/python3 go run ./scripts/bench"

// startPeer starts the peer with the Python that the environment variable TRAINER_PYTHON names, or python3.
func startPeer(ctx context.Context, w *workload, dir string, threads int) (*peer, error) {
	python := os.Getenv("TRAINER_PYTHON")
	if python == "" {
		python = "python3"
	}
	script, data := filepath.Join(dir, "calculator_peer.py"), filepath.Join(dir, "workload.json")
	if err := errors.Join(os.WriteFile(script, peerScript, 0o666), w.write(data)); err != nil {
		return nil, err
	}
	p := &peer{command: exec.CommandContext(ctx, python, script, data, strconv.Itoa(threads))}
	p.command.Stderr = &p.errors
	var err error
	if p.in, err = p.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("%w; %s", err, howToGetPyTorch)
	}
	var hello struct {
		Torch   string
		Threads int
	}
	if err := p.read(&hello); err != nil {
		return nil, fmt.Errorf("%s cannot run PyTorch: %w; %s", python, err, howToGetPyTorch)
	}
	p.version = fmt.Sprintf("PyTorch %s, %d threads", hello.Torch, hello.Threads)
	return p, nil
}

// steps trains on batches, lists of indices of examples. A mode and a session have a model of their own.
func (p *peer) steps(mode string, session int, batches [][]int) (*turn, error) {
	request, err := json.Marshal(map[string]any{"mode": mode, "session": session, "batches": batches})
	if err != nil {
		return nil, err
	}
	if _, err := p.in.Write(append(request, '\n')); err != nil {
		return nil, p.explain(err)
	}
	t := &turn{}
	if err := p.read(t); err != nil {
		return nil, fmt.Errorf("PyTorch, mode %s: %w", mode, err)
	}
	return t, nil
}

func (p *peer) read(answer any) error {
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return p.explain(err)
	}
	return json.Unmarshal(line, answer)
}

// explain replaces an error of the connection by what ended it, the exception in the last line that Python printed.
func (p *peer) explain(err error) error {
	p.command.Wait()
	lines := strings.Split(strings.TrimSpace(p.errors.String()), "\n")
	if exception := lines[len(lines)-1]; exception != "" {
		return errors.New(exception)
	}
	return err
}

// close ends the process and returns the most memory that it held, in bytes.
func (p *peer) close() (memory int64, err error) {
	if p == nil {
		return 0, nil
	}
	p.in.Close()
	if p.command.ProcessState == nil {
		err = p.command.Wait()
	}
	return maxResident(p.command.ProcessState), err
}
