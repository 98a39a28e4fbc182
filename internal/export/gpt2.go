package export

import (
	"fmt"
	"strings"

	"trainer/internal/fault"
	"trainer/internal/gguf"
	"trainer/model"
)

// Names of llama.cpp for the weights of a GPT-2 (gguf-py/gguf/constants.py and tensor_mapping.py there): outside of blocks, and of a block.
var (
	gpt2Names = map[string]string{
		"transformer.wte": "token_embd", "transformer.wpe": "position_embd", "transformer.ln_f": "output_norm", "lm_head": "output",
	}
	gpt2BlockNames = map[string]string{
		"ln_1": "attn_norm", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output", "ln_2": "ffn_norm", "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down",
	}
)

// gpt2 describes a GPT-2. Where it has no head of its own, llama.cpp takes the token embeddings, too.
func gpt2(m *model.Model) (architecture, []tensor, error) {
	c := m.Config
	if c.Architecture != model.GPT2 {
		return architecture{}, nil, fault.Dataf("a model of the architecture %s cannot be exported: expected a %s", c.Architecture, model.GPT2)
	}
	if c.Positions == model.Rotary {
		return architecture{}, nil, cannot("its GPT-2 has no %s positions: expected %s or %s", c.Positions, model.Learned, model.Sinusoidal)
	}
	a := architecture{"gpt2", []gguf.Entry{
		{Key: "context_length", Value: uint32(c.Context)}, {Key: "embedding_length", Value: uint32(c.Width)},
		{Key: "block_count", Value: uint32(c.Layers)}, {Key: "feed_forward_length", Value: uint32(c.MLPWidth)},
		{Key: "attention.head_count", Value: uint32(c.Heads)}, {Key: "attention.layer_norm_epsilon", Value: float32(c.Epsilon)},
	}}
	var tensors []tensor
	for i := range m.Parameters {
		p := &m.Parameters[i]
		name := gpt2Name(p.Name)
		tensors = append(tensors, tensor{
			name: name, value: p.Value, shape: p.Shape,
			transposed: p.IsMatrix() && strings.Contains(p.Name, ".c_"), float32: strings.HasPrefix(name, positions),
		})
	}
	if fixed := m.FixedPositions(); fixed != nil {
		tensors = append(tensors, tensor{name: positions + ".weight", value: fixed, shape: []int{c.Context, c.Width}, float32: true})
	}
	return a, tensors, nil
}

const positions = "position_embd"

// gpt2Name is llama.cpp's name of a weight.
func gpt2Name(name string) string {
	dot := strings.LastIndexByte(name, '.')
	module, kind := name[:dot], name[dot:]
	if block, ok := strings.CutPrefix(module, "transformer.h."); ok {
		layer, rest, _ := strings.Cut(block, ".")
		if to, ok := gpt2BlockNames[rest]; ok {
			return "blk." + layer + "." + to + kind
		}
	} else if to, ok := gpt2Names[module]; ok {
		return to + kind
	}
	panic(fmt.Sprintf("export: llama.cpp's name of %s is not known", name))
}
