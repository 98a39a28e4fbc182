package train

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"

	"trainer/tokenizer"
	"trainer/train/examples"
)

// Dataset is a list of examples as token sequences, with the targets of their tokens. The place of an example is its index.
type Dataset struct {
	Examples  []examples.Example
	sequences []sequence
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
		s := sequence{inputs: e.IDs[:last], targets: e.IDs[1:], answers: make([]int32, last), wanted: len(e.IDs) - e.AnswerStart, question: e.AnswerStart}
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

func (d *Dataset) place(i int) int                   { return i }
func (d *Dataset) sequence(at int, _ *room) sequence { return d.sequences[at] }
func (d *Dataset) length(at int) int                 { return len(d.sequences[at].inputs) }

func (d *Dataset) wanted(at int, all bool) int {
	if s := &d.sequences[at]; !all {
		return s.wanted
	}
	return d.length(at)
}

// deal shuffles a deck that holds each example as often as its operation is to be repeated.
func (d *Dataset) deal(o *Options) (size int, deal func(epoch int) func(i int) int) {
	var deck []int32
	for i := range d.Examples {
		for range max(1, o.Repeats[d.Examples[i].Operation]) {
			deck = append(deck, int32(i))
		}
	}
	order := make([]int32, len(deck))
	return len(deck), func(epoch int) func(i int) int {
		copy(order, deck)
		random := rand.New(rand.NewPCG(o.Seed, uint64(epoch)+1)) // stream 0 of the seed made the weights
		random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		return func(i int) int { return int(order[i]) }
	}
}

// right counts an answer as right when every token of it is.
func (d *Dataset) right(hits []float32) (right, of int) {
	for _, h := range hits {
		if h == 0 {
			return 0, 1
		}
	}
	return 1, 1
}

func (d *Dataset) question(at int, _ sequence, _ tokenizer.Tokenizer) string {
	return d.Examples[at].Question
}

// fingerprint is a hash of all tokens.
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
