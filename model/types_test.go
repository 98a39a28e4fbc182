package model

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"trainer/internal/half"
	"trainer/internal/safetensors"
)

func TestATiedHeadMayBeThereAsACopy(t *testing.T) {
	for _, kind := range []string{"learned, tied true", "llama, tied true"} {
		dir, m := t.TempDir(), newModel(t, kinds()[kind])
		save(t, m, dir)
		embedding := &m.Parameters[0]
		head := safetensors.New("lm_head.weight", embedding.Value, embedding.Shape...)
		write(t, filepath.Join(dir, WeightsFile), rewritten(t, m, unchanged, head))
		got, err := Load(dir)
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		sameBits(t, kind, got.Weights, m.Weights)
	}
}

func TestWeightsOfSixteenBitsComeBackRounded(t *testing.T) {
	for _, kind := range []string{"learned, tied true", "sinusoidal, tied false", "llama, tied false"} {
		for dtype, round := range map[safetensors.DType]func(float32) float32{
			safetensors.F16:  func(v float32) float32 { return half.FromF16(half.ToF16(v)) },
			safetensors.BF16: func(v float32) float32 { return half.FromBF16(half.ToBF16(v)) },
		} {
			dir, m := t.TempDir(), newModel(t, kinds()[kind])
			var weights bytes.Buffer
			if err := m.WriteWeightsAs(&weights, dtype); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, ConfigFile), m.Config.Marshal())
			write(t, filepath.Join(dir, WeightsFile), weights.Bytes())
			got, err := Load(dir)
			if err != nil {
				t.Fatalf("%s, %s: %v", kind, dtype, err)
			}
			for i, v := range m.Weights {
				if got.Weights[i] != round(v) {
					t.Fatalf("%s, %s: weight %d is %g, want %g rounded", kind, dtype, i, got.Weights[i], v)
				}
			}
		}
	}
}

func TestAWeightThatATypeCannotHoldIsNamed(t *testing.T) {
	m := newModel(t, kinds()["learned, tied false"])
	p := m.Parameter("transformer.ln_f.bias")
	p.Value[5] = -65520
	for dtype, want := range map[safetensors.DType]string{
		safetensors.F16: "element 5 of transformer.ln_f.bias is -65520: F16 cannot hold it: expected F32", safetensors.BF16: "", safetensors.F32: "",
	} {
		err := m.WriteWeightsAs(&bytes.Buffer{}, dtype)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", dtype, err, want)
		}
	}
}
