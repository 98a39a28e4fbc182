package export

import (
	"strings"

	"trainer/internal/gguf"
	"trainer/model"
)

// gpt2Names are llama.cpp's names for the weights of a GPT-2.
var gpt2Names = names{
	layer: "transformer.h.",
	other: map[string]string{
		"transformer.wte": "token_embd", "transformer.wpe": "position_embd", "transformer.ln_f": "output_norm", "lm_head": "output",
	},
	block: map[string]string{
		"ln_1": "attn_norm", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output", "ln_2": "ffn_norm", "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down",
	},
}

// gpt2 describes a GPT-2. Positions stay float32.
func gpt2(m *model.Model) (architecture, []tensor, error) {
	c := m.Config
	if c.Positions == model.Rotary {
		return architecture{}, nil, cannot("its GPT-2 has no %s positions: expected %s or %s", c.Positions, model.Learned, model.Sinusoidal)
	}
	a := architecture{"gpt2", []gguf.Entry{
		{Key: "context_length", Value: uint32(c.Context)}, {Key: "embedding_length", Value: uint32(c.Width)},
		{Key: "block_count", Value: uint32(c.Layers)}, {Key: "feed_forward_length", Value: uint32(c.MLPWidth)},
		{Key: "attention.head_count", Value: uint32(c.Heads)}, {Key: "attention.layer_norm_epsilon", Value: float32(c.Epsilon)},
	}}
	var tensors []tensor
	for _, w := range m.Tensors() {
		t := tensor{name: gpt2Names.of(w.Name), value: w.Value, shape: w.Shape}
		t.transposed = len(t.shape) == 2 && strings.Contains(w.Name, ".c_")
		t.float32 = strings.HasPrefix(t.name, "position_embd")
		tensors = append(tensors, t)
	}
	return a, tensors, nil
}
