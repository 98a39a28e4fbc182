package tokenizer

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trainer/internal/fault"
)

// gpt2Folder returns a folder with these files of GPT-2's layout.
func gpt2Folder(t *testing.T, vocabName, mergesName, vocab, merges string) string {
	t.Helper()
	folder := t.TempDir()
	for name, content := range map[string]string{vocabName: vocab, mergesName: merges} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func TestGPT2FilesAreReadBack(t *testing.T) {
	for name, b := range map[string]*BPE{"bytes": NewBytes(), "trained": trained(t, story(t)), "merges": fewTokens("a+b", "ab+ ")} {
		vocab, merges := b.GPT2Files()
		for _, names := range [][2]string{{"vocab.json", "merges.txt"}, {"encoder.json", "vocab.bpe"}} {
			folder := gpt2Folder(t, names[0], names[1], string(vocab), string(merges))
			for _, path := range []string{folder, filepath.Join(folder, names[0])} {
				loaded, err := Load(path)
				if err != nil {
					t.Fatal(err)
				}
				checkSame(t, name, loaded.(*BPE), b)
			}
		}
	}
}

func TestGPT2FilesMayLackTheVersionAndHaveCRLF(t *testing.T) {
	const vocab = `{"Ġ": 0, "a": 1, "Ġa": 2, "aa": 3, "<|endoftext|>": 4}`
	for _, merges := range []string{"#version: 0.2\nĠ a\na a\n", "Ġ a\na a\n", "#version: 0.2\r\nĠ a\r\na a\r\n", "Ġ a\na a"} {
		b, err := Load(gpt2Folder(t, "vocab.json", "merges.txt", vocab, merges))
		if err != nil {
			t.Errorf("%q: %v", merges, err)
			continue
		}
		if got := tokensOf(t, b, "aa a<|endoftext|>"); got != "aa| a|<|endoftext|>" || b.EOS() != 4 {
			t.Errorf("%q: encoded as %s, EOS %d", merges, got, b.EOS())
		}
	}
}

func TestLoadSaysWhatIsWrongWithGPT2Files(t *testing.T) {
	const vocab = `{"Ġ": 0, "a": 1, "Ġa": 2}`
	const merges = "#version: 0.2\nĠ a\n"
	for _, test := range []struct{ name, vocab, merges, want string }{
		{"empty vocabulary", "", merges, "vocab.json: the file is empty"},
		{"vocabulary that is no JSON", "Ġ a", merges, "vocab.json: not the JSON of a vocabulary, a map from tokens to ids: line 1"},
		{"list", "[]", merges, "vocab.json: not the JSON of a vocabulary"},
		{"gap", `{"Ġ": 0, "a": 1, "Ġa": 3}`, merges,
			`vocab.json: the vocabulary gives "Ġa" the id 3, but its 3 tokens must have the ids 0 to 2`},
		{"empty token", `{"Ġ": 0, "a": 1, "Ġa": 2, "": 3}`, merges, `vocab.json: the vocabulary has an empty token`},
		{"no merges", vocab, "", "merges.txt: the file is empty"},
		{"merges that are no text", vocab, "\xff\xfe", "merges.txt: not valid UTF-8"},
		{"merge of one", vocab, merges + "a\n", `merges.txt: line 3 is "a", expected two tokens with a space between`},
		{"merge of three", vocab, "Ġ a a\n", `merges.txt: line 1 is "Ġ a a", expected two tokens`},
		{"empty line", vocab, "#version: 0.2\n\nĠ a\n", `merges.txt: line 2 is "", expected two tokens`},
		{"unknown token", vocab, "#version: 0.2\nĠ a\nĠ b\n",
			`vocab.json with merges.txt: line 3 merges "Ġ" and "b", but the vocabulary has no token "b"`},
		{"merge twice", vocab, "Ġ a\nĠ a\n", `line 2 merges "Ġ" and "a" as line 1 does`},
	} {
		t.Run(test.name, func(t *testing.T) {
			folder := gpt2Folder(t, "vocab.json", "merges.txt", test.vocab, test.merges)
			_, err := Load(folder)
			checkDataError(t, err, test.want)
			checkDataError(t, err, folder)
		})
	}
	folder := gpt2Folder(t, "vocab.json", "other.txt", vocab, merges)
	_, err := Load(folder)
	checkDataError(t, err, "merges.txt: no such file")
}

func FuzzGPT2Files(f *testing.F) {
	for _, b := range []*BPE{NewBytes(), fewTokens("a+b", "ab+ ")} {
		vocab, merges := b.GPT2Files()
		f.Add(vocab, merges)
	}
	f.Add([]byte(`{"a": 0, "b": 1, "ab": 2, "<|end|>": 3}`), []byte("#version: 0.2\na b\n"))
	f.Add([]byte(`{"a": 0, "\u0120": 1e3}`), []byte("a a\r\n"))
	f.Fuzz(func(t *testing.T, vocab, merges []byte) {
		b, err := parseGPT2(vocab, merges, VocabName, MergesName)
		if err != nil {
			if fault.ExitCode(err) != fault.ExitData || !strings.Contains(err.Error(), "vocab.json") && !strings.Contains(err.Error(), "merges.txt") {
				t.Fatalf("error %v, want one of class data that names the file", err)
			}
			return
		}
		v, m := b.GPT2Files()
		again, err := parseGPT2(v, m, VocabName, MergesName)
		if err != nil {
			t.Fatalf("what was loaded does not load again: %v\n%s\n%s", err, v, m)
		}
		if !bytes.Equal(again.JSON(), b.JSON()) {
			t.Fatalf("\n%s became\n%s", b.JSON(), again.JSON())
		}
	})
}
