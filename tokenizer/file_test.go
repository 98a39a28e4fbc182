package tokenizer

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestLoadReturnsWhatJSONWrote(t *testing.T) {
	words := []string{"plus", "naïve", `"quoted\"`, "<b>&", "日本", "0", "\x00", "\ufffd"}
	w, err := NewWord(words)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), FileName)
	if err := os.WriteFile(path, w.JSON(), 0o644); err != nil {
		t.Fatal(err)
	}
	loaded, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := loaded.(*Word).tokens; !slices.Equal(got, w.tokens) {
		t.Errorf("loaded %q, want %q", got, w.tokens)
	}
	if !bytes.Equal(loaded.JSON(), w.JSON()) {
		t.Errorf("JSON of the loaded tokenizer differs:\n%s\nwant\n%s", loaded.JSON(), w.JSON())
	}
}

func TestLoadSaysWhatIsWrongWithAFile(t *testing.T) {
	w, err := NewWord([]string{"plus", "minus"})
	if err != nil {
		t.Fatal(err)
	}
	good := string(w.JSON())
	replace := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("no %s to replace in\n%s", old, good)
		}
		return strings.Replace(good, old, new, 1)
	}
	for _, test := range []struct{ name, content, want string }{
		{"empty", "", "the file is empty"},
		{"text", "plus\nminus\n", "not the JSON of a tokenizer: line 1: invalid character 'p'"},
		{"cut off", good[:len(good)/2], "unexpected end of JSON input"},
		{"syntax", replace(`"<eos>": 1,`, `"<eos>" 1,`), "line 35: invalid character '1' after object key"},
		{"trailing", good + "x", "invalid character 'x' after top-level value"},
		{"not UTF-8", replace("minus", "minus\xff"), "not valid UTF-8"},
		{"other JSON", `{"vocab_size": 35}`, `"model" is missing`},
		{"array", `[]`, "not the JSON of a tokenizer: line 1: json: cannot unmarshal array"},
		{"no type", `{"model": {}}`, `"model" has no "type"`},
		{"another type", `{"model": {"type": "Unigram"}}`,
			"a tokenizer of type Unigram is not supported; supported are WordLevel and byte-level BPE"},
		{"unknown field", replace(`"model": {`, `"model": {"dropout": 1,`), `unknown field "dropout"`},
		{"version", replace(`"1.0"`, `"2.0"`), `"version" is "2.0", expected "1.0"`},
		{"truncation", replace(`"truncation": null`, `"truncation": {"max_length": 1}`), `"truncation" is set, expected null`},
		{"padding", replace(`"padding": null`, `"padding": {}`), `"padding" is set, expected null`},
		{"normalizer", replace(`"normalizer": null`, `"normalizer": {"type": "Lowercase"}`), `"normalizer" is set, expected null`},
		{"post-processor", replace(`"post_processor": null`, `"post_processor": {}`), `"post_processor" is set, expected null`},
		{"decoder", replace(`"decoder": null`, `"decoder": {"type": "Fuse"}`), `"decoder" is set, expected null`},
		{"pre-tokenizer", replace("WhitespaceSplit", "Whitespace"), `"pre_tokenizer" must be of type WhitespaceSplit`},
		{"no pre-tokenizer", replace("pre_tokenizer\": {\n    \"type\": \"WhitespaceSplit\"\n  }", `pre_tokenizer": null`),
			`"pre_tokenizer" must be of type WhitespaceSplit`},
		{"unknown token", replace(`"<unk>"`, `"minus"`), `"unk_token" is "minus", expected "<unk>"`},
		{"added token", replace(`"lstrip": false`, `"lstrip": true`), `"added_tokens" entry 1 is {ID:0 Content:<pad>`},
		{"no added tokens", `{"version": "1.0", "pre_tokenizer": {"type": "WhitespaceSplit"},
			"model": {"type": "WordLevel", "unk_token": "<unk>", "vocab": {"plus": 0}}}`, `"added_tokens" has 0 tokens, expected the 2`},
		{"special token absent", replace(`"<eos>": 1`, `"EOS": 1`), `"vocab" must give the special token "<eos>" the id 1`},
		{"duplicate id", replace(`"minus": 3`, `"minus": 2`), `"vocab" gives both "minus" and "plus" the id 2`},
		{"gap", replace(`"minus": 3`, `"minus": 4`), `"vocab" gives "minus" the id 4, but its 4 tokens must have the ids 0 to 3`},
		{"negative id", replace(`"minus": 3`, `"minus": -1`), `"vocab" gives "minus" the id -1`},
		{"huge id", replace(`"minus": 3`, `"minus": 1e99`), `"vocab" does not map tokens to ids`},
		{"id of another type", replace(`"minus": 3`, `"minus": "3"`), `"vocab" does not map tokens to ids`},
		{"list for vocabulary", `{"model": {"type": "WordLevel", "vocab": ["plus"]}}`, `"vocab" does not map tokens to ids`},
		{"empty vocabulary", good[:strings.Index(good, `"<pad>": 0`)] + `}, "unk_token": "<unk>"}}`,
			`"vocab" must give the special token "<pad>" the id 0`},
		{"word with a space", replace(`"minus"`, `"mi nus"`), `word 2 of the vocabulary: "mi nus" is not one word`},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), FileName)
			if err := os.WriteFile(path, []byte(test.content), 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := Load(path)
			checkDataError(t, err, test.want)
			checkDataError(t, err, path+": ")
		})
	}
}

func TestLoadNamesAFileThatCannotBeRead(t *testing.T) {
	folder := t.TempDir()
	_, err := Load(filepath.Join(folder, "absent.json"))
	checkDataError(t, err, "absent.json: no such file")
	_, err = Load(folder)
	checkDataError(t, err, "the folder "+folder+" has none of the files tokenizer.json, encoder.json, vocab.json")
}

func TestLoadRefusesAnOversizedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, maxFileSize+1); err != nil {
		t.Fatal(err)
	}
	_, err := Load(path)
	checkDataError(t, err, "larger than 64 MiB")
}

func TestConfigNamesTheSpecialTokensAndTheContext(t *testing.T) {
	for context, want := range map[int]any{0: nil, 12: 12.0} {
		var config map[string]any
		if err := json.Unmarshal(ConfigJSON(calculator(t), context), &config); err != nil {
			t.Fatal(err)
		}
		if config["pad_token"] != "<pad>" || config["eos_token"] != "<eos>" || config["model_max_length"] != want {
			t.Errorf("config for a context of %d is %v", context, config)
		}
	}
}

func TestConfigLeavesOutTokensThatTheVocabularyLacks(t *testing.T) {
	config := string(ConfigJSON(newBPE([]string{"a"}, nil, nil), 0))
	if strings.Contains(config, "pad_token") || strings.Contains(config, "eos_token") {
		t.Errorf("config names a token that is not there:\n%s", config)
	}
}

func FuzzParse(f *testing.F) {
	w, err := NewWord([]string{"plus", "naïve"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(w.JSON())
	f.Add(NewBytes().JSON())
	f.Add(fewTokens("a+b", "ab+ ").JSON())
	f.Add([]byte(`{"model": {"type": "BPE"}}`))
	f.Add([]byte(`{"version": "1.0", "model": {"type": "WordLevel", "vocab": {"<pad>": 0, "a": 1e3}}}`))
	f.Add([]byte(`{"version": "1.0", "added_tokens": [{"id": 3, "content": "Ġ "}], "pre_tokenizer": {"type": "ByteLevel"},
		"decoder": {"type": "ByteLevel"}, "model": {"vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		loaded, err := Parse(data, "fuzz")
		if err != nil {
			return
		}
		again, err := Parse(loaded.JSON(), "again")
		if err != nil {
			t.Fatalf("what was loaded does not load again: %v\n%s", err, loaded.JSON())
		}
		if !bytes.Equal(again.JSON(), loaded.JSON()) {
			t.Fatalf("\n%s became\n%s", loaded.JSON(), again.JSON())
		}
		for id := range int32(loaded.VocabSize()) {
			token := loaded.Token(id)
			ids, err := loaded.Encode(token)
			if _, isWord := loaded.(*Word); isWord && (err != nil || !slices.Equal(ids, []int32{id})) {
				t.Fatalf("token %d, %q, encodes as %v, %v", id, token, ids, err)
			}
			// The vocabulary of a BPE may lack the bytes of its own tokens.
			var back string
			for _, id := range ids {
				back += loaded.Token(id)
			}
			if err == nil && back != token {
				t.Fatalf("token %d, %q, came back as %q", id, token, back)
			}
		}
	})
}
