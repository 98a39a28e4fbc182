package tokenizer

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trainer/internal/arithmetic"
)

// runPython runs a script with the Python that TRAINER_PYTHON names, with input as JSON on its standard input, and reads
// JSON from its standard output into output. It skips the test where there is no such Python or it lacks the module.
func runPython(t *testing.T, module, script, folder string, input, output any) {
	t.Helper()
	python := os.Getenv("TRAINER_PYTHON")
	if python == "" {
		t.Skip("TRAINER_PYTHON is not set: it names a Python with Hugging Face tokenizers and transformers")
	}
	find := exec.Command(python, "-c", "import importlib.util, sys; sys.exit(importlib.util.find_spec(sys.argv[1]) is None)", module)
	if err := find.Run(); err != nil {
		t.Skipf("%s has no module %s (%v)", python, module, err)
	}
	data, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(python, "-c", script, folder)
	command.Stdin = bytes.NewReader(data)
	command.Env = append(os.Environ(), "HF_HUB_OFFLINE=1", "PYTHONIOENCODING=utf-8")
	var stderr strings.Builder
	command.Stderr = &stderr
	result, err := command.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	if err := json.Unmarshal(result, output); err != nil {
		t.Fatalf("%v in\n%s", err, result)
	}
}

// runFolder returns a folder with the files of a tokenizer.
func runFolder(t *testing.T, w Tokenizer) string {
	t.Helper()
	folder := t.TempDir()
	for name, content := range map[string][]byte{FileName: w.JSON(), ConfigFileName: ConfigJSON(w, 12)} {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// crossCheckTexts returns every problem, and texts that put white space and special tokens where they are not expected.
func crossCheckTexts() []string {
	texts := []string{
		"", " ", "\n", "two", " two ", "two  plus", "\ttwo\r\nplus\v\fthree", "two<eos>", "<eos>", "<eos><pad>", " <eos> two", "two <eos>",
		"two<pad>three<eos>", "<<eos>>", "<eos", "eos>", "<unk>", "two <unk>", "fourty", "Two", "two,", "two three four fourty",
		"naïve 日本 \ufffd \"q\\\"", "nai\u0308ve",
	}
	for r := rune(1); r <= 0x3100; r++ {
		texts = append(texts, "two"+string(r)+"three")
	}
	texts = append(texts, "two\ufeffthree", "two\U0001F600three")
	for _, p := range arithmetic.Problems() {
		texts = append(texts, p.Question()+" "+p.Answer())
	}
	return texts
}

func TestHuggingFaceTokenizersEncodesAndDecodesAlike(t *testing.T) {
	w, err := NewWord(append(arithmetic.Words(), "naïve", "日本", "\ufffd", `"q\"`, "<"))
	if err != nil {
		t.Fatal(err)
	}
	// A text that cannot be encoded gives null.
	const script = `
import json, sys, tokenizers
t = tokenizers.Tokenizer.from_file(sys.argv[1] + "/tokenizer.json")
def encode(text):
    try:
        return t.encode(text).ids
    except Exception as e:
        assert "WordLevel" in str(e), e
        return None
ids = [encode(text) for text in json.load(sys.stdin)]
json.dump([{"ids": i, "text": "" if i is None else t.decode(i)} for i in ids], sys.stdout)
`
	texts := crossCheckTexts()
	var theirs []struct {
		IDs  []int32
		Text string
	}
	runPython(t, "tokenizers", script, runFolder(t, w), texts, &theirs)
	if len(theirs) != len(texts) {
		t.Fatalf("%d answers to %d texts", len(theirs), len(texts))
	}
	unknown := 0
	for i, text := range texts {
		ids, err := w.Encode(text)
		if err != nil {
			unknown++
		}
		if (err != nil) != (theirs[i].IDs == nil) || !slices.Equal(ids, theirs[i].IDs) {
			t.Errorf("%q encodes as %v, %v here and as %v there", text, ids, err, theirs[i].IDs)
		} else if got := w.Decode(ids); got != theirs[i].Text {
			t.Errorf("%v decodes as %q here and as %q there", ids, got, theirs[i].Text)
		}
	}
	if unknown < 1000 {
		t.Errorf("only %d texts had an unknown word: the comparison is empty", unknown)
	}
}

func TestTransformersLoadsTheTokenizerOfARunFolder(t *testing.T) {
	const script = `
import json, sys, transformers
t = transformers.AutoTokenizer.from_pretrained(sys.argv[1])
text = json.load(sys.stdin)
encoded = t(text)
json.dump({
    "size": len(t), "pad": t.pad_token_id, "eos": t.eos_token_id, "context": t.model_max_length,
    "keys": sorted(encoded.keys()), "ids": encoded["input_ids"],
    "text": t.decode(encoded["input_ids"] + [t.eos_token_id, t.pad_token_id], skip_special_tokens=True),
    "padded": t([text, "two"], padding=True)["input_ids"][1],
}, sys.stdout)
`
	w := calculator(t)
	const text = "forty two minus two equals forty"
	want, err := w.Encode(text)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Size, Pad, EOS, Context int
		Keys                    []string
		IDs, Padded             []int32
		Text                    string
	}
	runPython(t, "transformers", script, runFolder(t, w), text, &got)
	if got.Size != 35 || got.Pad != 0 || got.EOS != 1 || got.Context != 12 {
		t.Errorf("%+v: want 35 tokens, <pad> 0, <eos> 1, a context of 12", got)
	}
	if !slices.Equal(got.Keys, []string{"attention_mask", "input_ids"}) {
		t.Errorf("model inputs are %q, want attention_mask and input_ids", got.Keys)
	}
	if !slices.Equal(got.IDs, want) || got.Text != text || !slices.Equal(got.Padded, []int32{9, 0, 0, 0, 0, 0}) {
		t.Errorf("%+v: want ids %v, text %q", got, want, text)
	}
}
