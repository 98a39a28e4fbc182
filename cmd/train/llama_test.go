package main

import (
	"path/filepath"
	"strings"
	"testing"

	"trainer/model"
)

func TestALlamaIsTrainedAndResumedAsOne(t *testing.T) {
	t.Parallel()
	llama := []string{"-architecture", "llama", "-kv-heads", "1"}
	dir := stopped(t, llama...)
	run := filepath.Join(dir, "run")
	succeed(t, dir, "-resume", "-out", "run", "-quiet")
	sameCheckpoint(t, run, uninterrupted(t, llama...))
	m, err := model.Load(run)
	if err != nil {
		t.Fatal(err)
	}
	if c := m.Config; c.Architecture != model.Llama || c.KVHeads != 1 || c.Heads < 2 || c.Positions != model.Rotary {
		t.Errorf("the configuration is %+v", c)
	}
	if config := contents(t, run)[model.ConfigFile]; !strings.Contains(config, "LlamaForCausalLM") {
		t.Errorf("config.json is %s", config)
	}
}
