package examples

import (
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
	if t.EOS() == tokenizer.NoToken {
		return Encoded{}, fault.Dataf("%s: the tokenizer has no token that ends a sequence, such as %s: train one that has",
			e.at(), tokenizer.EOSToken)
	}
	question, err := t.Encode(e.Question)
	if err != nil {
		return Encoded{}, fault.Dataf("%s: in the question: %w", e.at(), err)
	}
	// The space belongs to the answer: a question is encoded alone when a model is asked, and has to give the same ids.
	answer, err := t.Encode(" " + e.Answer)
	if err != nil {
		return Encoded{}, fault.Dataf("%s: in the answer: %w", e.at(), err)
	}
	ids := append(slices.Concat(question, answer), t.EOS())
	if slices.Index(ids, t.EOS()) < len(ids)-1 {
		return Encoded{}, fault.Dataf("%s: %s is in the text: remove it, every example is ended by one as it is", e.at(), t.Token(t.EOS()))
	}
	if positions := len(ids) - 1; positions > context {
		return Encoded{}, fault.Dataf("%s: the question of %d tokens and the answer of %d exceed the model's context of %d: "+
			"shorten the example or use a longer context", e.at(), len(question), len(answer), context)
	}
	return Encoded{IDs: ids, AnswerStart: len(question)}, nil
}

// EncodeAll encodes every example. The error, of class data, lists the bad lines.
func EncodeAll(t tokenizer.Tokenizer, examples []Example, context int) ([]Encoded, error) {
	var bad problems
	list := make([]Encoded, 0, len(examples))
	for _, e := range examples {
		encoded, err := Encode(t, e, context)
		if err != nil {
			bad.addf("%v", err)
			continue
		}
		list = append(list, encoded)
	}
	if err := bad.err(); err != nil {
		return nil, err
	}
	return list, nil
}
