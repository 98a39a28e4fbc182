package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"

	"trainer/internal/vm"
	"trainer/model"
	"trainer/train"
)

// llm.c's train_gpt2 trains GPT-2 of any size in plain C, on batches of 4 sequences of 64 tokens, with the files below in its folder.
const (
	llmcBatch, llmcLength = 4, 64
	llmcModel             = "gpt2_124M.bin"
	llmcData              = "dev/data/tinyshakespeare/tiny_shakespeare_"
)

// The first numbers of its files.
const (
	llmcModelMagic, llmcModelVersion = 20240326, 3
	llmcDataMagic, llmcDataVersion   = 20240520, 1
	llmcHeader                       = 256 // int32
)

// llmcTensors are the parameters of a block in the order of the file, which has each of all blocks together.
var llmcTensors = []string{
	"ln_1.weight", "ln_1.bias", "attn.c_attn.weight", "attn.c_attn.bias", "attn.c_proj.weight", "attn.c_proj.bias",
	"ln_2.weight", "ln_2.bias", "mlp.c_fc.weight", "mlp.c_fc.bias", "mlp.c_proj.weight", "mlp.c_proj.bias",
}

// timeLLMC runs a compiled train_gpt2 of llm.c on the initial weights and on random tokens, and returns what its steps take, after the first
// one, which finds its memory new. It chooses other sequences than we do, so that its loss ahead of the first step, of
// 1,280 tokens, is only about ours.
func timeLLMC(ctx context.Context, dir, program string, c model.Config, o train.Options, steps int, ours float64) (*gptTime, error) {
	program, err := filepath.Abs(program)
	if err != nil {
		return nil, err
	}
	m, err := model.New(c, o.Seed)
	if err != nil {
		return nil, err
	}
	if err := writeLLMC(dir, m); err != nil {
		return nil, err
	}
	p := exec.CommandContext(ctx, program)
	p.Dir, p.Env = dir, append(os.Environ(), fmt.Sprintf("OMP_NUM_THREADS=%d", o.Threads))
	out, err := p.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.Start(); err != nil {
		return nil, fmt.Errorf("-llmc: %w", err)
	}
	t := &gptTime{}
	var step int
	var first, loss, milliseconds float64
	for lines := bufio.NewScanner(out); len(t.wall) < steps && err == nil && lines.Scan(); {
		if n, _ := fmt.Sscanf(lines.Text(), "val loss %f", &loss); n == 1 && first == 0 {
			if first = loss; math.Abs(first/ours-1) > 0.01 {
				err = fmt.Errorf("-llmc: a first loss of %.4f beside ours of %.4f: the times of different work are not compared", first, ours)
			}
		}
		if n, _ := fmt.Sscanf(lines.Text(), "step %d: train loss %f (took %f ms)", &step, &loss, &milliseconds); n == 3 && step > 0 {
			t.wall = append(t.wall, milliseconds)
		}
	}
	p.Process.Kill()
	p.Wait() // whose error is that it was killed
	if err != nil {
		return nil, err
	}
	if len(t.wall) == 0 {
		return nil, fmt.Errorf("-llmc %s: it printed no step: expected the compiled train_gpt2 of llm.c", program)
	}
	t.Step, t.Memory = median(t.wall), maxResident(p.ProcessState)
	return t, nil
}

// writeLLMC writes the files that train_gpt2 reads into a folder.
func writeLLMC(dir string, m *model.Model) error {
	tokens := randomTokens(m.Config.VocabSize)
	if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(llmcData)), 0o777); err != nil {
		return err
	}
	data := make([]uint16, len(tokens))
	for i, t := range tokens {
		data[i] = uint16(t)
	}
	for _, part := range []string{"train.bin", "val.bin"} {
		header := [llmcHeader]int32{llmcDataMagic, llmcDataVersion, int32(len(data))}
		if err := writeLittle(filepath.Join(dir, llmcData+part), header, data); err != nil {
			return err
		}
	}
	c := m.Config
	const multiple = 128 // of the rows of its embedding
	padded := (c.VocabSize + multiple - 1) / multiple * multiple
	header := [llmcHeader]int32{llmcModelMagic, llmcModelVersion, int32(c.Context), int32(c.VocabSize), int32(c.Layers), int32(c.Heads),
		int32(c.Width), int32(padded)}
	parts := []any{header, parameter(m, "wte.weight").Value, make([]float32, (padded-c.VocabSize)*c.Width), parameter(m, "wpe.weight").Value}
	for _, name := range llmcTensors {
		for layer := range c.Layers {
			parts = append(parts, outputsFirst(parameter(m, fmt.Sprintf("h.%d.%s", layer, name))))
		}
	}
	return writeLittle(filepath.Join(dir, llmcModel), append(parts, parameter(m, "ln_f.weight").Value, parameter(m, "ln_f.bias").Value)...)
}

// parameter returns a parameter by its name in Hugging Face's GPT-2.
func parameter(m *model.Model, name string) *model.Parameter {
	for i := range m.Parameters {
		if m.Parameters[i].Name == "transformer."+name {
			return &m.Parameters[i]
		}
	}
	panic("bench: no parameter " + name)
}

// outputsFirst returns a vector as it is, and a matrix [in, out] as [out, in].
func outputsFirst(p *model.Parameter) []float32 {
	if len(p.Shape) == 1 {
		return p.Value
	}
	rows, columns := p.Shape[0], p.Shape[1]
	turned := make([]float32, len(p.Value))
	for r := range rows {
		for c := range columns {
			turned[c*rows+r] = p.Value[r*columns+c]
		}
	}
	return turned
}

// writeLittle writes numbers in little-endian order.
func writeLittle(path string, parts ...any) (err error) {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	for _, part := range parts {
		if floats, ok := part.([]float32); ok {
			if _, err := file.Write(vm.Bytes(floats)); err != nil {
				return err
			}
			continue
		}
		if err := binary.Write(file, binary.LittleEndian, part); err != nil {
			return err
		}
	}
	return nil
}
