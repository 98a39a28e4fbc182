package findings

import (
	"math"

	"trainer/internal/floor/api"
	"trainer/internal/ref"
	"trainer/model"
	"trainer/tokenizer"
)

// Prompt is a text in tokens, and what is right behind it.
type Prompt struct {
	Text   string
	IDs    []int32    // at least one, and no more than the context
	Target *api.Token // nil where that is not known
}

// Trace follows a prompt through the model of an executor: what every stage makes of it, what it predicts and answers, and with a target how
// wrong that is and which stage is to blame. The weights stay as they are. Errors are the device's.
func Trace(e *model.Executor, t tokenizer.Tokenizer, p *Prompt, step int) (*api.Trace, error) {
	m := e.Model()
	c := m.Config
	tr := &tracer{executor: e, tokenizer: t, config: c, prompt: p, last: len(p.IDs) - 1}
	if err := tr.run(); err != nil {
		return nil, err
	}
	trace := &api.Trace{
		Step: step, Text: p.Text, Target: p.Target, AnswerFrom: tr.last, Width: c.Width, AttentionFrom: max(0, len(p.IDs)-api.MaxRows),
		Embeddings: tr.pooled(model.TapEmbeddings), Residual: [][][]api.Number{tr.pooled(model.TapInput)},
	}
	for _, id := range p.IDs {
		trace.Tokens = append(trace.Tokens, api.Token{ID: id, Text: t.Token(id)})
	}
	if c.Positions != model.Rotary {
		trace.Positions = tr.pooled(model.TapPositions)
	}
	for l := range c.Layers {
		trace.Residual = append(trace.Residual, tr.pooled(model.TapResidual(l)))
		trace.Attention = append(trace.Attention, tr.attention(l, trace.AttentionFrom))
		trace.AttentionOut = append(trace.AttentionOut, tr.sizes(model.TapAttentionOut(l)))
		trace.MLP = append(trace.MLP, tr.sizes(model.TapMLPOut(l)))
	}
	tr.blame(trace)
	if err := tr.lens(trace); err != nil {
		return nil, err
	}
	return trace, tr.answer(trace)
}

// tracer is a prompt on its way.
type tracer struct {
	executor  *model.Executor
	tokenizer tokenizer.Tokenizer
	config    model.Config
	prompt    *Prompt
	last      int // row of the last token, which the answer is predicted from
	values    map[string]model.Tensor
}

// run computes all that a trace is made of.
func (t *tracer) run() error {
	m, c := t.executor.Model(), t.config
	names := []string{model.TapEmbeddings, model.TapInput}
	if c.Positions != model.Rotary {
		names = append(names, model.TapPositions)
	}
	for l := range c.Layers {
		names = append(names, model.TapQKV(l), model.TapAttentionOut(l), model.TapMLPOut(l), model.TapResidual(l))
	}
	targets := make([]int32, len(t.prompt.IDs))
	for i := range targets {
		targets[i] = -1
	}
	if t.prompt.Target != nil {
		targets[t.last] = t.prompt.Target.ID
		for i := range m.Parameters {
			names = append(names, model.GradientOf(m.Parameters[i].Name))
		}
	}
	var b model.Batch
	b.AddWhole(t.prompt.IDs, targets)
	list, err := t.executor.Trace(&b, 1, names...)
	if err != nil {
		return err
	}
	t.values = make(map[string]model.Tensor, len(list))
	for _, v := range list {
		t.values[v.Name] = v
	}
	return nil
}

// pooled returns the rows of a matrix [T, C], narrowed to at most api.MaxColumns columns.
func (t *tracer) pooled(name string) [][]api.Number {
	v := t.values[name]
	rows := make([][]api.Number, v.Shape[0])
	for i := range rows {
		rows[i] = api.Numbers(pool(v.Value[i*v.Shape[1]:][:v.Shape[1]], api.MaxColumns))
	}
	return rows
}

// pool divides a vector into at most n parts of one size, or nearly so, and returns the mean of each.
func pool(x []float32, n int) []float32 {
	if len(x) <= n {
		return x
	}
	means := make([]float32, n)
	for i := range means {
		part := x[i*len(x)/n : (i+1)*len(x)/n]
		var sum float64
		for _, v := range part {
			sum += float64(v)
		}
		means[i] = float32(sum / float64(len(part)))
	}
	return means
}

// sizes returns the root mean square of each row.
func (t *tracer) sizes(name string) []api.Number {
	v := t.values[name]
	list := make([]api.Number, v.Shape[0])
	for i := range list {
		row := v.Value[i*v.Shape[1]:][:v.Shape[1]]
		list[i] = api.Number(math.Sqrt(ref.SumSquares(row) / float64(len(row))))
	}
	return list
}

// attention returns the attention weights of a layer's heads, of the tokens from `first` on.
func (t *tracer) attention(layer, first int) [][][]api.Number {
	p := t.config.AttentionWeights(t.values[model.TapQKV(layer)].Value)
	rows := p.Shape[1]
	heads := make([][][]api.Number, p.Shape[0])
	for h := range heads {
		for i := first; i < rows; i++ {
			heads[h] = append(heads[h], api.Numbers(p.Value[(h*rows+i)*rows:][first:rows]))
		}
	}
	return heads
}

// blame divides the squared gradient of the loss on the target among the stages.
func (t *tracer) blame(trace *api.Trace) {
	if t.prompt.Target == nil {
		return
	}
	m := t.executor.Model()
	squares, all := make([]float64, len(m.Stages)), 0.0
	for i := range m.Parameters {
		p := &m.Parameters[i]
		s := ref.SumSquares(t.values[model.GradientOf(p.Name)].Value)
		squares[p.Stage] += s
		all += s
	}
	for i, s := range m.Stages {
		share := 0.0
		if all > 0 {
			share = squares[i] / all
		}
		trace.Blame = append(trace.Blame, api.Share{Stage: s.Name, Share: api.Number(share)})
	}
	norm := api.Number(math.Sqrt(all))
	trace.GradientNorm = &norm
}

// lens tells what the head makes of the last token's row of the residual stream, behind each layer. Behind the last one that is the prediction.
func (t *tracer) lens(trace *api.Trace) error {
	const best, top = 3, 5
	c := t.config
	var rows []float32
	for _, name := range residuals(c) {
		rows = append(rows, t.values[name].Value[t.last*c.Width:][:c.Width]...)
	}
	logits, err := t.executor.Unembed(rows)
	if err != nil {
		return err
	}
	for l := range c.Layers + 1 {
		scores := logits[l*c.VocabSize:][:c.VocabSize]
		ranked, err := model.Rank(scores)
		if err != nil {
			return err
		}
		layer := api.LensLayer{Top: t.words(ranked[:min(best, len(ranked))])}
		if target := t.prompt.Target; target != nil {
			p := api.Number(probability(ranked, target.ID))
			layer.TargetProbability = &p
			if l == c.Layers {
				nll := api.Number(-math.Log(float64(p)))
				trace.Probability, trace.Loss = &p, &nll
			}
		}
		trace.Lens = append(trace.Lens, layer)
		if l < c.Layers {
			continue
		}
		trace.Logits.Row = t.last
		for _, r := range ranked[:min(top, len(ranked))] {
			trace.Logits.Top = append(trace.Logits.Top, api.Logit{Token: api.Token{ID: r.Token, Text: t.tokenizer.Token(r.Token)},
				Logit: api.Number(scores[r.Token]), Probability: api.Number(r.Probability)})
		}
	}
	return nil
}

// residuals are the taps of the residual stream, ahead of the first block and behind each.
func residuals(c model.Config) []string {
	names := []string{model.TapInput}
	for l := range c.Layers {
		names = append(names, model.TapResidual(l))
	}
	return names
}

func probability(ranked []model.Candidate, token int32) float64 {
	for _, r := range ranked {
		if r.Token == token {
			return r.Probability
		}
	}
	return 0
}

func (t *tracer) words(list []model.Candidate) []api.AnswerWord {
	words := make([]api.AnswerWord, len(list))
	for i, c := range list {
		words[i] = api.AnswerWord{Text: t.tokenizer.Token(c.Token), Probability: api.Number(c.Probability)}
	}
	return words
}

// answer goes on with the likeliest tokens.
func (t *tracer) answer(trace *api.Trace) error {
	const most = 16
	choices, err := model.NewGenerator(t.executor).Generate([][]int32{t.prompt.IDs}, model.Sampling{TopP: 1, MaxTokens: most}, 0)
	if err != nil {
		return err
	}
	for _, c := range choices[0] {
		trace.Answer = append(trace.Answer, t.words([]model.Candidate{c.Candidate})...)
	}
	return nil
}
