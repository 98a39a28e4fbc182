package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trainer/internal/arithmetic"
	"trainer/internal/fault"
	"trainer/tokenizer"
)

// TestMain runs the tests, or is the command itself in a process that tokenize starts.
func TestMain(m *testing.M) {
	if os.Getenv("TOKENIZE_AS_COMMAND") == "1" {
		main()
	}
	os.Exit(m.Run())
}

// prose is a text with what tokenizers tend to lose.
const prose = "the river, the river's  ferry\r\n\tand the ferryman 🙂 <eos>\n\n\xff the end"

// tokenize runs the command in a folder with the file prose.txt, and tokenizers of words, bytes and prose.
func tokenize(t *testing.T, folder, stdin string, arguments ...string) (stdout, stderr string, code int) {
	t.Helper()
	command := exec.Command(os.Args[0], arguments...)
	command.Dir = folder
	command.Env = append(os.Environ(), "TOKENIZE_AS_COMMAND=1")
	command.Stdin = strings.NewReader(stdin)
	var out, problems bytes.Buffer
	command.Stdout, command.Stderr = &out, &problems
	err := command.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), problems.String(), command.ProcessState.ExitCode()
}

// succeed returns what the command writes, which must be no error.
func succeed(t *testing.T, folder, stdin string, arguments ...string) string {
	t.Helper()
	stdout, stderr, code := tokenize(t, folder, stdin, arguments...)
	if code != fault.ExitDone || stderr != "" {
		t.Fatalf("%q ends with %d: %s", arguments, code, stderr)
	}
	return stdout
}

func workshop(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	words, err := tokenizer.NewWord(arithmetic.Words())
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"prose.txt": []byte(prose), "words.json": words.JSON()} {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	succeed(t, folder, "", "bytes", "-out", "bytes")
	succeed(t, folder, "", "train", "-vocab", "270", "-out", "trained", "prose.txt")
	return folder
}

func TestDecodeReturnsTheBytesThatWereEncoded(t *testing.T) {
	folder := workshop(t)
	for _, source := range []string{"bytes", "trained", "trained/tokenizer.json"} {
		for _, text := range []string{prose, "", "\n", "\x00\xfe"} {
			for _, flags := range [][]string{nil, {"-json"}} {
				ids := succeed(t, folder, text, append([]string{"encode", "-tokenizer", source}, flags...)...)
				if strings.Count(ids, "\n") != 1 || !strings.HasSuffix(ids, "\n") {
					t.Errorf("ids %q are not one line", ids)
				}
				if got := succeed(t, folder, ids, append([]string{"decode", "-tokenizer", source}, flags...)...); got != text {
					t.Errorf("%s %q: %q came back as %q", source, flags, text, got)
				}
			}
		}
	}
}

func TestEncodeWritesIDsAsWordsOrJSON(t *testing.T) {
	folder := workshop(t)
	for _, test := range []struct{ tokenizer, text, plain, array string }{
		{"bytes", "hé<eos>", "104 195 169 257\n", "[104,195,169,257]\n"},
		{"bytes", "", "\n", "[]\n"},
		{"words.json", "two plus three\n", "9 2 10\n", "[9,2,10]\n"},
	} {
		if got := succeed(t, folder, test.text, "encode", "-tokenizer", test.tokenizer); got != test.plain {
			t.Errorf("%q is encoded as %q, want %q", test.text, got, test.plain)
		}
		if got := succeed(t, folder, test.text, "encode", "-tokenizer", test.tokenizer, "-json"); got != test.array {
			t.Errorf("%q is encoded as %q, want %q", test.text, got, test.array)
		}
	}
	if got, want := succeed(t, folder, "9 2\n10 1", "decode", "-tokenizer", "words.json"), "two plus three\n"; got != want {
		t.Errorf("decoded %q, want %q", got, want)
	}
	if got, want := succeed(t, folder, "[104]\n[]\n[105]\n", "decode", "-tokenizer", "bytes", "-json"), "hi"; got != want {
		t.Errorf("decoded %q, want %q", got, want)
	}
}

func TestTrainSaysWhatItLearned(t *testing.T) {
	folder := workshop(t)
	out := succeed(t, folder, "", "train", "-vocab", "262", "-out", "two", "prose.txt", "prose.txt")
	begin := fmt.Sprintf("learned 4 merges from %d bytes in ", 2*len(prose))
	if !strings.HasPrefix(out, begin) || !strings.HasSuffix(out, "262 tokens in two/tokenizer.json\n") {
		t.Errorf("output is %q", out)
	}
	out = succeed(t, folder, "", "train", "-vocab", "9999", "-min-count", "3", "-out", "few", "prose.txt")
	if want := "tokens, not 9999: no other pair occurs 3 times"; !strings.Contains(out, want) {
		t.Errorf("output is %q, want %s", out, want)
	}
}

func TestConvertChangesTheLayoutAndNothingElse(t *testing.T) {
	folder := workshop(t)
	succeed(t, folder, "", "convert", "-tokenizer", "trained", "-format", "gpt2", "-out", "gpt2")
	succeed(t, folder, "", "convert", "-tokenizer", "gpt2/vocab.json", "-out", "back")
	var files []string
	for _, name := range []string{"trained/tokenizer.json", "back/tokenizer.json"} {
		data, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, string(data))
	}
	if files[0] != files[1] {
		t.Errorf("%s\nbecame\n%s", files[0], files[1])
	}
}

func TestMistakesAreNamedWithTheirExitCode(t *testing.T) {
	folder := workshop(t)
	for _, test := range []struct {
		line, stdin string
		code        int
		want        string
	}{
		{"", "", 2, "tokenize: a command is missing, one of train, bytes, encode, decode, convert, shards"},
		{"encod", "", 2, `there is no command "encod": did you mean encode?`},
		{"frobnicate", "", 2, `there is no command "frobnicate", expected one of train`},
		{"train -out x", "", 2, "tokenize train: no text to learn from"},
		{"train prose.txt", "", 2, "-out is missing"},
		{"train -vocab 257 -out x prose.txt", "", 2, "-vocab is 257, expected at least 258"},
		{"train -min-count 0 -out x prose.txt", "", 2, "-min-count is 0, expected at least 1"},
		{"train -out x prose.txt -vocab 300", "", 2, "-vocab follows a file: flags come before the files"},
		{"train -out trained prose.txt", "", 2, "trained/tokenizer.json is there already"},
		{"train -out x absent.txt", "", 3, "cannot read the text: open absent.txt: no such file"},
		{"train -out x bytes", "", 3, "cannot read the text: read bytes: is a directory"},
		{"train -out prose.txt/x prose.txt", "", 1, "-out: stat prose.txt/x/tokenizer.json: not a directory"},
		{"train -vocabs 300 -out x prose.txt", "", 2, "did you mean -vocab?"},
		{"bytes -out x more", "", 2, `unexpected argument "more": tokenize bytes takes flags only`},
		{"encode -tokenizer bytes prose.txt", "", 2, `unexpected argument "prose.txt": tokenize encode reads standard input, expected flags only, ` +
			"and the file as in tokenize encode -tokenizer bytes < prose.txt"},
		{"decode ids.txt", "", 2, "tokenize decode reads standard input"},
		{"encode", "", 2, "-tokenizer is missing"},
		{"encode -tokenizer absent", "", 3, "cannot read the tokenizer: stat absent: no such file"},
		{"encode -tokenizer prose.txt", "", 3, "prose.txt: not valid UTF-8"},
		{"encode -tokenizer words.json", "two plus fourty", 3, `standard input: unknown word "fourty" (word 3): did you mean "forty"?`},
		{"decode -tokenizer bytes", "1 x", 3, `standard input: "x", number 2, is no id`},
		{"decode -tokenizer bytes", "1 258", 3, "standard input: number 2 is 258, expected an id of the tokenizer, 0 to 257"},
		{"decode -tokenizer bytes", "-1", 3, "number 1 is -1"},
		{"decode -tokenizer bytes", "4294967297", 3, `"4294967297", number 1, is no id`},
		{"decode -tokenizer bytes -json", "[1] [2", 3, "standard input: array 2 is no JSON array of ids"},
		{"decode -tokenizer bytes -json", `["a"]`, 3, "array 1 is no JSON array of ids"},
		{"convert -tokenizer bytes -out x -format csv", "", 2, `-format is "csv", expected huggingface or gpt2`},
		{"convert -tokenizer words.json -out x", "", 3, "words.json is a tokenizer of words"},
		{"shards -tokenizer bytes prose.txt", "", 2, "-out is missing: it names the folder for the shards"},
		{"shards -tokenizer bytes -out x", "", 2, "no text to encode: name files or folders"},
		{"shards -out x prose.txt", "", 2, "-tokenizer is missing"},
		{"shards -tokenizer bytes -out x prose.txt -field a", "", 2, "-field follows a file"},
		{"shards -tokenizer bytes -out x -held-out 1 prose.txt", "", 2, "-held-out is 1, expected a share of at least 0 and below 1"},
		{"shards -tokenizer bytes -out x -held-out NaN prose.txt", "", 2, "-held-out is NaN"},
		{"shards -tokenizer bytes -out x -workers 0 prose.txt", "", 2, "-workers is 0, expected at least 1"},
		{"shards -tokenizer bytes -out x -field= prose.txt", "", 2, "-field is empty"},
		{"shards -tokenizer bytes -out x -shard-size 0 prose.txt", "", 2, `-shard-size "0": expected a whole number of at least 1, such as 1000, 250K`},
		{"shards -tokenizer bytes -out x -shard-size 9000000000G prose.txt", "", 2, "expected a whole number of at least 1"},
		{"shards -tokenizer bytes -out x absent.txt", "", 3, "cannot read the text: stat absent.txt: no such file"},
		{"shards -tokenizer bytes -out x words.json", "", 3, "words.json: files of the kind .json cannot be read: expected .txt or .jsonl"},
		{"shards -tokenizer bytes -out x trained", "", 3, "the folder trained has no text in it"},
		{"shards -tokenizer words.json -out prose prose.txt", "", 3, `prose.txt:1: unknown words "the" (word 1), "river,"`},
	} {
		stdout, stderr, code := tokenize(t, folder, test.stdin, strings.Fields(test.line)...)
		if code != test.code || !strings.Contains(stderr, test.want) || stdout != "" {
			t.Errorf("%q ends with %d, %q and the error %q, want %d and %q", test.line, code, stdout, stderr, test.code, test.want)
		}
		if strings.Count(stderr, "\n") != 1 {
			t.Errorf("%q: the error is not one line: %q", test.line, stderr)
		}
	}
	if _, err := os.Stat(filepath.Join(folder, "x")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a command that failed left a folder: %v", err)
	}
}

func TestOverwriteReplacesATokenizer(t *testing.T) {
	folder := workshop(t)
	succeed(t, folder, "", "train", "-vocab", "260", "-overwrite", "-out", "trained", "prose.txt")
	loaded, err := tokenizer.Load(filepath.Join(folder, "trained"))
	if err != nil || loaded.VocabSize() != 260 {
		t.Errorf("%v, %v, want 260 tokens", loaded, err)
	}
}

func TestHelpNamesEveryCommandAndFlag(t *testing.T) {
	folder := t.TempDir()
	overview := succeed(t, folder, "", "-h")
	for command, flags := range map[string][]string{
		"train": {"-vocab", "-min-count", "-out", "-overwrite"}, "bytes": {"-out"}, "encode": {"-tokenizer", "-json"},
		"decode": {"-tokenizer", "-json"}, "convert": {"-tokenizer", "-format", "-out"},
		"shards": {"-tokenizer", "-field", "-eos", "-held-out", "-shard-size", "-workers", "-out", "-overwrite"},
	} {
		if !strings.Contains(overview, "tokenize "+command+" ") {
			t.Errorf("%s is missing in\n%s", command, overview)
		}
		help := strings.Fields(succeed(t, folder, "", command, "-h"))
		for _, flag := range flags {
			if !slices.Contains(help, flag) {
				t.Errorf("%s -h does not name %s", command, flag)
			}
		}
	}
}
