package model

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"trainer/internal/fault"
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

// Config describes a GPT: its sizes and the few choices between variants. With the weights it is all that is needed to
// rebuild the model, and as JSON it is the config.json that Hugging Face transformers reads as a GPT2Config.
type Config struct {
	VocabSize int // V, the number of tokens
	Context   int // the longest sequence, in tokens
	Width     int // C, the size of the residual stream (d_model)
	Layers    int
	Heads     int // attention heads; divides Width
	MLPWidth  int // hidden units of each feed-forward block

	Epsilon   float64 // added to the variance in layer norm
	Positions Positions
	RopeTheta float64 // base of the rotary angles; of no effect unless Positions is Rotary
	TiedHead  bool    // the output layer is the transposed token embedding

	BOS, EOS, PAD int // ids of the special tokens, or NoToken
}

// Calculator is the default model: small enough to learn a toy language on one CPU core in seconds. vocab is the number of
// tokens of the tokenizer.
func Calculator(vocab int) Config {
	return Config{
		VocabSize: vocab, Context: 12, Width: 64, Layers: 2, Heads: 4, MLPWidth: 4 * 64,
		Epsilon: 1e-5, Positions: Learned, RopeTheta: DefaultRopeTheta,
		BOS: NoToken, EOS: NoToken, PAD: NoToken,
	}
}

// HeadDim is the size of the queries, keys and values of one head.
func (c Config) HeadDim() int { return c.Width / c.Heads }

// NumParameters counts the trained weights: biases and layer norms included, the tied head not counted twice, the fixed
// table of Sinusoidal positions left out.
func (c Config) NumParameters() int {
	linear := func(in, out int) int { return in*out + out }
	norm := 2 * c.Width
	block := norm + linear(c.Width, 3*c.Width) + linear(c.Width, c.Width) + // ln_1, c_attn, c_proj
		norm + linear(c.Width, c.MLPWidth) + linear(c.MLPWidth, c.Width) // ln_2, c_fc, c_proj
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
	// The upper bounds are far above any real model and keep every product of sizes within an int64.
	for _, size := range []struct {
		name       fault.Option
		value, max int
	}{
		{"vocab_size", c.VocabSize, 1 << 24},
		{"n_positions", c.Context, 1 << 24},
		{"n_embd", c.Width, 1 << 17},
		{"n_layer", c.Layers, 1 << 12},
		{"n_head", c.Heads, 1 << 12},
		{"n_inner", c.MLPWidth, 1 << 20},
	} {
		if size.value < 1 || size.value > size.max {
			return fault.Optionf("%s %d: expected 1 to %d", size.name, size.value, size.max)
		}
	}
	if c.Width%c.Heads != 0 {
		return fault.Optionf("%s %d: expected a divisor of %s %d", fault.Option("n_head"), c.Heads, fault.Option("n_embd"), c.Width)
	}
	if !(float32(c.Epsilon) > 0 && c.Epsilon < 1) {
		return fault.Optionf("%s %g: expected more than 0 in float32 and less than 1", fault.Option("layer_norm_epsilon"), c.Epsilon)
	}
	switch c.Positions {
	case Learned, Sinusoidal:
	case Rotary:
		if c.HeadDim()%2 != 0 {
			return fault.Optionf("%s %d divided by %s %d is %d: expected an even number with rotary positions",
				fault.Option("n_embd"), c.Width, fault.Option("n_head"), c.Heads, c.HeadDim())
		}
		if !(c.RopeTheta >= 1 && c.RopeTheta <= math.MaxFloat32) {
			return fault.Optionf("%s %g: expected at least 1", fault.Option("rope_theta"), c.RopeTheta)
		}
	default:
		return fault.Optionf("%s %q: expected %q, %q or %q", fault.Option("position_embedding"), c.Positions, Learned, Sinusoidal, Rotary)
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

// The model types of config.json. Hugging Face's GPT-2 has no rotary positions and would load such weights without a word
// and answer nonsense, so those go under a name it refuses.
const (
	typeGPT2   = "gpt2"
	typeRotary = "gpt2-rotary"
)

// hfConfig is config.json in the order of its keys.
type hfConfig struct {
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

// Marshal returns c as config.json, the same bytes for the same c. c must be valid.
func (c Config) Marshal() []byte {
	id := func(token int) *int {
		if token == NoToken {
			return nil
		}
		return &token
	}
	hf := hfConfig{
		Architectures: []string{"GPT2LMHeadModel"}, ModelType: typeGPT2,
		VocabSize: c.VocabSize, Context: c.Context, Width: c.Width, Layers: c.Layers, Heads: c.Heads, MLPWidth: c.MLPWidth,
		Activation: "gelu_new", Epsilon: c.Epsilon, Positions: c.Positions, TiedHead: c.TiedHead,
		BOS: id(c.BOS), EOS: id(c.EOS), PAD: id(c.PAD), DType: "float32",
	}
	if c.Positions == Rotary {
		hf.Architectures, hf.ModelType, hf.RopeTheta = nil, typeRotary, &c.RopeTheta
	}
	data, err := json.MarshalIndent(hf, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("model: config %+v: %v", c, err)) // NaN or infinite: not a valid config
	}
	return append(data, '\n')
}

// ParseConfig reads a config.json; name is the file's name for error messages. It is strict about every key that changes
// what the model computes, and ignores the many others that Hugging Face writes. Dropout is among those: it does not
// change a trained model, and this trainer has none. All errors are data faults (package fault).
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
	members.supports("model_type", typeGPT2, typeRotary)
	members.supports("activation_function", "gelu_new", "gelu_pytorch_tanh") // two names of one formula
	members.supports("scale_attn_weights", true)
	members.supports("scale_attn_by_inverse_layer_idx", false)
	members.supports("reorder_and_upcast_attn", false)
	members.supports("add_cross_attention", false)

	// Defaults are those of transformers' GPT2Config. The type and the sizes have none here: a file without them is more
	// likely broken than a GPT-2 small.
	c := Config{Epsilon: 1e-5, Positions: Learned, RopeTheta: DefaultRopeTheta, TiedHead: true, BOS: NoToken, EOS: NoToken, PAD: NoToken}
	members.require("model_type", "vocab_size", "n_positions", "n_embd", "n_layer", "n_head")
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
	members.readOptional("bos_token_id", &c.BOS)
	members.readOptional("eos_token_id", &c.EOS)
	members.readOptional("pad_token_id", &c.PAD)
	if members.err != nil {
		return Config{}, members.err
	}
	return c, c.Validate()
}

// members are the members of a JSON object, decoded one at a time: encoding/json into a struct would ignore the case of
// keys and could not tell absent from null or zero. err is the first that was met.
type members struct {
	raw map[string]json.RawMessage
	err error
}

func (m *members) fail(format string, args ...any) {
	if m.err == nil {
		m.err = fmt.Errorf(format, args...)
	}
}

// require refuses an object that lacks one of the keys.
func (m *members) require(keys ...string) {
	for _, key := range keys {
		if _, ok := m.raw[key]; !ok {
			m.fail("%s is missing: expected the config.json of a GPT-2", key)
		}
	}
}

// supports refuses a value of key other than those; the key may be absent.
func (m *members) supports(key string, values ...any) {
	raw, ok := m.raw[key]
	if !ok {
		return
	}
	var got any
	if json.Unmarshal(raw, &got) == nil && slices.Contains(values, got) {
		return
	}
	var want []string
	for _, value := range values {
		want = append(want, fmt.Sprintf("%#v", value))
	}
	m.fail("%s %.60s is not supported, expected %s", key, raw, strings.Join(want, " or "))
}

// read decodes the value of key, if there is one, into the target, whose type is described by want.
func (m *members) read(key, want string, target any) {
	raw, ok := m.raw[key]
	if !ok {
		return
	}
	if string(raw) == "null" || json.Unmarshal(raw, target) != nil {
		m.fail("%s is %.60s, expected %s", key, raw, want)
	}
}

// readOptional is read for an integer which keeps its default if the value is null.
func (m *members) readOptional(key string, target *int) {
	if string(m.raw[key]) != "null" {
		m.read(key, "an integer or null", target)
	}
}

// locate adds the line to an error of json.Unmarshal.
func locate(err error, data []byte) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		line := 1 + bytes.Count(data[:min(int(syntax.Offset), len(data))], []byte("\n"))
		return fmt.Errorf("line %d is not JSON: %w", line, err)
	}
	return fmt.Errorf("not a JSON object: %w", err)
}
