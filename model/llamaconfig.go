package model

// typeLlama is the model type of config.json.
const typeLlama = "llama"

// llamaConfig is the config.json of a Llama in the order of its keys.
type llamaConfig struct {
	Architectures    []string `json:"architectures"`
	ModelType        string   `json:"model_type"`
	VocabSize        int      `json:"vocab_size"`
	Context          int      `json:"max_position_embeddings"`
	Width            int      `json:"hidden_size"`
	Layers           int      `json:"num_hidden_layers"`
	Heads            int      `json:"num_attention_heads"`
	KVHeads          int      `json:"num_key_value_heads"`
	MLPWidth         int      `json:"intermediate_size"`
	Activation       string   `json:"hidden_act"`
	Epsilon          float64  `json:"rms_norm_eps"`
	RopeTheta        float64  `json:"rope_theta"`
	RopeScaling      *bool    `json:"rope_scaling"` // null: there is none
	AttentionBias    bool     `json:"attention_bias"`
	MLPBias          bool     `json:"mlp_bias"`
	TiedHead         bool     `json:"tie_word_embeddings"`
	BOS              *int     `json:"bos_token_id"`
	EOS              *int     `json:"eos_token_id"`
	PAD              *int     `json:"pad_token_id"`
	AttentionDropout float64  `json:"attention_dropout"`
	DType            string   `json:"torch_dtype"`
}

// llamaJSON is c as the config.json of a Llama.
func (c Config) llamaJSON() llamaConfig {
	return llamaConfig{
		Architectures: []string{"LlamaForCausalLM"}, ModelType: typeLlama,
		VocabSize: c.VocabSize, Context: c.Context, Width: c.Width, Layers: c.Layers, Heads: c.Heads, KVHeads: c.KVHeads, MLPWidth: c.MLPWidth,
		Activation: "silu", Epsilon: c.Epsilon, RopeTheta: c.RopeTheta, TiedHead: c.TiedHead,
		BOS: optional(c.BOS), EOS: optional(c.EOS), PAD: optional(c.PAD), DType: "float32",
	}
}

// llama reads the config.json of a Llama.
func (members *members) llama() Config {
	members.supports("hidden_act", "silu")
	members.supports("attention_bias", false)
	members.supports("mlp_bias", false)
	members.supports("rope_scaling", nil)

	// Defaults are those of transformers' LlamaConfig, but for the sizes, which have none here.
	c := Config{
		Architecture: Llama, Epsilon: 1e-6, Positions: Rotary, RopeTheta: DefaultRopeTheta, BOS: NoToken, EOS: NoToken, PAD: NoToken,
	}
	members.require("a Llama", "vocab_size", "max_position_embeddings", "hidden_size", "num_hidden_layers", "num_attention_heads",
		"intermediate_size")
	members.read("vocab_size", "an integer", &c.VocabSize)
	members.read("max_position_embeddings", "an integer", &c.Context)
	members.read("hidden_size", "an integer", &c.Width)
	members.read("num_hidden_layers", "an integer", &c.Layers)
	members.read("num_attention_heads", "an integer", &c.Heads)
	members.read("intermediate_size", "an integer", &c.MLPWidth)
	members.read("rms_norm_eps", "a number", &c.Epsilon)
	members.read("rope_theta", "a number", &c.RopeTheta)
	members.read("tie_word_embeddings", "true or false", &c.TiedHead)
	c.KVHeads = c.Heads
	members.readOptional("num_key_value_heads", &c.KVHeads)
	members.readTokens(&c)
	members.readRopeParameters(&c)
	members.checkHeadDim(c)
	return c
}

// readRopeParameters reads the object in which transformers 5 writes the base of the angles, and whether they are scaled.
func (members *members) readRopeParameters(c *Config) {
	const key = "rope_parameters"
	if raw, ok := members.raw[key]; !ok || string(raw) == "null" {
		return
	}
	inner := *members
	inner.raw = nil
	members.read(key, "an object", &inner.raw)
	if members.err != nil {
		return
	}
	inner.supports("rope_type", "default")
	inner.read("rope_theta", "a number", &c.RopeTheta)
	if inner.err != nil {
		members.fail("%s: %w", key, inner.err)
	}
}

// checkHeadDim refuses heads whose size is not the width divided by their number.
func (members *members) checkHeadDim(c Config) {
	dim := NoToken
	members.readOptional("head_dim", &dim)
	if dim != NoToken && c.Heads > 0 && dim*c.Heads != c.Width { // Validate refuses other numbers of heads
		members.fail("head_dim %d with num_attention_heads %d is not supported, expected a product of hidden_size %d", dim, c.Heads, c.Width)
	}
}
