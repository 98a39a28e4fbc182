package examples

import (
	"fmt"
	"slices"

	"trainer/internal/fault"
	"trainer/tokenizer"
)

// Encoded is an example as token ids: question, answer, end of sequence.
type Encoded struct {
	IDs         []int32
	AnswerStart int // index in IDs of the answer's first token
}

// Encode returns the ids of an example for a model that sees context tokens. The model reads all ids but the last, which
// is only predicted, so len(IDs) is at most context+1. The error, of class data, names the example's line.
func Encode(t tokenizer.Tokenizer, e Example, context int) (Encoded, error) {
	encoded, err := encode(t, e, context)
	if err != nil {
		return Encoded{}, fault.Dataf("%s: %w", e.at(), err)
	}
	return encoded, nil
}

// EncodeAll encodes every example. The error, of class data, lists the bad lines.
func EncodeAll(t tokenizer.Tokenizer, examples []Example, context int) ([]Encoded, error) {
	var bad problems
	list := make([]Encoded, 0, len(examples))
	for _, e := range examples {
		encoded, err := encode(t, e, context)
		if err != nil {
			bad.addf("%s: %v", e.at(), err)
			continue
		}
		list = append(list, encoded)
	}
	if err := bad.err(); err != nil {
		return nil, err
	}
	return list, nil
}

func encode(t tokenizer.Tokenizer, e Example, context int) (Encoded, error) {
	question, err := t.Encode(e.Question)
	if err != nil {
		return Encoded{}, fmt.Errorf("in the question: %w", err)
	}
	// The space belongs to the answer: a question is encoded alone when a model is asked, and has to give the same ids.
	answer, err := t.Encode(" " + e.Answer)
	if err != nil {
		return Encoded{}, fmt.Errorf("in the answer: %w", err)
	}
	ids := append(slices.Concat(question, answer), t.EOS())
	if at := slices.Index(ids, t.EOS()); at < len(ids)-1 {
		return Encoded{}, fmt.Errorf("%s is in the text: remove it, every example is ended by one as it is", t.Token(t.EOS()))
	}
	if positions := len(ids) - 1; positions > context {
		return Encoded{}, fmt.Errorf("question and answer are %d + %d tokens long, %d in all, but the context of the model is %d: "+
			"shorten the example or use a longer context", len(question), len(answer), positions, context)
	}
	return Encoded{IDs: ids, AnswerStart: len(question)}, nil
}
