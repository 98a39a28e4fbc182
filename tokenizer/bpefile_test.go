package tokenizer

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestLoadReturnsTheBPEThatJSONWrote(t *testing.T) {
	for name, b := range map[string]*BPE{"bytes": NewBytes(), "trained": trained(t, story(t)), "merges": fewTokens("a+b", "ab+ ", `"+\`)} {
		path := filepath.Join(t.TempDir(), FileName)
		if err := os.WriteFile(path, b.JSON(), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, from := range []string{path, filepath.Dir(path)} {
			loaded, err := Load(from)
			if err != nil {
				t.Fatal(err)
			}
			checkSame(t, name, loaded.(*BPE), b)
		}
	}
}

// checkSame fails unless two tokenizers are the same.
func checkSame(t *testing.T, name string, got, want *BPE) {
	t.Helper()
	if !slices.Equal(got.tokens, want.tokens) || !slices.Equal(got.merges, want.merges) || !slices.Equal(got.added, want.added) {
		t.Errorf("%s: %d tokens, %d merges, added %v, want %d, %d, %v", name, len(got.tokens), len(got.merges), got.added,
			len(want.tokens), len(want.merges), want.added)
	}
	if got.eos != want.eos || got.byteIDs != want.byteIDs || !bytes.Equal(got.JSON(), want.JSON()) {
		t.Errorf("%s: not what was written", name)
	}
}

// small is a tokenizer.json of four tokens and one merge.
const small = `{
  "version": "1.0", "truncation": null, "padding": null,
  "added_tokens": [
    {"id": 3, "content": "<|endoftext|>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true}
  ],
  "normalizer": null,
  "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
  "post_processor": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "use_regex": true},
  "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
  "model": {
    "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null,
    "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
    "vocab": {"Ġ": 0, "a": 1, "Ġa": 2},
    "merges": ["Ġ a"]
  }
}`

// edit replaces text of small, pair by pair.
func edit(t *testing.T, pairs ...string) string {
	t.Helper()
	text := small
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("no %s to replace", pairs[i])
		}
		text = strings.Replace(text, pairs[i], pairs[i+1], 1)
	}
	return text
}

func TestParseReadsEveryFormOfABPE(t *testing.T) {
	want, err := Parse([]byte(small), "small")
	if err != nil {
		t.Fatal(err)
	}
	if got := tokensOf(t, want, "a a<|endoftext|>"); got != "a| a|<|endoftext|>" || want.EOS() != 3 {
		t.Fatalf("encoded as %s, EOS %d", got, want.EOS())
	}
	for name, content := range map[string]string{
		"merges as pairs":   edit(t, `["Ġ a"]`, `[["Ġ", "a"]]`),
		"no type, as GPT-2": edit(t, `"type": "BPE", `, ``),
		"empty strings":     edit(t, `"continuing_subword_prefix": null`, `"continuing_subword_prefix": ""`, `"dropout": null`, `"dropout": 0`),
		"added in vocab":    edit(t, `"Ġa": 2}`, `"Ġa": 2, "<|endoftext|>": 3}`),
		"no post-processor": edit(t, `"post_processor": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "use_regex": true}`,
			`"post_processor": null`),
		"no use_regex":       edit(t, `, "use_regex": true`, ``),
		"byte order of keys": edit(t, `"normalizer": null,`, ``, `"version": "1.0",`, `"version": "1.0", "normalizer": null,`),
	} {
		got, err := Parse([]byte(content), name)
		if err != nil {
			t.Error(err)
			continue
		}
		checkSame(t, name, got.(*BPE), want.(*BPE))
	}
}

func TestIgnoreMergesKeepsAWordThatIsAToken(t *testing.T) {
	content := edit(t, `"Ġa": 2}`, `"Ġa": 2, "aa": 4}`)
	for flag, want := range map[string]string{"false": "a|a| a", "true": "aa| a"} {
		b, err := Parse([]byte(strings.Replace(content, `"ignore_merges": false`, `"ignore_merges": `+flag, 1)), "small")
		if err != nil {
			t.Fatal(err)
		}
		if got := tokensOf(t, b, "aa a"); got != want {
			t.Errorf("with ignore_merges %s encoded as %s, want %s", flag, got, want)
		}
		if !strings.Contains(string(b.JSON()), `"ignore_merges": `+flag) {
			t.Errorf("ignore_merges %s is not written", flag)
		}
	}
}

func TestLoadSaysWhatIsWrongWithABPE(t *testing.T) {
	for _, test := range []struct{ name, content, want string }{
		{"syntax", edit(t, `"Ġ": 0,`, `"Ġ" 0,`), "line 13: invalid character '0' after object key"},
		{"cut off", small[:len(small)-3], "unexpected end of JSON input"},
		{"unknown key", edit(t, `"dropout"`, `"drop"`), `unknown field "drop"`},
		{"key of another type", edit(t, `"fuse_unk": false`, `"fuse_unk": 7`), "line 12: json: cannot unmarshal number"},
		{"version", edit(t, `"1.0"`, `"3"`), `"version" is "3", expected "1.0"`},
		{"normalizer", edit(t, `"normalizer": null`, `"normalizer": {"type": "NFC"}`), `"normalizer" is set, expected null`},
		{"truncation", edit(t, `"truncation": null`, `"truncation": {}`), `"truncation" is set, expected null`},
		{"padding", edit(t, `"padding": null`, `"padding": {}`), `"padding" is set, expected null`},
		{"Metaspace", edit(t, `"ByteLevel"`, `"Metaspace"`), `a stage is of type "Metaspace", expected ByteLevel`},
		{"stage without a type", edit(t, `"decoder": {"type": "ByteLevel", `, `"decoder": {`), `a stage is of type "", expected ByteLevel`},
		{"stage that is no object", edit(t, `"normalizer": null,`, `"normalizer": null, "post_processor": 1,`),
			"a stage is not an object with a type"},
		{"unknown key of a stage", edit(t, `"trim_offsets"`, `"trim"`), `unknown field "trim"`},
		{"prefix space", edit(t, `"add_prefix_space": false`, `"add_prefix_space": true`), `"add_prefix_space": true, expected false`},
		{"no regex", edit(t, `"use_regex": true`, `"use_regex": false`), `"use_regex": false, expected true`},
		{"no pre-tokenizer", edit(t, `"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}`,
			`"pre_tokenizer": null`), `"pre_tokenizer" and "decoder" must be of type ByteLevel`},
		{"dropout", edit(t, `"dropout": null`, `"dropout": 0.1`), `"dropout" is 0.1, expected null`},
		{"unknown token", edit(t, `"unk_token": null`, `"unk_token": "a"`), `"unk_token" is "a" and "vocab" lacks bytes`},
		{"prefix", edit(t, `"continuing_subword_prefix": null`, `"continuing_subword_prefix": "##"`),
			`"continuing_subword_prefix" is "##", expected null`},
		{"suffix", edit(t, `"end_of_word_suffix": null`, `"end_of_word_suffix": "</w>"`), `"end_of_word_suffix" is "</w>", expected null`},
		{"list for vocab", edit(t, `{"Ġ": 0, "a": 1, "Ġa": 2}`, `["Ġ"]`), `"vocab" does not map tokens to ids`},
		{"gap", edit(t, `"Ġa": 2`, `"Ġa": 5`), `"vocab", with "added_tokens", gives "Ġa" the id 5, but its 4 tokens must have the ids 0 to 3`},
		{"id twice", edit(t, `"Ġa": 2`, `"Ġa": 1`, `"id": 3`, `"id": 2`), `gives both "a" and "Ġa" the id 1`},
		{"negative id", edit(t, `"id": 3`, `"id": -3`), `gives "<|endoftext|>" the id -3`},
		{"huge id", edit(t, `"Ġa": 2`, `"Ġa": 4294967298`), `gives "Ġa" the id 4294967298`},
		{"empty token", edit(t, `"Ġa": 2}`, `"Ġa": 2, "": 4}`), `"vocab" has an empty token`},
		{"token that is no bytes", edit(t, `"Ġa": 2}`, `"Ġa": 2, "a b": 4}`), `"vocab" token "a b": ' ' stands for no byte`},
		{"no list of merges", edit(t, `["Ġ a"]`, `"Ġ a"`), `"merges" is not a list`},
		{"merge of one", edit(t, `"Ġ a"`, `"Ġa"`), `"merges" entry 1, "Ġa", has 1 tokens, expected 2`},
		{"merge of three", edit(t, `["Ġ a"]`, `[["Ġ", "a", "a"]]`), `"merges" entry 1, ["Ġ", "a", "a"], has 3 tokens, expected 2`},
		{"merge that is a number", edit(t, `["Ġ a"]`, `["Ġ a", 1]`), `"merges" entry 2 is 1, expected two tokens`},
		{"merge of an unknown token", edit(t, `"Ġ a"`, `"Ġ b"`), `"merges" entry 1 merges "Ġ" and "b", but the vocabulary has no token "b"`},
		{"merge into an unknown token", edit(t, `"Ġ a"`, `"a a"`), `"merges" entry 1 merges "a" and "a", but the vocabulary has no token "aa"`},
		{"merge twice", edit(t, `"Ġ a"`, `"Ġ a", "Ġ a"`), `"merges" entry 2 merges "Ġ" and "a" as "merges" entry 1 does`},
		{"added token stripped", edit(t, `"lstrip": false`, `"lstrip": true`),
			`"added_tokens" entry 1: "<|endoftext|>" is single_word, lstrip or rstrip`},
		{"added token empty", edit(t, `"content": "<|endoftext|>"`, `"content": ""`), `"added_tokens" entry 1: the content is ""`},
		{"added token with two ids", edit(t, `"Ġa": 2}`, `"Ġa": 2, "<|endoftext|>": 4}`),
			`"added_tokens" entry 1: "<|endoftext|>" has the id 3, but in "vocab" or before it has 4`},
		{"added token that merges make", edit(t, `"content": "<|endoftext|>"`, `"content": "Ġa"`, `"id": 3`, `"id": 2`),
			`"added_tokens" entry 1: "Ġa" is also the token of the bytes " a"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse([]byte(test.content), "x/tokenizer.json")
			checkDataError(t, err, test.want)
			checkDataError(t, err, "x/tokenizer.json: ")
		})
	}
}
