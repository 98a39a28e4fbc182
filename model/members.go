package model

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// members are the members of a JSON object, decoded one at a time: encoding/json into a struct would ignore the case of
// keys and could not tell absent from null or zero. err is the first that was met.
type members struct {
	raw map[string]json.RawMessage
	err error
}

func (m *members) fail(format string, args ...any) {
	if m.err == nil {
		m.err = fmt.Errorf(format, args...)
	}
}

// require refuses an object that lacks one of the keys that a kind of model has.
func (m *members) require(kind string, keys ...string) {
	for _, key := range keys {
		if _, ok := m.raw[key]; !ok {
			m.fail("%s is missing: expected the config.json of %s", key, kind)
		}
	}
}

// supports refuses a value of key other than those; the key may be absent.
func (m *members) supports(key string, values ...any) {
	raw, ok := m.raw[key]
	if !ok {
		return
	}
	var got any
	if json.Unmarshal(raw, &got) == nil && slices.Contains(values, got) {
		return
	}
	var want []string
	for _, value := range values {
		text, _ := json.Marshal(value) // a string, true, false or null
		want = append(want, string(text))
	}
	m.fail("%s %.60s is not supported, expected %s", key, raw, strings.Join(want, " or "))
}

// read decodes the value of key, if there is one, into the target, whose type is described by want.
func (m *members) read(key, want string, target any) {
	raw, ok := m.raw[key]
	if !ok {
		return
	}
	if string(raw) == "null" || json.Unmarshal(raw, target) != nil {
		m.fail("%s is %.60s, expected %s", key, raw, want)
	}
}

// readOptional is read for an integer which keeps its default if the value is null.
func (m *members) readOptional(key string, target *int) {
	if string(m.raw[key]) != "null" {
		m.read(key, "an integer or null", target)
	}
}

// readTokens reads the ids of the special tokens.
func (m *members) readTokens(c *Config) {
	m.readOptional("bos_token_id", &c.BOS)
	m.readOptional("eos_token_id", &c.EOS)
	m.readOptional("pad_token_id", &c.PAD)
}

// optional is a token's id as it is written: null where there is none.
func optional(token int) *int {
	if token == NoToken {
		return nil
	}
	return &token
}

// locate adds the line to an error of json.Unmarshal.
func locate(err error, data []byte) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		line := 1 + bytes.Count(data[:min(int(syntax.Offset), len(data))], []byte("\n"))
		return fmt.Errorf("line %d is not JSON: %w", line, err)
	}
	return fmt.Errorf("not a JSON object: %w", err)
}
