package main

import (
	"maps"
	"slices"
	"strings"

	"trainer/internal/cli"
	"trainer/internal/fault"
)

// presets are flags that go together: a model, and how it is trained. Of several sizes of GPT-2 (Radford et al. 2019, table 2) the training
// is that of nanoGPT and llm.c: half a million tokens a step. The Llama is one of GPT-2's size. The one for characters is nanoGPT's for a processor with twice its learning
// rate: a held-out loss of 1.82 rather than 1.90 on the plays of Shakespeare.
var presets = map[string]map[string]string{
	"calculator": {},
	"shakespeare-char": {
		"tokenizer": "char", "layers": "4", "heads": "4", "d-model": "128", "context": "64", "tied": "true",
		"batch": "12", "steps": "2000", "lr": "0.002", "final-lr": "0.0002", "beta2": "0.99", "warmup": "100", "weight-decay": "0.1",
		"evaluate-every": "250", "save-every": "500",
	},
	"gpt2":        gpt2("12", "12", "768", "0.0006"),
	"gpt2-medium": gpt2("24", "16", "1024", "0.0003"),
	"gpt2-large":  gpt2("36", "20", "1280", "0.00025"),
	"gpt2-xl":     gpt2("48", "25", "1600", "0.0002"),
	"llama": {
		"architecture": "llama", "tokenizer": "bpe:32000", "layers": "12", "heads": "12", "kv-heads": "4", "d-model": "768", "context": "1024",
		"batch": "8", "accumulate": "64", "steps": "19073", "lr": "0.0006", "warmup": "700", "weight-decay": "0.1",
		"evaluate-every": "250", "evaluate-tokens": "16384", "save-every": "250",
	},
	"gpt3": large("96", "96", "12288", "2048", "50257", "6e-5", "1600", "91553"),
	"gpt4": large("120", "276", "35328", "8192", "100277", "2e-5", "1600", "991822"),
}

// presetNotes say where a preset comes from, for those that are there to be estimated.
var presetNotes = map[string]string{
	"gpt3": "GPT-3 as published: Brown et al. 2020, tables 2.1 and D.1; 300 billion tokens.",
	"gpt4": "GPT-4's size has not been published. This is a dense model of the 1.8 trillion weights and 13 trillion tokens that were reported in 2023; " +
		"a mixture of experts, as it was said to be, uses only a part of its weights for each token.",
}

// large is a preset of a size beyond any one machine.
func large(layers, heads, width, context, vocabulary, rate, batch, steps string) map[string]string {
	return map[string]string{
		"tokenizer": "bpe:" + vocabulary, "layers": layers, "heads": heads, "d-model": width, "context": context, "tied": "true",
		"batch": "1", "accumulate": batch, "steps": steps, "lr": rate, "warmup": "2000", "weight-decay": "0.1",
	}
}

func gpt2(layers, heads, width, rate string) map[string]string {
	return map[string]string{
		"tokenizer": "bpe:50257", "layers": layers, "heads": heads, "d-model": width, "context": "1024", "tied": "true",
		"batch": "8", "accumulate": "64", "steps": "19073", "lr": rate, "warmup": "700", "weight-decay": "0.1",
		"evaluate-every": "250", "evaluate-tokens": "16384", "save-every": "250",
	}
}

// applyPreset gives flags that were not given the values of the preset. Text without a preset takes the one for characters.
func (a *arguments) applyPreset(f *cli.Flags) error {
	if a.preset == "" {
		a.preset = "calculator"
		if a.task == taskText {
			a.preset = "shakespeare-char"
		}
	}
	values, ok := presets[a.preset]
	if !ok {
		return fault.Usagef("-preset %q: expected %s", a.preset, strings.Join(slices.Sorted(maps.Keys(presets)), ", "))
	}
	if a.data == "" && a.preset != "calculator" && !a.onlyEstimate {
		return fault.Usagef("-preset %s: expected a text by -data to train it on, or -estimate to see what that would take", a.preset)
	}
	if a.initFrom != "" {
		values = withoutArchitecture(values)
	}
	return f.Fill(values)
}
