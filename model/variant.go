package model

import (
	"fmt"

	"trainer/internal/fault"
)

// variant is what an architecture decides: what weights are called and how they lie, and which of two blocks are used. The rest of the
// transformer, in Graph, is the same for all.
type variant struct {
	prefix                            string // of most names; files of a model without its head may lack it
	embedding, layer, finalNorm, head string // layer has a verb for its number and comes before the following names
	attentionNorm, qkv, attentionOut  string
	mlpNorm, mlpIn, mlpOut            string

	// qkvTensors and mlpTensors are the tensors that files have for qkv and mlpIn, which are one product each here; nil where they have one,
	// too.
	qkvTensors, mlpTensors []string

	biases     bool // norms are layer norms and linear layers add a bias; else norms are RMS norms and there are none
	gated      bool // the activation is SwiGLU; else GELU
	transposed bool // matrices are stored [out, in]

	keys keys
}

// keys are names of sizes in config.json.
type keys struct{ context, width, layers, heads, mlpWidth, epsilon fault.Option }

var architectures = map[Architecture]*variant{
	GPT2: {
		prefix: "transformer.", embedding: "transformer.wte", layer: "transformer.h.%d.", finalNorm: "transformer.ln_f", head: "lm_head",
		attentionNorm: "ln_1", qkv: "attn.c_attn", attentionOut: "attn.c_proj",
		mlpNorm: "ln_2", mlpIn: "mlp.c_fc", mlpOut: "mlp.c_proj",
		biases: true,
		keys:   keys{"n_positions", "n_embd", "n_layer", "n_head", "n_inner", "layer_norm_epsilon"},
	},
	// The packed weights have the names that Phi-3 gives them.
	Llama: {
		prefix: "model.", embedding: "model.embed_tokens", layer: "model.layers.%d.", finalNorm: "model.norm", head: "lm_head",
		attentionNorm: "input_layernorm", qkv: "self_attn.qkv_proj", attentionOut: "self_attn.o_proj",
		mlpNorm: "post_attention_layernorm", mlpIn: "mlp.gate_up_proj", mlpOut: "mlp.down_proj",
		qkvTensors: []string{"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"},
		mlpTensors: []string{"mlp.gate_proj", "mlp.up_proj"},
		gated:      true, transposed: true,
		keys: keys{"max_position_embeddings", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "rms_norm_eps"},
	},
}

// variant is that of the architecture; a Config that is not valid is taken for a GPT-2.
func (c Config) variant() *variant {
	if v := architectures[c.Architecture]; v != nil {
		return v
	}
	return architectures[GPT2]
}

// layerName is what the names of layer l begin with.
func (v *variant) layerName(l int) string { return fmt.Sprintf(v.layer, l) }
