package tokenizer

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"trainer/internal/fault"
)

const verse = "Löwe,\n\tbrülle \U0001F981!\r\nÖ\u0301 \u00a0."

func TestCharGivesEachCharacterAToken(t *testing.T) {
	c, err := BuildChar(verse + verse)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := c.Encode(verse)
	if err != nil {
		t.Fatal(err)
	}
	if n := len([]rune(verse)); len(ids) != n {
		t.Errorf("%d characters have %d tokens", n, len(ids))
	}
	if got := c.Decode(ids); got != verse {
		t.Errorf("decoded %q, want %q", got, verse)
	}
	var tokens []string
	for id := range c.VocabSize() {
		tokens = append(tokens, c.Token(int32(id)))
	}
	if !slices.IsSortedFunc(tokens, func(a, b string) int { return int([]rune(a)[0]) - int([]rune(b)[0]) }) {
		t.Errorf("the vocabulary is %q, want it by code point", tokens)
	}
	if c.EOS() != NoToken {
		t.Errorf("the end token is %d", c.EOS())
	}
}

func TestAnUnknownCharacterIsNamedWithItsLine(t *testing.T) {
	c, err := BuildChar("abc\n")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Encode("ab\nc\nxa"); err == nil || !strings.Contains(err.Error(), `unknown character "x" (line 3): the vocabulary has only "\nabc"`) {
		t.Errorf("error is %v", err)
	}
}

func TestCharRefusesWhatIsNotText(t *testing.T) {
	for text, want := range map[string]string{"": "no character", "ab\xffc": "byte 3 is not valid UTF-8"} {
		if _, err := BuildChar(text); fault.ExitCode(err) != fault.ExitData || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error is %v, want one of class data with %q", text, err, want)
		}
	}
	if _, err := BuildChar("a\uFFFD"); err != nil {
		t.Errorf("a replacement character is text: %v", err)
	}
}

func TestCharSurvivesItsFile(t *testing.T) {
	c, err := BuildChar(verse)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Parse(c.JSON(), FileName)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := again.(*Char); !ok || !bytes.Equal(again.JSON(), c.JSON()) {
		t.Errorf("read back as %T", again)
	}
}

func TestAFileThatAsksForMoreThanCharIsRefused(t *testing.T) {
	c, err := BuildChar("abc")
	if err != nil {
		t.Fatal(err)
	}
	good := string(c.JSON())
	for _, test := range []struct{ old, new, want string }{
		{`"Isolated"`, `"Removed"`, "pre_tokenizer"},
		{`[\\s\\S]`, `\\w`, "pre_tokenizer"},
		{`"Fuse"`, `"ByteLevel"`, "decoder"},
		{`"<unk>"`, `"?"`, "unk_token"},
		{`"a": 0`, `"ab": 0`, "not one character"},
		{`"normalizer": null`, `"normalizer": {"type": "NFC"}`, "normalizer"},
	} {
		broken := strings.Replace(good, test.old, test.new, 1)
		if broken == good {
			t.Fatalf("%q is not in %s", test.old, good)
		}
		if _, err := Parse([]byte(broken), "t.json"); fault.ExitCode(err) != fault.ExitData || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error is %v, want one of class data with %q", test.new, err, test.want)
		}
	}
}

func TestHuggingFaceEncodesCharactersAlike(t *testing.T) {
	c, err := BuildChar(verse)
	if err != nil {
		t.Fatal(err)
	}
	want, err := c.Encode(verse)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		IDs  []int32
		Text string
	}
	runPython(t, "transformers", `
import json, sys, transformers
t = transformers.AutoTokenizer.from_pretrained(sys.argv[1])
ids = t(json.load(sys.stdin)).input_ids
print(json.dumps({"IDs": ids, "Text": t.decode(ids)}))`, runFolder(t, c), verse, &got)
	if !slices.Equal(got.IDs, want) || got.Text != verse {
		t.Errorf("transformers encodes %v and decodes %q, want %v and %q", got.IDs, got.Text, want, verse)
	}
}
