package tokenizer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// vocabulary lists tokens by id. In JSON it is an object from token to id, in the order of the ids.
type vocabulary []string

func (v vocabulary) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for id, token := range v {
		if id > 0 {
			b.WriteByte(',')
		}
		b.Write(bytes.TrimSpace(encodeJSON(token)))
		fmt.Fprintf(&b, ":%d", id)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func (v *vocabulary) UnmarshalJSON(data []byte) error {
	var ids tokenIDs
	if err := ids.UnmarshalJSON(data); err != nil {
		return err
	}
	tokens, err := ids.byID()
	if err != nil {
		return fmt.Errorf(`"vocab" %w`, err)
	}
	*v = tokens
	return nil
}

// tokenIDs gives the ids of tokens, as they stand in a file: nothing is known of them yet.
type tokenIDs map[string]int64

func (t *tokenIDs) UnmarshalJSON(data []byte) error {
	var ids map[string]int64
	if err := json.Unmarshal(data, &ids); err != nil {
		// Not wrapped: the offset in err counts from the start of the object, not of the file.
		return fmt.Errorf(`"vocab" does not map tokens to ids: %v`, err)
	}
	*t = ids
	return nil
}

// byID lists the tokens by id. The ids have to be 0, 1, 2 and so on: a model has an embedding for each.
func (t tokenIDs) byID() ([]string, error) {
	tokens := make([]string, len(t))
	given := make([]bool, len(t))
	for token, id := range t {
		if id < 0 || id >= int64(len(t)) || given[id] {
			return nil, t.mistake()
		}
		tokens[id], given[id] = token, true
	}
	return tokens, nil
}

// mistake says which ids are not 0, 1, 2 and so on: going by token, not by the random order of a map, it reports the same
// mistake in the same words each time.
func (t tokenIDs) mistake() error {
	owner := make(map[int64]string, len(t))
	for _, token := range slices.Sorted(maps.Keys(t)) {
		id := t[token]
		if id < 0 || id >= int64(len(t)) {
			return fmt.Errorf("gives %q the id %d, but its %d tokens must have the ids 0 to %d", token, id, len(t), len(t)-1)
		}
		if other, ok := owner[id]; ok {
			return fmt.Errorf("gives both %q and %q the id %d", other, token, id)
		}
		owner[id] = token
	}
	return nil
}

// MarshalJSON panics unless the ids are 0, 1, 2 and so on.
func (t tokenIDs) MarshalJSON() ([]byte, error) {
	tokens, err := t.byID()
	if err != nil {
		panic("tokenizer: the vocabulary " + err.Error())
	}
	return vocabulary(tokens).MarshalJSON()
}
