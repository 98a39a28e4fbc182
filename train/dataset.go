package train

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"trainer/tokenizer"
	"trainer/train/examples"
)

// Dataset is a list of examples as token sequences, with the targets of their tokens.
type Dataset struct {
	Examples  []examples.Example
	sequences []sequence
}

// sequence is what goes into a batch: inputs and for each the next token. In answers the targets inside the question are masked by -1.
type sequence struct {
	inputs, targets, answers []int32
	wanted                   int // targets in answers that are not masked: the answer and the end token
}

// NewDataset encodes examples for a model that sees context tokens. The error, of class data, names the lines that do not encode.
func NewDataset(t tokenizer.Tokenizer, list []examples.Example, context int) (*Dataset, error) {
	encoded, err := examples.EncodeAll(t, list, context)
	if err != nil {
		return nil, err
	}
	d := &Dataset{Examples: list, sequences: make([]sequence, len(list))}
	for i, e := range encoded {
		last := len(e.IDs) - 1
		s := sequence{inputs: e.IDs[:last], targets: e.IDs[1:], answers: make([]int32, last), wanted: len(e.IDs) - e.AnswerStart}
		for j := range s.answers {
			s.answers[j] = -1
		}
		copy(s.answers[e.AnswerStart-1:], s.targets[e.AnswerStart-1:])
		d.sequences[i] = s
	}
	return d, nil
}

// Len is the number of examples.
func (d *Dataset) Len() int { return len(d.Examples) }

// Sequence returns the tokens of example i that the model reads, and for each the right next token, -1 inside the question.
func (d *Dataset) Sequence(i int) (inputs, answers []int32) {
	return d.sequences[i].inputs, d.sequences[i].answers
}

// Tokens is the number of tokens that the model reads in one pass over the data.
func (d *Dataset) Tokens() int {
	n := 0
	for _, s := range d.sequences {
		n += len(s.inputs)
	}
	return n
}

// fingerprint is a hash of all tokens, by which a resumed run knows its data again.
func (d *Dataset) fingerprint() string {
	h := sha256.New()
	var buffer []byte
	for _, s := range d.sequences {
		buffer = binary.LittleEndian.AppendUint32(buffer[:0], uint32(len(s.inputs)))
		for i, token := range s.inputs {
			buffer = binary.LittleEndian.AppendUint32(buffer, uint32(token))
			buffer = binary.LittleEndian.AppendUint32(buffer, uint32(s.answers[i]))
		}
		h.Write(buffer)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
