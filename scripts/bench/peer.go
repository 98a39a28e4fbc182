package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"trainer/model"
	"trainer/train"
)

//go:embed peer.py
var peerScript []byte

// peer is a Python process that trains in PyTorch on request; see peer.py for what it is asked and answers.
type peer struct {
	*process
	version string // of PyTorch
}

// turn is what a side says of a few steps.
type turn struct {
	Milliseconds []float64 `json:"milliseconds"`     // of each step
	CPU          []float64 `json:"cpu_milliseconds"` // of all threads together, 0 where the system does not say
	Losses       []float64 `json:"losses"`           // before each step
	Places       [][]int   `json:"places,omitempty"` // of the sequences that our steps trained on
}

// howToGetPyTorch is for those who have none.
const howToGetPyTorch = "to compare: python3 -m venv ~/torch && ~/torch/bin/pip install torch numpy && " +
	"TRAINER_PYTHON=~/torch/bin/python3 go run ./scripts/bench"

// startPeer starts the peer with python. Its models are of the
// configuration, train with the options and begin with the weights in a file.
func startPeer(ctx context.Context, c model.Config, o train.Options, weights, dir string) (*peer, error) {
	python := python()
	script, settings := filepath.Join(dir, "peer.py"), filepath.Join(dir, "settings.json")
	if err := errors.Join(os.WriteFile(script, peerScript, 0o666), writeSettings(settings, c, o)); err != nil {
		return nil, err
	}
	var hello struct {
		Torch   string
		Threads int
	}
	p, err := startProcess(exec.CommandContext(ctx, python, script, settings, weights, strconv.Itoa(o.Threads)), &hello)
	if err != nil {
		return nil, fmt.Errorf("%s cannot run PyTorch: %w; %s", python, err, howToGetPyTorch)
	}
	return &peer{p, fmt.Sprintf("PyTorch %s, %d threads", hello.Torch, hello.Threads)}, nil
}

// python is the interpreter that the environment variable TRAINER_PYTHON names, or python3.
func python() string {
	if name := os.Getenv("TRAINER_PYTHON"); name != "" {
		return name
	}
	return "python3"
}

// writeSettings writes what the peer has to know of a model and its training.
func writeSettings(path string, c model.Config, o train.Options) error {
	text, err := json.Marshal(map[string]any{
		"model": map[string]any{
			"vocabulary": c.VocabSize, "context": c.Context, "layers": c.Layers, "heads": c.Heads, "width": c.Width, "hidden": c.MLPWidth,
			"tied": c.TiedHead,
		},
		"optimizer": map[string]float64{
			"lr": o.LearningRate, "beta1": o.Beta1, "beta2": o.Beta2, "weight_decay": o.WeightDecay, "clip": o.Clip,
		},
		"precision": o.Precision,
	})
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o666)
}

// batch is what the peer takes a step on: a rectangle of tokens, and the target of each.
type batch struct {
	Inputs  [][]int32 `json:"inputs"`
	Targets [][]int32 `json:"targets"`
}

// ignored is the target where no prediction is wanted.
const ignored = -100

// steps trains on batches. A mode and a session have a model of their own.
func (p *peer) steps(mode string, session int, batches []batch) (*turn, error) {
	t := &turn{}
	if err := p.ask(map[string]any{"mode": mode, "session": session, "batches": batches}, t); err != nil {
		return nil, fmt.Errorf("PyTorch, mode %s: %w", mode, err)
	}
	return t, nil
}

// end closes the peer, if there is one; see process.close.
func (p *peer) end() (memory int64, err error) {
	if p == nil {
		return 0, nil
	}
	return p.close()
}
