package train

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// Sequence is an example as tokens: a question, its answer and the end token.
type Sequence struct {
	Tokens      []int32
	AnswerStart int    // index of the answer's first token in Tokens
	Operation   string // what accuracy is broken down by: "plus"
}

// Dataset is a list of sequences, with the targets of their tokens.
type Dataset struct {
	sequences []sequence
}

// sequence is what goes into a batch: inputs [n-1] and for each the next token. In answers the targets of the question are masked by -1.
type sequence struct {
	inputs, targets, answers []int32
	wanted                   int // targets in answers that are not masked: the answer and the end token
	operation                string
}

// NewDataset prepares sequences, each of at least two tokens with an answer behind a question.
func NewDataset(list []Sequence) *Dataset {
	d := &Dataset{sequences: make([]sequence, len(list))}
	for i, s := range list {
		last := len(s.Tokens) - 1
		q := sequence{inputs: s.Tokens[:last], targets: s.Tokens[1:], operation: s.Operation, wanted: len(s.Tokens) - s.AnswerStart}
		q.answers = make([]int32, last)
		for j := range q.answers {
			q.answers[j] = -1
			if j+1 >= s.AnswerStart {
				q.answers[j] = q.targets[j]
			}
		}
		d.sequences[i] = q
	}
	return d
}

// Len is the number of sequences.
func (d *Dataset) Len() int { return len(d.sequences) }

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
