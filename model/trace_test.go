package model

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"trainer/internal/fault"
	"trainer/internal/ref"
)

// trace computes a batch and returns its values by name.
func trace(t testing.TB, e *Executor, b *Batch, weight float32, names ...string) map[string]Tensor {
	t.Helper()
	list, err := e.Trace(b, weight, names...)
	if err != nil {
		t.Fatal(err)
	}
	values := make(map[string]Tensor)
	for _, v := range list {
		values[v.Name] = v
	}
	return values
}

// whole is a batch with a prediction of every token.
func whole(list ...example) *Batch {
	b := &Batch{}
	for _, e := range list {
		b.AddWhole(e.tokens, e.targets)
	}
	return b
}

func TestTracedValuesAreThoseOfARunAndLeaveItAsItIs(t *testing.T) {
	for name, c := range kinds() {
		m := newModel(t, c)
		e := newExecutor(t, m)
		b := batchOf(newExamples(c, 7, 9, 1)...)
		weight := 1 / float32(b.Predictions())
		want, weights := run(t, e, b, Train, weight), slices.Clone(m.Weights)
		logits := run(t, e, b, Predict, 0).Logits

		names := m.Taps()
		for _, n := range m.Taps() {
			if n != "hits" && (n != TapPositions || c.Positions == Learned) {
				names = append(names, GradientOf(n))
			}
		}
		for i := range m.Parameters {
			names = append(names, m.Parameters[i].Name, GradientOf(m.Parameters[i].Name))
		}
		got := trace(t, e, b, weight, names...)
		sameBits(t, name+": logits", got[TapLogits].Value, logits)
		sameBits(t, name+": nll", got["nll"].Value, want.NLL)
		sameBits(t, name+": hits", got["hits"].Value, want.Hits)
		sameBits(t, name+": loss", got[TapLoss].Value, []float32{want.Loss})
		sameBits(t, name+": gradient of loss", got[GradientOf(TapLoss)].Value, []float32{1})
		for i := range m.Parameters {
			p := &m.Parameters[i]
			sameBits(t, name+": "+p.Name, got[p.Name].Value, p.Value)
			near(t, name+": gradient of "+p.Name, got[GradientOf(p.Name)].Value, want.Gradients[p.Begin:p.Begin+p.Size()], rounding)
		}
		for _, v := range got {
			size := 1
			for _, n := range v.Shape {
				size *= n
			}
			if size != len(v.Value) {
				t.Errorf("%s: %s has shape %v and %d numbers", name, v.Name, v.Shape, len(v.Value))
			}
		}
		if again := run(t, e, b, Train, weight); !slices.Equal(again.Gradients, want.Gradients) {
			t.Errorf("%s: a step behind the trace computes other gradients", name)
		}
		sameBits(t, name+": weights behind the trace", m.Weights, weights)
	}
}

func TestTheResidualStreamIsTheSumOfWhatIsAddedToIt(t *testing.T) {
	for name, c := range kinds() {
		m := newModel(t, c)
		b := whole(newExamples(c, 6, 8)...)
		got := trace(t, newExecutor(t, m), b, 1, m.Taps()...)
		x := slices.Clone(got[TapEmbeddings].Value)
		add := func(tap string) { ref.Add(x, x, got[tap].Value) }
		if c.Positions != Rotary {
			add(TapPositions)
		}
		near(t, name+": input", got[TapInput].Value, x, rounding)
		for l := range c.Layers {
			add(TapAttentionOut(l))
			near(t, name+": between the branches", got[blockTap(l)+"attention/residual"].Value, x, rounding)
			add(TapMLPOut(l))
			near(t, name+": "+TapResidual(l), got[TapResidual(l)].Value, x, rounding)
		}
	}
}

// What the heads have read is the values weighed by AttentionWeights, in each sequence on its own.
func TestAttentionWeightsAreThoseByWhichHeadsRead(t *testing.T) {
	for name, c := range kinds() {
		m := newModel(t, c)
		lengths := []int{6, 8}
		got := trace(t, newExecutor(t, m), whole(newExamples(c, lengths...)...), 1, m.Taps()...)
		width, d := c.QKVWidth(), c.HeadDim()
		first := 0
		for _, n := range lengths {
			qkv := got[TapQKV(1)].Value[first*width : (first+n)*width]
			p := c.AttentionWeights(qkv)
			var want []float32
			for i := range n {
				for h := range c.Heads {
					weights, value := p.Value[(h*n+i)*n:][:n], c.Heads+c.keyHeads()+h/(c.Heads/c.keyHeads())
					for j := range d {
						var sum float64
						for k, w := range weights {
							sum += float64(w) * float64(qkv[k*width+value*d+j])
						}
						want = append(want, float32(sum))
					}
					if slices.ContainsFunc(weights[i+1:], func(w float32) bool { return w != 0 }) {
						t.Errorf("%s: token %d looks ahead", name, i)
					}
				}
			}
			near(t, name+": heads", got[blockTap(1)+"attention/heads"].Value[first*c.Width:(first+n)*c.Width], want, rounding)
			first += n
		}
	}
}

// The gradient by the residual stream is the slope of the loss, which is computed here from the logits that Unembed makes of it.
func TestGradientOfTheResidualStreamMatchesFiniteDifferences(t *testing.T) {
	for name, c := range kinds() {
		m := newModel(t, c)
		e := newExecutor(t, m)
		examples := newExamples(c, 7)
		b := whole(examples...)
		last := TapResidual(c.Layers - 1)
		got := trace(t, e, b, 1, last, GradientOf(last), TapLogits)
		x := got[last].Value
		logits, err := e.Unembed(x)
		if err != nil {
			t.Fatal(err)
		}
		near(t, name+": logits of the last residual stream", logits, got[TapLogits].Value, rounding)

		loss := func() (sum float64) {
			logits, err := e.Unembed(x)
			if err != nil {
				t.Fatal(err)
			}
			wide := make([]float64, len(logits))
			for i, v := range logits {
				wide[i] = float64(v)
			}
			n := len(examples[0].targets)
			nll, lse, hit := make([]float64, n), make([]float64, n), make([]float64, n)
			ref.CrossEntropy(nll, lse, hit, wide, examples[0].targets, c.VocabSize)
			for _, v := range nll {
				sum += v
			}
			return sum
		}
		matchesDifferences(t, name+": "+last, x, got[GradientOf(last)].Value, loss)
	}
}

// A bias is added to every row of what its layer computes: the gradient by that layer, summed over the rows, is the slope of the loss by it.
func TestGradientsOfActivationsMatchFiniteDifferencesOfBiases(t *testing.T) {
	c := kinds()["learned, tied false"]
	m := newModel(t, c)
	e := newExecutor(t, m)
	b := whole(newExamples(c, 7, 5)...)
	for tap, bias := range map[string]string{
		TapQKV(0): "transformer.h.0.attn.c_attn.bias", TapAttentionOut(0): "transformer.h.0.attn.c_proj.bias",
		blockTap(0) + "attention/norm": "transformer.h.0.ln_1.bias", blockTap(1) + "mlp/in": "transformer.h.1.mlp.c_fc.bias",
		TapMLPOut(1): "transformer.h.1.mlp.c_proj.bias", "norm": "transformer.ln_f.bias",
	} {
		g := trace(t, e, b, 1, GradientOf(tap))[GradientOf(tap)]
		sums := make([]float32, g.Shape[1])
		ref.SumRows(sums, g.Value, g.Shape[0], g.Shape[1])
		loss := func() float64 { return float64(trace(t, e, b, 1, TapLoss)[TapLoss].Value[0]) }
		matchesDifferences(t, tap, m.Parameter(bias).Value, sums, loss)
	}
}

// matchesDifferences compares some elements of a gradient by x with central differences of the loss.
func matchesDifferences(t testing.TB, what string, x, gradient []float32, loss func() float64) {
	t.Helper()
	const h = 1.0 / 64 // the loss is in float32, of which a difference over less has few digits
	var largest float64
	for _, g := range gradient {
		largest = max(largest, math.Abs(float64(g)))
	}
	random := rand.New(rand.NewPCG(5, 6))
	for range 5 {
		i := random.IntN(len(x))
		at := x[i]
		x[i] = at + h
		above := loss()
		x[i] = at - h
		below := loss()
		x[i] = at
		if want, got := (above-below)/(2*h), float64(gradient[i]); math.Abs(got-want) > 0.01*largest {
			t.Errorf("%s: the gradient by element %d is %g, differences give %g", what, i, got, want)
		}
	}
}

func TestAnUnknownNameIsRefusedWithThoseThatAreNear(t *testing.T) {
	c := kinds()["learned, tied false"]
	e := newExecutor(t, newModel(t, c))
	b := whole(newExamples(c, 3)...)
	for name, want := range map[string]string{
		"embedings": `"embeddings"`, "block 3/residual": `"block 1/residual"`, "qkv": `"block 1/attention/qkv" or "block 2/attention/qkv"`,
		"gradient of logit": `"logits"`, "": "Model.Taps", "gradient of hits": "no weight",
		"transformer.h.0.attn.c_attn.biases": `"transformer.h.0.attn.c_attn.bias"`,
	} {
		_, err := e.Trace(b, 1, "input", name)
		if fault.ExitCode(err) != fault.ExitUsage || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want an error of class usage with %s", name, err, want)
		}
	}
}

func TestASilencedHeadReadsNothingUntilItIsRestored(t *testing.T) {
	for name, c := range kinds() {
		m := newModel(t, c)
		e := newExecutor(t, m)
		b := whole(newExamples(c, 7)...)
		weights := slices.Clone(m.Weights)
		taps := []string{blockTap(0) + "attention/heads", TapAttentionOut(0)}
		before := trace(t, e, b, 1, taps...)
		restore := m.SilenceHead(0, 1)
		after := trace(t, e, b, 1, taps...)
		sameBits(t, name+": heads", after[taps[0]].Value, before[taps[0]].Value)

		// What is missing is what the projection makes of the head alone.
		heads, d := before[taps[0]], c.HeadDim()
		for i := range heads.Value {
			if head := i % c.Width / d; head != 1 {
				heads.Value[i] = 0
			}
		}
		restore()
		sameBits(t, name+": weights", m.Weights, weights)
		projection := m.Parameter(c.variant().layerName(0) + c.variant().attentionOut + ".weight")
		part := make([]float32, len(before[taps[1]].Value))
		ref.MatMul(part, heads.Value, projection.Value, nil, heads.Shape[0], c.Width, c.Width, false, c.variant().transposed)
		ref.Add(part, part, after[taps[1]].Value)
		near(t, name+": out", part, before[taps[1]].Value, rounding)
	}
}
