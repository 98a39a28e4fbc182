package export

import (
	"strings"

	"trainer/internal/gguf"
	"trainer/model"
)

// llamaNames are llama.cpp's names for the weights of a Llama, as gpt2Names are.
var llamaNames = names{
	layer: "model.layers.",
	other: map[string]string{"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"},
	block: map[string]string{
		"input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
		"self_attn.o_proj": "attn_output", "post_attention_layernorm": "ffn_norm",
		"mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
	},
}

// llama describes a Llama.
func llama(m *model.Model) (architecture, []tensor) {
	c := m.Config
	a := architecture{"llama", []gguf.Entry{
		{Key: "context_length", Value: uint32(c.Context)},
		{Key: "embedding_length", Value: uint32(c.Width)}, {Key: "block_count", Value: uint32(c.Layers)},
		{Key: "feed_forward_length", Value: uint32(c.MLPWidth)}, {Key: "attention.head_count", Value: uint32(c.Heads)},
		{Key: "attention.head_count_kv", Value: uint32(c.KVHeads)}, {Key: "attention.layer_norm_rms_epsilon", Value: float32(c.Epsilon)},
		{Key: "rope.dimension_count", Value: uint32(c.HeadDim())}, {Key: "rope.freq_base", Value: float32(c.RopeTheta)},
	}}
	var tensors []tensor
	for _, w := range m.Tensors() {
		t := tensor{name: llamaNames.of(w.Name), value: w.Value, shape: w.Shape}
		if strings.Contains(t.name, ".attn_q.") || strings.Contains(t.name, ".attn_k.") {
			t.row = interleaved(c.HeadDim())
		}
		tensors = append(tensors, t)
	}
	return a, tensors
}

// interleaved gives for a row of queries or keys in the file the one that it is here. The dimensions of a head are turned in pairs: here each of
// its first half with that of its second, there each even one with the next.
func interleaved(headDim int) func(row int) int {
	return func(row int) int {
		head, at := row/headDim, row%headDim
		return head*headDim + at/2 + at%2*(headDim/2)
	}
}
