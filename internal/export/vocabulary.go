package export

import (
	"trainer/internal/gguf"
	"trainer/model"
	"trainer/tokenizer"
)

// Kinds of tokens, as llama.cpp numbers them.
const (
	normalToken      int32 = 1
	controlToken     int32 = 3 // special: it is not part of the text that comes out
	userDefinedToken int32 = 4 // cut out of a text before anything else
)

// vocabulary is a tokenizer as llama.cpp has it.
type vocabulary struct {
	metadata []gguf.Entry
	addedEnd bool // the last token is not one of the model's
}

// newVocabulary describes a tokenizer as llama.cpp's kind "gpt2", byte-level BPE whose words are those of GPT-2. A beginning or an end is added to
// no prompt, as it is here.
//
// llama.cpp takes token 11 for the end of a text where the file names none. A vocabulary without an end token therefore gets one.
func newVocabulary(t tokenizer.Tokenizer, c model.Config) (*vocabulary, error) {
	tables, err := tokenizer.TablesOf(t)
	if err != nil {
		return nil, cannot("its tokenizer is of a kind that llama.cpp does not have, %v: expected a model of text, with a tokenizer of characters, "+
			"of bytes, or a byte-level BPE, such as cmd/train -data book.txt -tokenizer bpe:4096 makes", err)
	}
	kinds := make([]int32, len(tables.Tokens))
	for id := range kinds {
		switch {
		case tables.Special[id]:
			kinds[id] = controlToken
		case tables.Added[id]:
			kinds[id] = userDefinedToken
		default:
			kinds[id] = normalToken
		}
	}
	v := &vocabulary{}
	tokens, end := tables.Tokens, c.EOS
	if end == model.NoToken {
		v.addedEnd, end = true, len(tokens)
		tokens, kinds = append(tokens, tokenizer.EOSToken), append(kinds, controlToken)
	}
	begin := c.BOS
	if begin == model.NoToken {
		begin = end // as GPT-2 has it
	}
	const of = "tokenizer.ggml."
	v.metadata = []gguf.Entry{
		{Key: of + "model", Value: "gpt2"}, {Key: of + "pre", Value: "gpt-2"},
		{Key: of + "tokens", Value: tokens}, {Key: of + "token_type", Value: kinds}, {Key: of + "merges", Value: tables.Merges},
		{Key: of + "bos_token_id", Value: uint32(begin)}, {Key: of + "eos_token_id", Value: uint32(end)},
		{Key: of + "add_bos_token", Value: false}, {Key: of + "add_eos_token", Value: false}, {Key: of + "add_space_prefix", Value: false},
	}
	if c.PAD != model.NoToken {
		v.metadata = append(v.metadata, gguf.Entry{Key: of + "padding_token_id", Value: uint32(c.PAD)})
	}
	return v, nil
}

// withMeanRow returns a matrix [n, length] with one more row, the mean of the others. As the weights of an output, its logit is the mean of all
// logits: never more than the largest of them, and for a trained model far below.
func withMeanRow(value []float32, length int) []float32 {
	sums := make([]float64, length)
	for i, v := range value {
		sums[i%length] += float64(v)
	}
	longer := append(make([]float32, 0, len(value)+length), value...)
	for _, sum := range sums {
		longer = append(longer, float32(sum/float64(len(value)/length)))
	}
	return longer
}
