package findings

import (
	"fmt"

	"trainer/internal/floor/api"
	"trainer/model"
)

// Lens is what the final norm and the head make of the residual stream ahead of the first block and behind each: from which layer on the answer
// is on top.
type Lens struct {
	Asked       int          `json:"asked"`       // first words of answers, or next tokens of a text
	Top         []api.Number `json:"top"`         // [layers+1] share of them that are the likeliest
	Probability []api.Number `json:"probability"` // [layers+1] of them, in the mean
	Right       *api.Number  `json:"right"`       // share of the answers that are right in full, to the last word; null of a text
}

// lensThreshold is the share of questions whose answer has to come out on top.
const lensThreshold = 0.5

func (l *lab) lens(f *Findings) error {
	if l.values == nil {
		f.skip("output", "there are no questions and no text to look at")
		return nil
	}
	var rows []int
	var targets []int32
	for i := range l.questions {
		q := &l.questions[i]
		rows, targets = append(rows, q.row+q.AnswerStart-1), append(targets, q.IDs[q.AnswerStart])
	}
	if l.passage != nil {
		for i := range l.passage[1:] {
			rows, targets = append(rows, i), append(targets, l.passage[i+1])
		}
	}
	c := l.Model.Config
	lens := &Lens{Asked: len(rows)}
	for _, name := range residuals(c) {
		var x []float32
		for _, row := range rows {
			x = append(x, l.rows(name, row, 1)...)
		}
		logits, err := l.executor.Unembed(x)
		if err != nil {
			return err
		}
		var top, sum api.Number
		for i, target := range targets {
			ranked, err := model.Rank(logits[i*c.VocabSize:][:c.VocabSize])
			if err != nil {
				return err
			}
			top += number(ranked[0].Token == target)
			sum += api.Number(probability(ranked, target))
		}
		lens.Top, lens.Probability = append(lens.Top, top/api.Number(len(rows))), append(lens.Probability, sum/api.Number(len(rows)))
	}
	f.Lens = lens
	if len(l.questions) == 0 {
		f.skip("answers", "the model continues texts, it answers no questions")
		return nil
	}
	whole := f.Operations.Whole
	lens.Right = &whole
	f.claim(lens.claim())
	return nil
}

// claim tells whether answers come out on top, and from where on.
func (l *Lens) claim() Claim {
	layers := len(l.Top) - 1
	from := layers
	for from > 0 && l.Top[from-1] >= 0.9*l.Top[layers] {
		from--
	}
	where := fmt.Sprintf("; nine tenths of that is reached behind layer %d", from)
	switch from {
	case layers:
		where = ", and not before"
	case 0:
		where = "; nine tenths of that is reached ahead of the first layer"
	}
	return Claim{
		ID: "output", Claim: "To each question, its answer comes out on top.",
		Measure: "Share of the questions whose answer the model gives, right to the last word.",
		Value:   *l.Right, Threshold: lensThreshold,
		Says: fmt.Sprintf("%s of %d answers are right in full. Their first word is on top in %s behind the last layer%s. Ahead of the first layer it is "+
			"in %s.", percent(*l.Right), l.Asked, percent(l.Top[layers]), where, percent(l.Top[0])),
	}
}
