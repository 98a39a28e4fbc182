package model

import "math"

// The model types of config.json. Hugging Face's GPT-2 has no rotary positions and would load such weights without a word
// and answer nonsense, so those go under a name it refuses.
const (
	typeGPT2   = "gpt2"
	typeRotary = "gpt2-rotary"
)

// gpt2Config is the config.json of a GPT-2 in the order of its keys.
type gpt2Config struct {
	Architectures    []string  `json:"architectures"`
	ModelType        string    `json:"model_type"`
	VocabSize        int       `json:"vocab_size"`
	Context          int       `json:"n_positions"`
	Width            int       `json:"n_embd"`
	Layers           int       `json:"n_layer"`
	Heads            int       `json:"n_head"`
	MLPWidth         int       `json:"n_inner"`
	Activation       string    `json:"activation_function"`
	Epsilon          float64   `json:"layer_norm_epsilon"`
	Positions        Positions `json:"position_embedding"`
	RopeTheta        *float64  `json:"rope_theta,omitempty"`
	TiedHead         bool      `json:"tie_word_embeddings"`
	BOS              *int      `json:"bos_token_id"`
	EOS              *int      `json:"eos_token_id"`
	PAD              *int      `json:"pad_token_id"`
	ResidualDropout  float64   `json:"resid_pdrop"`
	EmbeddingDropout float64   `json:"embd_pdrop"`
	AttentionDropout float64   `json:"attn_pdrop"`
	DType            string    `json:"torch_dtype"`
}

// gpt2JSON is c as the config.json of a GPT-2.
func (c Config) gpt2JSON() gpt2Config {
	hf := gpt2Config{
		Architectures: []string{"GPT2LMHeadModel"}, ModelType: typeGPT2,
		VocabSize: c.VocabSize, Context: c.Context, Width: c.Width, Layers: c.Layers, Heads: c.Heads, MLPWidth: c.MLPWidth,
		Activation: "gelu_new", Epsilon: c.Epsilon, Positions: c.Positions, TiedHead: c.TiedHead,
		BOS: optional(c.BOS), EOS: optional(c.EOS), PAD: optional(c.PAD), DType: "float32",
		ResidualDropout: c.Dropout, EmbeddingDropout: c.Dropout, // and none of attention
	}
	if c.Positions == Rotary {
		hf.Architectures, hf.ModelType, hf.RopeTheta = nil, typeRotary, &c.RopeTheta
	}
	return hf
}

// gpt2 reads the config.json of a GPT-2.
func (members *members) gpt2() Config {
	members.supports("activation_function", "gelu_new", "gelu_pytorch_tanh") // two names of one formula
	members.supports("scale_attn_weights", true)
	members.supports("scale_attn_by_inverse_layer_idx", false)
	members.supports("reorder_and_upcast_attn", false)
	members.supports("add_cross_attention", false)

	// Defaults are those of transformers' GPT2Config. The sizes have none here: a file without them is more likely broken than a GPT-2
	// small.
	c := Config{
		Architecture: GPT2, Epsilon: 1e-5, Positions: Learned, RopeTheta: DefaultRopeTheta, TiedHead: true,
		BOS: NoToken, EOS: NoToken, PAD: NoToken,
	}
	members.require("a GPT-2", "vocab_size", "n_positions", "n_embd", "n_layer", "n_head")
	members.read("vocab_size", "an integer", &c.VocabSize)
	members.read("n_positions", "an integer", &c.Context)
	members.read("n_embd", "an integer", &c.Width)
	members.read("n_layer", "an integer", &c.Layers)
	members.read("n_head", "an integer", &c.Heads)
	members.read("layer_norm_epsilon", "a number", &c.Epsilon)
	members.read("position_embedding", "a string", &c.Positions)
	members.read("tie_word_embeddings", "true or false", &c.TiedHead)
	if c.Positions == Rotary {
		members.read("rope_theta", "a number", &c.RopeTheta)
	}
	c.MLPWidth = 4 * min(c.Width, math.MaxInt/4) // Validate refuses such widths
	members.readOptional("n_inner", &c.MLPWidth)
	members.readTokens(&c)
	return c
}
