package model

import (
	"math"
	"testing"
)

// found runs FirstNonFinite on a batch of m and returns the name of the stage, "" for none.
func found(t *testing.T, m *Model) (stage string, backward bool) {
	t.Helper()
	e := newExecutor(t, m)
	f, err := e.FirstNonFinite(batchOf(mixedExamples(m.Config)...), 0.1)
	if err != nil {
		t.Fatal(err)
	}
	if f == nil {
		return "", false
	}
	return m.Stages[f.Stage].Name, f.Backward
}

func TestFiniteNumbersAreNotBlamed(t *testing.T) {
	for name, c := range kinds() {
		if stage, _ := found(t, newModel(t, c)); stage != "" {
			t.Errorf("%s: %q is blamed", name, stage)
		}
	}
}

func TestAWeightThatIsNotFiniteIsBlamedOnItsStage(t *testing.T) {
	for name, c := range kinds() {
		for i := range newModel(t, c).Parameters {
			for _, value := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
				m := newModel(t, c)
				p := &m.Parameters[i]
				p.Value[len(p.Value)-1] = float32(value)
				if stage, backward := found(t, m); stage != m.Stages[p.Stage].Name || backward {
					t.Errorf("%s: %g in %s is blamed on %q, backward %v", name, value, p.Name, stage, backward)
				}
			}
		}
	}
}

// A broken weight is a broken model, though this batch has no need of it.
func TestAWeightThatTheBatchDoesNotReadIsBlamedToo(t *testing.T) {
	m := newModel(t, kinds()["learned, tied false"])
	m.Parameter("transformer.wpe.weight").Value[8*m.Config.Width] = float32(math.NaN())
	b := batchOf(newExamples(m.Config, 8)...) // positions 0 to 7
	f, err := newExecutor(t, m).FirstNonFinite(b, 0.1)
	if err != nil {
		t.Fatal(err)
	}
	if f == nil || m.Stages[f.Stage].Name != "positions" || f.Backward {
		t.Errorf("found %+v, want the positions", f)
	}
}

func TestAnActivationThatOverflowsIsBlamedOnItsStage(t *testing.T) {
	for name, c := range kinds() {
		v := c.variant()
		for parameter, want := range map[string]string{
			v.layerName(0) + v.qkv + ".weight":    "attention 1",
			v.layerName(1) + v.qkv + ".weight":    "attention 2",
			v.layerName(0) + v.mlpIn + ".weight":  "mlp 1",
			v.layerName(1) + v.mlpOut + ".weight": "mlp 2",
			v.finalNorm + ".weight":               "output",
		} {
			m := newModel(t, c)
			for i := range m.Parameter(parameter).Value {
				m.Parameter(parameter).Value[i] = math.MaxFloat32
			}
			if stage, backward := found(t, m); stage != want || backward {
				t.Errorf("%s: huge %s is blamed on %q, backward %v, want %q", name, parameter, stage, backward, want)
			}
		}
	}
}

// The tied head reads the embeddings, but it is the output that fails.
func TestLogitsThatOverflowAreBlamedOnTheOutput(t *testing.T) {
	for name, c := range kinds() {
		m, v := newModel(t, c), c.variant()
		table, norm := v.head+".weight", v.finalNorm+".weight"
		if c.TiedHead {
			table = v.embedding + ".weight"
		}
		for _, huge := range []string{table, norm} {
			for i := range m.Parameter(huge).Value {
				m.Parameter(huge).Value[i] *= 1e18 // no square of it overflows
			}
		}
		for i := range m.Parameter(norm).Value {
			m.Parameter(norm).Value[i] *= 1e6
		}
		if stage, backward := found(t, m); stage != "output" || backward {
			t.Errorf("%s: logits that overflow are blamed on %q, backward %v", name, stage, backward)
		}
	}
}

func TestAGradientThatOverflowsIsBlamedOnItsStageInTheBackwardPass(t *testing.T) {
	for name, c := range kinds() {
		if c.TiedHead {
			continue // huge embeddings would overflow on the way forward
		}
		m := newModel(t, c)
		// Logits are of ordinary size; what flows back from them is multiplied by the huge head alone.
		norm := m.Parameter(c.variant().finalNorm + ".weight")
		for i := range norm.Value {
			norm.Value[i] = 1e-38
		}
		if bias := m.Parameter(c.variant().finalNorm + ".bias"); bias != nil {
			clear(bias.Value)
		}
		for i := range m.Parameter("lm_head.weight").Value {
			m.Parameter("lm_head.weight").Value[i] = float32(math.Copysign(3e38, float64(m.Parameter("lm_head.weight").Value[i])))
		}
		e := newExecutor(t, m)
		f, err := e.FirstNonFinite(batchOf(mixedExamples(c)...), 10)
		if err != nil {
			t.Fatal(err)
		}
		if f == nil || m.Stages[f.Stage].Name != "output" || !f.Backward {
			t.Errorf("%s: found %+v, want the backward pass of the output", name, f)
		}
	}
}
