package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

//go:embed generate_peer.py
var generatePeerScript []byte

// generatorPeer is another program that generates, which a Python runs; see generate_peer.py.
type generatorPeer struct {
	name     string // with the version of its module
	kind     string // the script's word for it
	python   string
	script   string
	variable string // of the environment, that names a Python with the module
	module   string
	install  string // what pip is told
}

// Names of peers, as the script has them too.
const (
	llamaCpp     = "llama.cpp"
	transformers = "transformers"
)

// generatorPeers are those that are asked for.
var generatorPeers = []generatorPeer{
	{kind: llamaCpp, module: "llama_cpp", variable: "TRAINER_LLAMA_PYTHON", install: "llama-cpp-python"},
	{kind: transformers, module: "transformers", variable: "TRAINER_PYTHON", install: "torch transformers"},
}

// findGenerators returns the peers that run here, and why others do not.
func findGenerators(ctx context.Context, dir string) (peers []generatorPeer, missing []string, err error) {
	script := filepath.Join(dir, "generate_peer.py")
	if err := os.WriteFile(script, generatePeerScript, 0o666); err != nil {
		return nil, nil, err
	}
	for _, p := range generatorPeers {
		p.script, p.python = script, os.Getenv(p.variable)
		if p.python == "" {
			p.python = "python3"
		}
		version, err := exec.CommandContext(ctx, p.python, "-c", "import "+p.module+" as m; print(m.__version__, end='')").Output()
		if err != nil {
			missing = append(missing, fmt.Sprintf("without %s: %s cannot import %s; to compare, name one that can with %s "+
				"(python3 -m venv ~/peer && ~/peer/bin/pip install %s)", p.kind, p.python, p.module, p.variable, p.install))
			continue
		}
		p.name = p.kind + " " + string(version)
		peers = append(peers, p)
	}
	return peers, missing, nil
}

// model returns what a peer reads to be compared with ours, and the type of its weights; an empty path where it has none of as many bits.
func (p *generatorPeer) model(f *modelFiles, weights string) (path, kind string) {
	if p.kind == llamaCpp {
		kind = llamaTypes[weights]
		return f.GGUF[kind], kind
	}
	if weights == "int8" {
		return "", ""
	}
	return f.Folder, weights
}

// start starts the peer with a model.
func (p *generatorPeer) start(ctx context.Context, path, weights string, threads int) (*process, error) {
	var hello struct{}
	started, err := startProcess(exec.CommandContext(ctx, p.python, p.script, p.kind, path, weights, strconv.Itoa(threads)), &hello)
	if err != nil {
		return nil, fmt.Errorf("%s with weights of %s: %w", p.name, weights, err)
	}
	return started, nil
}
