package export

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"

	"trainer/internal/fault"
	"trainer/internal/gguf"
	"trainer/model"
	"trainer/tokenizer"
)

// small is a GPT-2 of random weights for the tokenizer.
func small(t *testing.T, of tokenizer.Tokenizer, change func(*model.Config)) *model.Model {
	t.Helper()
	c := model.Calculator(of.VocabSize())
	c.Context, c.Width, c.Heads, c.Layers, c.MLPWidth, c.EOS = 9, 32, 2, 2, 48, int(of.EOS())
	if change != nil {
		change(&c)
	}
	m, err := model.New(c, 1)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// exported is the file, read back.
func exported(t *testing.T, m *model.Model, of tokenizer.Tokenizer, kind string) *gguf.File {
	t.Helper()
	c, err := GGUF(m, of, "small", kind)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := c.Write(&b); err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Parse(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func read(t *testing.T, f *gguf.File, name string) ([]float32, gguf.Info) {
	t.Helper()
	values, info, err := f.Read(name)
	if err != nil {
		t.Fatal(err)
	}
	return values, info
}

func TestEveryWeightIsInTheFileUnderLlamaCppsName(t *testing.T) {
	for _, tied := range []bool{true, false} {
		for _, positions := range []model.Positions{model.Learned, model.Sinusoidal} {
			m := small(t, tokenizer.NewBytes(), func(c *model.Config) { c.TiedHead, c.Positions = tied, positions })
			f := exported(t, m, tokenizer.NewBytes(), "f32")
			want := []string{"token_embd.weight", "position_embd.weight", "output_norm.weight", "output_norm.bias"}
			if !tied {
				want = append(want, "output.weight")
			}
			for _, block := range []string{"blk.0.", "blk.1."} {
				for _, module := range []string{"attn_norm", "attn_qkv", "attn_output", "ffn_norm", "ffn_up", "ffn_down"} {
					want = append(want, block+module+".weight", block+module+".bias")
				}
			}
			var got []string
			for _, info := range f.Tensors {
				got = append(got, info.Name)
			}
			slices.Sort(want)
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("tied %v, %s: tensors\n%q, want\n%q", tied, positions, got, want)
			}
			at := slices.IndexFunc(m.Tensors(), func(w model.Tensor) bool { return w.Name == "transformer.wpe.weight" })
			table := m.Tensors()[at].Value
			if got, _ := read(t, f, "position_embd.weight"); !slices.Equal(got, table) {
				t.Errorf("tied %v, %s: the positions differ", tied, positions)
			}
		}
	}
}

// GPT-2's linear layers are [in, out] in transformers, and [out, in] there.
func TestLinearLayersAreTransposed(t *testing.T) {
	m := small(t, tokenizer.NewBytes(), nil)
	f := exported(t, m, tokenizer.NewBytes(), "f32")
	for ours, theirs := range map[string]string{
		"transformer.h.1.attn.c_attn.weight": "blk.1.attn_qkv.weight", "transformer.h.0.attn.c_proj.weight": "blk.0.attn_output.weight",
		"transformer.h.1.mlp.c_fc.weight": "blk.1.ffn_up.weight", "transformer.h.0.mlp.c_proj.weight": "blk.0.ffn_down.weight",
	} {
		p := m.Parameter(ours)
		got, info := read(t, f, theirs)
		in, out := p.Shape[0], p.Shape[1]
		if !slices.Equal(info.Shape, []int{out, in}) {
			t.Errorf("%s has shape %v, want [%d %d]", theirs, info.Shape, out, in)
			continue
		}
		for i := range in {
			for j := range out {
				if got[j*in+i] != p.Value[i*out+j] {
					t.Fatalf("%s: output %d, input %d is %g, want %g", theirs, j, i, got[j*in+i], p.Value[i*out+j])
				}
			}
		}
	}
	if got, _ := read(t, f, "token_embd.weight"); !slices.Equal(got, m.Parameter("transformer.wte.weight").Value) {
		t.Error("the token embeddings differ")
	}
}

// asLlama makes a configuration that of a Llama in which two heads of queries share one of keys and values.
func asLlama(c *model.Config) {
	c.Architecture, c.Positions, c.RopeTheta, c.Heads, c.KVHeads = model.Llama, model.Rotary, 500, 4, 2
}

func TestALlamaIsInTheFileWithItsQueriesAndKeysInterleaved(t *testing.T) {
	m := small(t, tokenizer.NewBytes(), asLlama)
	f := exported(t, m, tokenizer.NewBytes(), "f32")
	weights := make(map[string]model.Tensor)
	for _, w := range m.Tensors() {
		weights[w.Name] = w
	}
	if len(f.Tensors) != len(weights) {
		t.Errorf("%d tensors, want %d", len(f.Tensors), len(weights))
	}
	for theirs, ours := range map[string]string{
		"token_embd.weight": "model.embed_tokens.weight", "output.weight": "lm_head.weight", "output_norm.weight": "model.norm.weight",
		"blk.1.attn_norm.weight": "model.layers.1.input_layernorm.weight", "blk.1.attn_v.weight": "model.layers.1.self_attn.v_proj.weight",
		"blk.0.attn_output.weight": "model.layers.0.self_attn.o_proj.weight", "blk.0.ffn_norm.weight": "model.layers.0.post_attention_layernorm.weight",
		"blk.1.ffn_gate.weight": "model.layers.1.mlp.gate_proj.weight", "blk.1.ffn_up.weight": "model.layers.1.mlp.up_proj.weight",
		"blk.0.ffn_down.weight": "model.layers.0.mlp.down_proj.weight",
	} {
		if got, info := read(t, f, theirs); !slices.Equal(got, weights[ours].Value) || !slices.Equal(info.Shape, weights[ours].Shape) {
			t.Errorf("%s, of shape %v, is not %s", theirs, info.Shape, ours)
		}
	}
	// Heads of 8: here dimension 0 is turned with 4, 1 with 5; there 0 with 1, 2 with 3.
	for theirs, ours := range map[string]string{
		"blk.1.attn_q.weight": "model.layers.1.self_attn.q_proj.weight", "blk.0.attn_k.weight": "model.layers.0.self_attn.k_proj.weight",
	} {
		got, _ := read(t, f, theirs)
		want := weights[ours].Value
		for there, here := range map[int]int{0: 0, 1: 4, 2: 1, 3: 5, 7: 7, 8: 8, 9: 12, 15: 15} {
			if !slices.Equal(got[there*32:(there+1)*32], want[here*32:(here+1)*32]) {
				t.Errorf("row %d of %s is not row %d of %s", there, theirs, here, ours)
			}
		}
	}
	for key, want := range map[string]any{
		"general.architecture": "llama", "llama.context_length": uint32(9), "llama.embedding_length": uint32(32), "llama.block_count": uint32(2),
		"llama.feed_forward_length": uint32(48), "llama.attention.head_count": uint32(4), "llama.attention.head_count_kv": uint32(2),
		"llama.attention.layer_norm_rms_epsilon": float32(1e-5), "llama.rope.dimension_count": uint32(8), "llama.rope.freq_base": float32(500),
	} {
		if got := f.Value(key); got != want {
			t.Errorf("%s is %v, want %v", key, got, want)
		}
	}
}

func TestMetadataDescribesTheModel(t *testing.T) {
	m := small(t, tokenizer.NewBytes(), func(c *model.Config) { c.PAD, c.Epsilon = 256, 1e-6 })
	for kind, number := range map[string]uint32{"f32": 0, "f16": 1, "q8_0": 7, "bf16": 32} {
		f := exported(t, m, tokenizer.NewBytes(), kind)
		for key, want := range map[string]any{
			"general.architecture": "gpt2", "general.name": "small", "general.file_type": number,
			"gpt2.context_length": uint32(9), "gpt2.embedding_length": uint32(32), "gpt2.block_count": uint32(2),
			"gpt2.feed_forward_length": uint32(48), "gpt2.attention.head_count": uint32(2), "gpt2.attention.layer_norm_epsilon": float32(1e-6),
			"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "gpt-2", "tokenizer.ggml.eos_token_id": uint32(257),
			"tokenizer.ggml.bos_token_id": uint32(257), "tokenizer.ggml.padding_token_id": uint32(256), "tokenizer.ggml.add_bos_token": false,
		} {
			if got := f.Value(key); got != want {
				t.Errorf("%s: %s is %v, want %v", kind, key, got, want)
			}
		}
	}
}

func TestMatricesHaveTheTypeAndVectorsStayFloat32(t *testing.T) {
	m := small(t, tokenizer.NewBytes(), nil) // the MLP's 48 are no multiple of 32
	for kind, want := range map[string]map[string]gguf.Type{
		"f16":  {"token_embd.weight": gguf.F16, "blk.0.attn_qkv.weight": gguf.F16, "blk.0.ffn_down.weight": gguf.F16},
		"bf16": {"token_embd.weight": gguf.BF16, "blk.0.attn_qkv.weight": gguf.BF16, "blk.0.ffn_down.weight": gguf.BF16},
		"q8_0": {"token_embd.weight": gguf.Q80, "blk.0.attn_qkv.weight": gguf.Q80, "blk.0.ffn_down.weight": gguf.F16},
	} {
		f := exported(t, m, tokenizer.NewBytes(), kind)
		want["position_embd.weight"], want["blk.0.attn_qkv.bias"], want["output_norm.weight"] = gguf.F32, gguf.F32, gguf.F32
		for name, kindWant := range want {
			if _, info := read(t, f, name); info.Type != kindWant {
				t.Errorf("-type %s: %s is of type %v, want %v", kind, name, info.Type, kindWant)
			}
		}
	}
}

func TestATokenizerWithoutAnEndGetsOneThatIsNeverTheLikeliest(t *testing.T) {
	letters, err := tokenizer.BuildChar("hello, Welt: äöü€")
	if err != nil {
		t.Fatal(err)
	}
	for _, tied := range []bool{true, false} {
		m := small(t, letters, func(c *model.Config) { c.TiedHead = tied })
		f := exported(t, m, letters, "f32")
		n := letters.VocabSize()
		tokens := f.Value("tokenizer.ggml.tokens").([]string)
		if len(tokens) != n+1 || tokens[n] != "<eos>" || f.Value("tokenizer.ggml.eos_token_id") != uint32(n) {
			t.Errorf("tied %v: tokens %q end with %v", tied, tokens, f.Value("tokenizer.ggml.eos_token_id"))
		}
		names := []string{"token_embd.weight"}
		if !tied {
			names = append(names, "output.weight")
		}
		for _, name := range names {
			rows, info := read(t, f, name)
			if info.Shape[0] != n+1 {
				t.Fatalf("tied %v: %s has shape %v, want %d rows", tied, name, info.Shape, n+1)
			}
			for j := range 32 {
				mean := 0.0
				for i := range n {
					mean += float64(rows[i*32+j]) / float64(n)
				}
				if off := math.Abs(float64(rows[n*32+j]) - mean); off > 1e-7 {
					t.Fatalf("tied %v: %s: column %d of the end is off its mean by %g", tied, name, j, off)
				}
			}
		}
	}
}

func TestWhatLlamaCppDoesNotHaveIsRefused(t *testing.T) {
	words, err := tokenizer.NewWord([]string{"one", "two"})
	if err != nil {
		t.Fatal(err)
	}
	bytes := tokenizer.NewBytes()
	rotary := small(t, bytes, func(c *model.Config) { c.Positions = model.Rotary })
	for _, c := range []struct {
		model *model.Model
		of    tokenizer.Tokenizer
		kind  string
		code  int
		want  string
	}{
		{small(t, words, nil), words, "f32", fault.ExitData, "its tokenizer is of a kind that llama.cpp does not have"},
		{rotary, bytes, "f32", fault.ExitData, "its GPT-2 has no rotary positions"},
		{small(t, bytes, nil), bytes, "q4", fault.ExitUsage, `-type "q4": expected f32, f16, bf16, q8_0`},
	} {
		if _, err := GGUF(c.model, c.of, "small", c.kind); fault.ExitCode(err) != c.code || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want one of class %d that says %q", err, c.code, c.want)
		}
	}
}
