package model

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"trainer/internal/fault"
)

// variants are valid configurations which between them set every field to something that is not its default.
func variants() map[string]Config {
	rotary := Calculator(35)
	rotary.Positions, rotary.RopeTheta, rotary.TiedHead = Rotary, 500, true
	sinusoidal := Calculator(35)
	sinusoidal.Positions, sinusoidal.BOS, sinusoidal.EOS, sinusoidal.PAD = Sinusoidal, 0, 34, 1
	other := Config{
		Architecture: GPT2, VocabSize: 100, Context: 7, Width: 30, Layers: 3, Heads: 2, MLPWidth: 50, Epsilon: 1e-6,
		Positions: Learned, RopeTheta: DefaultRopeTheta, BOS: NoToken, EOS: NoToken, PAD: NoToken,
	}
	llama := Config{
		Architecture: Llama, VocabSize: 90, Context: 11, Width: 48, Layers: 2, Heads: 6, KVHeads: 2, MLPWidth: 70, Epsilon: 1e-5,
		Positions: Rotary, RopeTheta: 500, TiedHead: true, BOS: 3, EOS: 4, PAD: NoToken,
	}
	return map[string]Config{"calculator": Calculator(35), "rotary": rotary, "sinusoidal": sinusoidal, "other": other, "llama": llama}
}

func TestNumParametersOfKnownModels(t *testing.T) {
	gpt2 := Config{Architecture: GPT2, VocabSize: 50257, Context: 1024, Width: 768, Layers: 12, Heads: 12, MLPWidth: 3072, Positions: Learned, TiedHead: true}
	tinyLlama := Config{ // that of 1.1 billion weights
		Architecture: Llama, VocabSize: 32000, Context: 2048, Width: 2048, Layers: 22, Heads: 32, KVHeads: 4, MLPWidth: 5632, Positions: Rotary,
	}
	v := variants()
	for _, c := range []struct {
		name           string
		config         Config
		trained, fixed int
	}{
		{"calculator", v["calculator"], 105_344, 0},
		{"GPT-2 small", gpt2, 124_439_808, 0}, // what transformers counts
		{"TinyLlama", tinyLlama, 1_100_048_384, 0},
		{"sinusoidal", v["sinusoidal"], 105_344 - 12*64, 12 * 64},
		{"rotary, tied", v["rotary"], 105_344 - 12*64 - 35*64, 0},
	} {
		if trained, fixed := c.config.NumParameters(), c.config.NumFixed(); trained != c.trained || fixed != c.fixed {
			t.Errorf("%s: %d trained and %d fixed weights, want %d and %d", c.name, trained, fixed, c.trained, c.fixed)
		}
	}
}

func TestConfigComesBackAsWritten(t *testing.T) {
	for name, want := range variants() {
		if err := want.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got, err := ParseConfig(want.Marshal(), name); err != nil || got != want {
			t.Errorf("%s: %+v, error %v, want %+v", name, got, err, want)
		}
	}
}

func TestConfigIsWrittenAsHuggingFaceReadsIt(t *testing.T) {
	const want = `{
  "architectures": [
    "GPT2LMHeadModel"
  ],
  "model_type": "gpt2",
  "vocab_size": 35,
  "n_positions": 12,
  "n_embd": 64,
  "n_layer": 2,
  "n_head": 4,
  "n_inner": 256,
  "activation_function": "gelu_new",
  "layer_norm_epsilon": 0.00001,
  "position_embedding": "learned",
  "tie_word_embeddings": false,
  "bos_token_id": null,
  "eos_token_id": null,
  "pad_token_id": null,
  "resid_pdrop": 0,
  "embd_pdrop": 0,
  "attn_pdrop": 0,
  "torch_dtype": "float32"
}
`
	if got := string(Calculator(35).Marshal()); got != want {
		t.Errorf("config.json is\n%s, want\n%s", got, want)
	}
}

// A rotary model which passed for a GPT-2 would load there and answer nonsense.
func TestRotaryModelDoesNotPassForAGPT2(t *testing.T) {
	text := string(variants()["rotary"].Marshal())
	if !strings.Contains(text, `"model_type": "gpt2-rotary"`) || strings.Contains(text, "GPT2LMHead") {
		t.Errorf("config.json is\n%s", text)
	}
}

func TestTransformersReadsOurConfig(t *testing.T) {
	interpreter := os.Getenv("TRAINER_PYTHON")
	if interpreter == "" {
		t.Skip("TRAINER_PYTHON names no python with transformers")
	}
	dir := t.TempDir()
	for name, config := range variants() {
		if err := os.WriteFile(filepath.Join(dir, name), config.Marshal(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	const script = `
import os, sys
from transformers import AutoConfig
read = lambda name: AutoConfig.from_pretrained(os.path.join(sys.argv[1], name))
c = read("sinusoidal")
assert type(c).__name__ == "GPT2Config", c
assert (c.vocab_size, c.n_positions, c.n_embd, c.n_layer, c.n_head, c.n_inner) == (35, 12, 64, 2, 4, 256), c
assert (c.bos_token_id, c.eos_token_id, c.pad_token_id, c.tie_word_embeddings) == (0, 34, 1, False), c
assert (c.activation_function, c.resid_pdrop, c.embd_pdrop, c.attn_pdrop) == ("gelu_new", 0, 0, 0), c
c = read("llama")
assert type(c).__name__ == "LlamaConfig", c
assert (c.vocab_size, c.max_position_embeddings, c.hidden_size, c.num_hidden_layers, c.intermediate_size) == (90, 11, 48, 2, 70), c
assert (c.num_attention_heads, c.num_key_value_heads, c.rms_norm_eps, c.hidden_act) == (6, 2, 1e-5, "silu"), c
assert (c.bos_token_id, c.eos_token_id, c.pad_token_id, c.tie_word_embeddings) == (3, 4, None, True), c
assert (c.attention_bias, c.mlp_bias, c.attention_dropout) == (False, False, 0), c
assert (getattr(c, "rope_parameters", None) or {"rope_theta": c.rope_theta})["rope_theta"] == 500, c
c = read("other")
assert (c.layer_norm_epsilon, c.bos_token_id, c.eos_token_id, c.pad_token_id) == (1e-6, None, None, None), c
try:
    read("rotary")
except ValueError:
    pass
else:
    raise SystemExit("transformers reads a rotary model as if it knew how")
`
	if output, err := exec.Command(interpreter, "-c", script, dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
}

// gpt2Text is the config.json of GPT-2 small as transformers 5 saves it, shortened, and without tie_word_embeddings, which
// older versions leave out.
const gpt2Text = `{
  "activation_function": "gelu_new", "add_cross_attention": false, "attn_pdrop": 0.1, "bos_token_id": 50256,
  "embd_pdrop": 0.1, "eos_token_id": 50256, "initializer_range": 0.02, "layer_norm_epsilon": 1e-05, "model_type": "gpt2",
  "n_embd": 768, "n_head": 12, "n_inner": null, "n_layer": 12, "n_positions": 1024, "pad_token_id": null,
  "reorder_and_upcast_attn": false, "resid_pdrop": 0.1, "scale_attn_by_inverse_layer_idx": false, "scale_attn_weights": true,
  "summary_activation": null, "transformers_version": "5.24.0", "use_cache": true, "vocab_size": 50257
}`

func TestConfigOfHuggingFaceIsRead(t *testing.T) {
	want := Config{
		Architecture: GPT2, VocabSize: 50257, Context: 1024, Width: 768, Layers: 12, Heads: 12, MLPWidth: 3072, Epsilon: 1e-5,
		Positions: Learned, RopeTheta: DefaultRopeTheta, TiedHead: true, BOS: 50256, EOS: 50256, PAD: NoToken,
	}
	if got, err := ParseConfig([]byte(gpt2Text), "config.json"); err != nil || got != want {
		t.Errorf("%+v, error %v, want %+v", got, err, want)
	}
}

// llamaText is the config.json of a Llama as transformers 4 saves it, shortened.
const llamaText = `{
  "architectures": ["LlamaForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "bos_token_id": 1, "eos_token_id": 2,
  "head_dim": 64, "hidden_act": "silu", "hidden_size": 2048, "initializer_range": 0.02, "intermediate_size": 5632,
  "max_position_embeddings": 2048, "mlp_bias": false, "model_type": "llama", "num_attention_heads": 32, "num_hidden_layers": 22,
  "num_key_value_heads": 4, "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_scaling": null, "rope_theta": 20000.0,
  "tie_word_embeddings": false, "torch_dtype": "bfloat16", "use_cache": true, "vocab_size": 32000
}`

func TestLlamaConfigOfHuggingFaceIsRead(t *testing.T) {
	want := Config{
		Architecture: Llama, VocabSize: 32000, Context: 2048, Width: 2048, Layers: 22, Heads: 32, KVHeads: 4, MLPWidth: 5632, Epsilon: 1e-5,
		Positions: Rotary, RopeTheta: 20000, BOS: 1, EOS: 2, PAD: NoToken,
	}
	check := func(what, text string, want Config) {
		t.Helper()
		if got, err := ParseConfig([]byte(text), "config.json"); err != nil || got != want {
			t.Errorf("%s: %+v, error %v, want %+v", what, got, err, want)
		}
	}
	check("transformers 4", llamaText, want)
	check("transformers 5", strings.Replace(llamaText, `"rope_scaling": null, "rope_theta": 20000.0`,
		`"rope_parameters": {"rope_theta": 20000.0, "rope_type": "default"}`, 1), want)
	want.KVHeads, want.RopeTheta = 32, DefaultRopeTheta
	check("without what has a default", strings.NewReplacer(`"num_key_value_heads": 4,`, "", `"rope_theta": 20000.0,`, "", `"head_dim": 64,`, "").
		Replace(llamaText), want)
}

func TestUnsupportedLlamaIsRefusedWithTheCause(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{`"silu"`, `"gelu"`, `hidden_act "gelu" is not supported, expected "silu"`},
		{`"attention_bias": false`, `"attention_bias": true`, "attention_bias true is not supported, expected false"},
		{`"mlp_bias": false`, `"mlp_bias": true`, "mlp_bias true is not supported, expected false"},
		{`"rope_scaling": null`, `"rope_scaling": {"rope_type": "llama3"}`, `rope_scaling {"rope_type": "llama3"} is not supported, expected null`},
		{`"rope_scaling": null`, `"rope_parameters": {"rope_type": "yarn"}`,
			`rope_parameters: rope_type "yarn" is not supported, expected "default"`},
		{`"rope_scaling": null`, `"rope_parameters": 3`, "rope_parameters is 3, expected an object"},
		{`"head_dim": 64`, `"head_dim": 128`, "head_dim 128 with num_attention_heads 32 is not supported, expected a product of hidden_size 2048"},
		{`"num_key_value_heads": 4`, `"num_key_value_heads": 5`, "num_key_value_heads 5: expected a divisor of num_attention_heads 32"},
		{`"num_key_value_heads": 4`, `"num_key_value_heads": 0`, "num_key_value_heads 0: expected a divisor"},
		{`"intermediate_size": 5632,`, ``, "intermediate_size is missing: expected the config.json of a Llama"},
		{`"num_hidden_layers": 22`, `"num_hidden_layers": 0`, "num_hidden_layers 0: expected 1 to"},
		{`1e-05`, `0`, "rms_norm_eps 0"},
		{`20000.0`, `0`, "rope_theta 0"},
		{`"num_attention_heads": 32`, `"num_attention_heads": 0`, "num_attention_heads 0: expected 1 to"},
	} {
		text := strings.Replace(llamaText, c.old, c.new, 1)
		if text == llamaText {
			t.Fatalf("the text has no %s", c.old)
		}
		refuses(t, text, c.want)
	}
}

// refuses fails the test unless the text of a config.json is a data fault that names the file and says what is wanted.
func refuses(t *testing.T, text, want string) {
	t.Helper()
	_, err := ParseConfig([]byte(text), "run/config.json")
	if fault.ExitCode(err) != fault.ExitData || !strings.HasPrefix(err.Error(), "run/config.json: "+want) {
		t.Errorf("error %v, want a data fault that names the file and says %q", err, want)
	}
}

func TestUnsupportedOrBrokenConfigIsRefusedWithTheCause(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{`"gelu_new"`, `"relu"`, `activation_function "relu" is not supported, expected "gelu_new"`},
		{`"gelu_new"`, `["gelu_new"]`, `activation_function ["gelu_new"] is not supported`},
		{`"gpt2"`, `"mistral"`, `model_type "mistral" is not supported, expected "gpt2"`},
		{`"gpt2"`, `"llama"`, `max_position_embeddings is missing: expected the config.json of a Llama`},
		{`"model_type": "gpt2",`, ``, "model_type is missing"},
		{`"scale_attn_weights": true`, `"scale_attn_weights": false`, "scale_attn_weights false is not supported, expected true"},
		{`idx": false`, `idx": true`, "scale_attn_by_inverse_layer_idx true is not supported, expected false"},
		{`upcast_attn": false`, `upcast_attn": true`, "reorder_and_upcast_attn true is not supported"},
		{`cross_attention": false`, `cross_attention": true`, "add_cross_attention true is not supported"},
		{`"n_layer": 12,`, ``, "n_layer is missing"},
		{`"n_layer"`, `"N_LAYER"`, "n_layer is missing"},
		{`"n_layer": 12`, `"n_layer": null`, "n_layer is null, expected an integer"},
		{`"n_layer": 12`, `"n_layer": "12"`, `n_layer is "12", expected an integer`},
		{`"n_layer": 12`, `"n_layer": 1.5`, "n_layer is 1.5, expected an integer"},
		{`"n_layer": 12`, `"n_layer": 0`, "n_layer 0: expected 1 to"},
		{`"n_inner": null`, `"n_inner": -1`, "n_inner -1"},
		{`"n_inner": null`, `"n_inner": "x"`, `n_inner is "x", expected an integer or null`},
		{`"n_embd": 768`, `"n_embd": 9223372036854775807`, "n_embd 9223372036854775807"},
		{`"n_head": 12`, `"n_head": 7`, "n_head 7: expected a divisor of n_embd 768"},
		{`1e-05`, `0`, "layer_norm_epsilon 0"},
		{`1e-05`, `1e-60`, "layer_norm_epsilon 1e-60"}, // 0 in float32
		{`1e-05`, `1e999`, "layer_norm_epsilon is 1e999, expected a number"},
		{`"eos_token_id": 50256`, `"eos_token_id": 50257`, "eos_token_id 50257: outside of the vocabulary of 50257 tokens"},
		{`"use_cache": true`, `"position_embedding": "alibi"`, `position_embedding "alibi": expected "learned"`},
		{`"use_cache": true`, `"position_embedding": null`, "position_embedding is null, expected a string"},
		{`"use_cache": true`, `"position_embedding": "rotary", "rope_theta": 0`, "rope_theta 0"},
		{`"use_cache": true`, `"tie_word_embeddings": 1`, "tie_word_embeddings is 1, expected true or false"},
		{`"n_layer": 12,`, `"n_layer": 12,,`, "line 4 is not JSON"},
	} {
		text := strings.Replace(gpt2Text, c.old, c.new, 1)
		if text == gpt2Text {
			t.Fatalf("the text has no %s", c.old)
		}
		refuses(t, text, c.want)
	}
	for _, text := range []string{"", "null", "[]", "3", "{}", gpt2Text[:100]} {
		if _, err := ParseConfig([]byte(text), "config.json"); fault.ExitCode(err) != fault.ExitData {
			t.Errorf("%q: error %v, want a data fault", text, err)
		}
	}
}

func TestValidateRefusesImpossibleModels(t *testing.T) {
	for _, c := range []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) { c.VocabSize = 0 }, "vocab_size"},
		{func(c *Config) { c.Context = -1 }, "n_positions"},
		{func(c *Config) { c.Width = 1 << 30 }, "n_embd"},
		{func(c *Config) { c.Layers = 1 << 20 }, "n_layer"},
		{func(c *Config) { c.Heads = 0 }, "n_head"},
		{func(c *Config) { c.Heads = 5 }, "expected a divisor of n_embd"},
		{func(c *Config) { c.MLPWidth = math.MaxInt }, "n_inner"},
		{func(c *Config) { c.Architecture = "bert" }, `architecture "bert": expected "gpt2" or "llama"`},
		{func(c *Config) { c.KVHeads = 2 }, "num_key_value_heads 2: only a Llama"},
		{func(c *Config) { c.Architecture, c.KVHeads = Llama, 2 }, `position_embedding "learned": expected "rotary" in a Llama`},
		{func(c *Config) { c.Architecture, c.KVHeads = Llama, 3 }, "num_key_value_heads 3: expected a divisor of num_attention_heads 4"},
		{func(c *Config) { c.Epsilon = math.NaN() }, "layer_norm_epsilon"},
		{func(c *Config) { c.Positions = "" }, "position_embedding"},
		{func(c *Config) { c.Positions, c.Heads = Rotary, 64 }, "expected an even number"},
		{func(c *Config) { c.Positions, c.RopeTheta = Rotary, math.Inf(1) }, "rope_theta"},
		{func(c *Config) { c.PAD = 35 }, "pad_token_id"},
		{func(c *Config) { c.BOS = -2 }, "bos_token_id"},
	} {
		config := Calculator(35)
		c.change(&config)
		if err := config.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v, want one about %q", config, err, c.want)
		}
	}
}

// The largest sizes that are accepted must not overflow where they are multiplied.
func TestLargestModelCanBeCounted(t *testing.T) {
	gpt2 := Config{
		Architecture: GPT2, VocabSize: 1 << 24, Context: 1 << 24, Width: 1 << 17, Layers: 1 << 12, Heads: 1, MLPWidth: 1 << 20,
		Epsilon: 1e-5, Positions: Learned, BOS: NoToken, EOS: NoToken, PAD: NoToken,
	}
	llama := gpt2
	llama.Architecture, llama.KVHeads, llama.Positions, llama.RopeTheta = Llama, 1, Rotary, DefaultRopeTheta
	for _, c := range []Config{gpt2, llama} {
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		// 4 bytes of each weight, gradient and two moments.
		if n := c.NumParameters(); n < 0 || n > math.MaxInt/16 {
			t.Errorf("%s: %d weights", c.Architecture, n)
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(gpt2Text))
	f.Add([]byte(llamaText))
	for _, config := range variants() {
		f.Add(config.Marshal())
	}
	f.Add([]byte(fmt.Sprintf(`{"model_type": "gpt2", "n_embd": %d}`, math.MaxInt)))
	f.Fuzz(func(t *testing.T, text []byte) {
		config, err := ParseConfig(text, "config.json")
		if err != nil {
			if fault.ExitCode(err) != fault.ExitData {
				t.Fatalf("error %v is not a data fault", err)
			}
			return
		}
		if again, err := ParseConfig(config.Marshal(), "again"); err != nil || again != config {
			t.Fatalf("%+v came back as %+v, error %v", config, again, err)
		}
	})
}
