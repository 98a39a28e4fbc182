package model

import (
	"encoding/json"
	"fmt"
	"math"

	"trainer/internal/fault"
)

// Architecture is the family of models that transformers and others know the model by. See variant for what it decides.
type Architecture string

const (
	// GPT2 has layer norms, GELU and biases (Radford et al. 2019).
	GPT2 Architecture = "gpt2"
	// Llama has RMS norms, SwiGLU, rotary positions, grouped heads of keys and values, and no biases (Touvron et al. 2023).
	Llama Architecture = "llama"
)

// Positions says how the model knows where a token stands in its sequence.
type Positions string

const (
	// Learned adds row p of a trained table [Context, Width] to the embedding at position p (Radford et al. 2019).
	Learned Positions = "learned"
	// Sinusoidal adds a fixed table of sines and cosines (Vaswani et al. 2017, section 3.5).
	Sinusoidal Positions = "sinusoidal"
	// Rotary turns queries and keys by angles that grow with the position (Su et al. 2021).
	Rotary Positions = "rotary"
)

// NoToken stands for a special token which the vocabulary does not have.
const NoToken = -1

// DefaultRopeTheta is the base of the rotary angles in Su et al. 2021, section 3.2.2.
const DefaultRopeTheta = 10000

// Config describes a transformer: its sizes and the few choices between variants. With the weights it is all that is needed to rebuild
// the model, and as JSON it is the config.json that Hugging Face transformers reads as a GPT2Config or a LlamaConfig.
type Config struct {
	Architecture Architecture

	VocabSize int // V, the number of tokens
	Context   int // the longest sequence, in tokens
	Width     int // C, the size of the residual stream (d_model)
	Layers    int
	Heads     int // attention heads; divides Width
	KVHeads   int // heads of keys and values of a Llama; divides Heads. A GPT-2 has as many as Heads, and 0 here
	MLPWidth  int // hidden units of each feed-forward block

	Epsilon   float64 // added to the variance, or the mean square, in norms
	Positions Positions
	RopeTheta float64 // base of the rotary angles; of no effect unless Positions is Rotary
	Dropout   float64 // share of activations that fall in training, where the batch asks for it: see Batch.Drop. Not read from files
	TiedHead  bool    // the output layer is the transposed token embedding

	BOS, EOS, PAD int // ids of the special tokens, or NoToken
}

// Calculator is the default model: small enough to learn a toy language on one CPU core in seconds. vocab is the number of
// tokens of the tokenizer.
func Calculator(vocab int) Config {
	return Config{
		Architecture: GPT2, VocabSize: vocab, Context: 12, Width: 64, Layers: 2, Heads: 4, MLPWidth: 4 * 64,
		Epsilon: 1e-5, Positions: Learned, RopeTheta: DefaultRopeTheta,
		BOS: NoToken, EOS: NoToken, PAD: NoToken,
	}
}

// HeadDim is the size of the queries, keys and values of one head.
func (c Config) HeadDim() int { return c.Width / c.Heads }

// keyHeads is the number of heads of keys and values.
func (c Config) keyHeads() int {
	if c.Architecture == Llama {
		return c.KVHeads
	}
	return c.Heads
}

// QKVWidth is the number of columns in which the queries, keys and values of a token lie.
func (c Config) QKVWidth() int { return (c.Heads + 2*c.keyHeads()) * c.HeadDim() }

// MLPInputs is the number of columns that go into the activation of a feed-forward block: with SwiGLU two for each hidden unit.
func (c Config) MLPInputs() int {
	if c.Architecture == Llama {
		return 2 * c.MLPWidth
	}
	return c.MLPWidth
}

// GatedMLPWidth is the MLPWidth at which a feed-forward block with SwiGLU has about as many weights as one without of 4·width hidden
// units: two thirds of it (Shazeer 2020, section 3.2), rounded up to a multiple of 64.
func GatedMLPWidth(width int) int { return (8*width/3 + 63) / 64 * 64 }

// NumParameters counts the trained weights: biases and norms included, the tied head not counted twice, the fixed table of Sinusoidal
// positions left out.
func (c Config) NumParameters() int {
	biases := c.variant().biases
	linear := func(in, out int) int {
		if biases {
			return in*out + out
		}
		return in * out
	}
	norm := linear(1, c.Width)
	block := norm + linear(c.Width, c.QKVWidth()) + linear(c.Width, c.Width) +
		norm + linear(c.Width, c.MLPInputs()) + linear(c.MLPWidth, c.Width)
	n := c.VocabSize*c.Width + c.Layers*block + norm
	if c.Positions == Learned {
		n += c.Context * c.Width
	}
	if !c.TiedHead {
		n += c.VocabSize * c.Width
	}
	return n
}

// NumFixed counts the weights that are stored with the model but never trained: the table of Sinusoidal positions.
func (c Config) NumFixed() int {
	if c.Positions == Sinusoidal {
		return c.Context * c.Width
	}
	return 0
}

// Validate returns an error if no such model can be built. It names the field as on the command line and as in config.json,
// its value and what was expected.
func (c Config) Validate() error {
	if c.Architecture != GPT2 && c.Architecture != Llama {
		return fault.Optionf("%s %q: expected %q or %q", fault.Option("architecture"), c.Architecture, GPT2, Llama)
	}
	keys := c.variant().keys
	// The upper bounds are far above any real model and keep every product of sizes within an int64.
	for _, size := range []struct {
		name       fault.Option
		value, max int
	}{
		{"vocab_size", c.VocabSize, 1 << 24},
		{keys.context, c.Context, 1 << 24},
		{keys.width, c.Width, 1 << 17},
		{keys.layers, c.Layers, 1 << 12},
		{keys.heads, c.Heads, 1 << 12},
		{keys.mlpWidth, c.MLPWidth, 1 << 20},
	} {
		if size.value < 1 || size.value > size.max {
			return fault.Optionf("%s %d: expected 1 to %d", size.name, size.value, size.max)
		}
	}
	if c.Width%c.Heads != 0 {
		return fault.Optionf("%s %d: expected a divisor of %s %d", keys.heads, c.Heads, keys.width, c.Width)
	}
	if !(float32(c.Epsilon) > 0 && c.Epsilon < 1) {
		return fault.Optionf("%s %g: expected more than 0 in float32 and less than 1", keys.epsilon, c.Epsilon)
	}
	if !(c.Dropout >= 0 && c.Dropout < 1) {
		return fault.Optionf("%s %g: expected 0 or more and less than 1", fault.Option("dropout"), c.Dropout)
	}
	if err := c.validateKVHeads(); err != nil {
		return err
	}
	if err := c.validatePositions(); err != nil {
		return err
	}
	for _, token := range []struct {
		name fault.Option
		id   int
	}{{"bos_token_id", c.BOS}, {"eos_token_id", c.EOS}, {"pad_token_id", c.PAD}} {
		if token.id != NoToken && (token.id < 0 || token.id >= c.VocabSize) {
			return fault.Optionf("%s %d: outside of the vocabulary of %d tokens", token.name, token.id, c.VocabSize)
		}
	}
	return nil
}

func (c Config) validateKVHeads() error {
	const name = fault.Option("num_key_value_heads")
	switch {
	case c.Architecture == GPT2 && c.KVHeads != 0:
		return fault.Optionf("%s %d: only a Llama can have fewer heads of keys and values: expected %s %s, or none of this",
			name, c.KVHeads, fault.Option("architecture"), Llama)
	case c.Architecture == Llama && (c.KVHeads < 1 || c.Heads%c.KVHeads != 0):
		return fault.Optionf("%s %d: expected a divisor of %s %d", name, c.KVHeads, c.variant().keys.heads, c.Heads)
	}
	return nil
}

func (c Config) validatePositions() error {
	const name = fault.Option("position_embedding")
	keys := c.variant().keys
	switch {
	case c.Architecture == Llama && c.Positions != Rotary:
		return fault.Optionf("%s %q: expected %q in a Llama", name, c.Positions, Rotary)
	case c.Positions == Learned || c.Positions == Sinusoidal:
		return nil
	case c.Positions != Rotary:
		return fault.Optionf("%s %q: expected %q, %q or %q", name, c.Positions, Learned, Sinusoidal, Rotary)
	case c.HeadDim()%2 != 0:
		return fault.Optionf("%s %d divided by %s %d is %d: expected an even number with rotary positions",
			keys.width, c.Width, keys.heads, c.Heads, c.HeadDim())
	case !(c.RopeTheta >= 1 && c.RopeTheta <= math.MaxFloat32):
		return fault.Optionf("%s %g: expected at least 1", fault.Option("rope_theta"), c.RopeTheta)
	}
	return nil
}

// Marshal returns c as config.json, the same bytes for the same c. c must be valid.
func (c Config) Marshal() []byte {
	var hf any = c.gpt2JSON()
	if c.Architecture == Llama {
		hf = c.llamaJSON()
	}
	data, err := json.MarshalIndent(hf, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("model: config %+v: %v", c, err)) // NaN or infinite: not a valid config
	}
	return append(data, '\n')
}

// ParseConfig reads a config.json; name is the file's name for error messages. It is strict about every key that changes
// what the model computes, and ignores the many others that Hugging Face writes. Dropout is among those: it says how a
// model was trained, and whoever trains it further decides anew. All errors are data faults (package fault).
func ParseConfig(data []byte, name string) (Config, error) {
	c, err := parseConfig(data)
	if err != nil {
		return Config{}, fault.Dataf("%s: %w", name, err)
	}
	return c, nil
}

func parseConfig(data []byte) (Config, error) {
	var members members
	if err := json.Unmarshal(data, &members.raw); err != nil {
		return Config{}, locate(err, data)
	}
	var kind string
	members.require("a GPT-2 or a Llama", "model_type")
	members.supports("model_type", typeGPT2, typeRotary, typeLlama)
	members.read("model_type", "a string", &kind)
	var c Config
	switch {
	case members.err != nil:
	case kind == typeLlama:
		c = members.llama()
	default:
		c = members.gpt2()
	}
	if members.err != nil {
		return Config{}, members.err
	}
	return c, c.Validate()
}
