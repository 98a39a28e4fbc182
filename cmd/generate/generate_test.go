package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"trainer/internal/arithmetic"
	"trainer/internal/cli"
	"trainer/internal/fault"
	"trainer/model"
	"trainer/tokenizer"
	"trainer/train"
	"trainer/train/examples"
)

// trainedDir is the folder of a model that knows the sums of two numbers up to nine, and no other arithmetic.
var trainedDir string

// TestMain trains the model, or is the command itself in a process that command starts.
func TestMain(m *testing.M) {
	if os.Getenv("GENERATE_AS_COMMAND") == "1" {
		main()
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "generate")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		trainedDir = filepath.Join(dir, "run")
		if err := trainSums(trainedDir); err != nil {
			panic(err)
		}
		return m.Run()
	}())
}

func trainSums(dir string) error {
	words, err := tokenizer.NewWord(arithmetic.Words())
	if err != nil {
		return err
	}
	c := model.Calculator(words.VocabSize())
	c.Width, c.Layers, c.Heads, c.MLPWidth, c.EOS = 32, 1, 2, 64, int(words.EOS())
	m, err := model.New(c, 1)
	if err != nil {
		return err
	}
	list, err := examples.Parse(strings.NewReader(sums()), "sums")
	if err != nil {
		return err
	}
	data, err := train.NewDataset(words, list, c.Context)
	if err != nil {
		return err
	}
	o := train.Calculator()
	o.Steps, o.Batch, o.LearningRate, o.WeightDecay, o.Repeats = 300, 100, 1e-2, 0, nil
	trainer, err := train.New(m, words, data, data, o)
	if err != nil {
		return err
	}
	defer trainer.Close()
	for range o.Steps {
		if _, err := trainer.Step(); err != nil {
			return err
		}
	}
	folder, err := train.OpenFolder(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Save(trainer, nil), folder.Close())
}

// sums are the examples that the model was trained on, differences are some that it was not.
func sums() string {
	var text strings.Builder
	for a := range 10 {
		for b := range 10 {
			fmt.Fprintf(&text, "%s plus %s equals %s\n", arithmetic.Number(a), arithmetic.Number(b), arithmetic.Number(a+b))
		}
	}
	return text.String()
}

func differences() string {
	var text strings.Builder
	for a := range 10 {
		fmt.Fprintf(&text, "%s minus one equals %s\n", arithmetic.Number(a+11), arithmetic.Number(a+10))
	}
	return text.String()
}

// command runs the command and returns what it printed and its exit code.
func command(t testing.TB, stdin string, arguments ...string) (stdout, stderr string, code int) {
	t.Helper()
	c := exec.Command(os.Args[0], arguments...)
	c.Env = append(os.Environ(), "GENERATE_AS_COMMAND=1")
	c.Dir = t.TempDir() // where there is no runs/calculator
	c.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil && c.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), c.ProcessState.ExitCode()
}

// answer is the standard output of a command that must succeed on the trained model.
func answer(t testing.TB, arguments ...string) string {
	t.Helper()
	out, errs, code := command(t, "", append([]string{"-model", trainedDir}, arguments...)...)
	if code != 0 || errs != "" {
		t.Fatalf("%q: exit code %d, error %s", arguments, code, errs)
	}
	return out
}

func write(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// newTestAsker loads the trained model into this process.
func newTestAsker(t testing.TB, change func(a *arguments)) *asker {
	t.Helper()
	a := defaults()
	a.model, a.threads = trainedDir, 1
	change(a)
	asker, err := newAsker(a, a.flags())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(asker.close)
	return asker
}

// askOne asks for the only reply.
func askOne(t testing.TB, a *asker, prompt string) *reply {
	t.Helper()
	replies, err := a.ask(t.Context(), prompt, nil)
	if err != nil || len(replies) != 1 {
		t.Fatalf("%q: %d replies with error %v", prompt, len(replies), err)
	}
	return replies[0]
}

func TestTheAnswerStandsAboveTheTokensThatItWasChosenFrom(t *testing.T) {
	out := answer(t, "-top", "3", "two plus three equals")
	at := 0
	for _, want := range []string{"two plus three equals", "┃  five  ┃", "probability", "1  › five ", "█", "2  › <eos> ", "█"} {
		i := strings.Index(out[at:], want)
		if i < 0 {
			t.Fatalf("the output lacks %q behind\n%s\nin\n%s", want, out[:at], out)
		}
		at += i + len(want)
	}
	if n := strings.Count(out, " %"); n != 6 {
		t.Errorf("%d probabilities are listed, want three for each of two tokens:\n%s", n, out)
	}
	if strings.Contains(out, "\x1b") {
		t.Error("there are colours in what is not a terminal")
	}
}

func TestAPromptThatIsNoQuestionGetsAHint(t *testing.T) {
	const hint = `questions that end with "equals"`
	if out := answer(t, "two plus three"); !strings.Contains(out, hint) {
		t.Errorf("no hint in\n%s", out)
	}
	if out := answer(t, "two plus three equals"); strings.Contains(out, hint) {
		t.Errorf("a hint for a question in\n%s", out)
	}
}

func TestSeveralWordsAreOnePrompt(t *testing.T) {
	if one, several := answer(t, "seven plus eight equals"), answer(t, "seven", "plus", "eight", "equals"); several != one {
		t.Errorf("as words\n%s\nas one argument\n%s", several, one)
	}
}

func TestQuietPrintsTheAnswerOnly(t *testing.T) {
	if got := answer(t, "-quiet", "seven plus eight equals"); got != "fifteen\n" {
		t.Errorf("output is %q, want the answer", got)
	}
}

// jsonReply is what -json promises.
type jsonReply struct {
	Prompt   string
	Answer   string
	Complete *bool
	Tokens   []struct {
		candidate
		Top []candidate
	}
}

func TestJSONTellsTheWholeAnswer(t *testing.T) {
	var r jsonReply
	d := json.NewDecoder(strings.NewReader(answer(t, "-json", "-top", "4", "nine plus nine equals")))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		t.Fatal(err)
	}
	if r.Prompt != "nine plus nine equals" || r.Answer != "eighteen" || r.Complete == nil || !*r.Complete || len(r.Tokens) != 2 {
		t.Errorf("got %+v", r)
	}
	for i, want := range []string{"eighteen", "<eos>"} {
		token := r.Tokens[i]
		if token.Token != want || len(token.Top) != 4 || token.Top[0] != token.candidate {
			t.Errorf("token %d is %+v, want %s as the first of four", i, token, want)
		}
		var sum float64
		for j, c := range token.Top {
			sum += c.Probability
			if !(c.Probability > 0) || j > 0 && c.Probability > token.Top[j-1].Probability {
				t.Errorf("token %d has the candidates %+v, want positive probabilities from the highest down", i, token.Top)
			}
		}
		if sum > 1+1e-9 || sum < 0.9 {
			t.Errorf("the likeliest of token %d have together the probability %g", i, sum)
		}
	}
	if _, err := d.Token(); err != io.EOF {
		t.Error("there is more than one object")
	}
}

func TestStandardInputHasOnePromptALine(t *testing.T) {
	const in = "two plus two equals\n\n  three plus four equals \nfour plus five"
	out, errs, code := command(t, in, "-model", trainedDir, "-json")
	if code != 0 || errs != "" {
		t.Fatalf("exit code %d, error %s", code, errs)
	}
	var got []string
	for line := range strings.Lines(out) {
		var r jsonReply
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		got = append(got, r.Prompt+": "+r.Answer)
	}
	if len(got) != 3 || got[0] != "two plus two equals: four" || got[1] != "three plus four equals: seven" ||
		!strings.HasPrefix(got[2], "four plus five: ") {
		t.Errorf("got %q", got)
	}
}

func TestALineThatCannotBeAnsweredDoesNotStopTheOthers(t *testing.T) {
	out, errs, code := command(t, "one plus tow equals\ntwo plus two equals\n", "-model", trainedDir, "-quiet")
	const want = "generate: standard input:1: unknown word \"tow\" (word 3): did you mean \"two\"?\n"
	if out != "four\n" || code != fault.ExitUsage || errs != want {
		t.Errorf("exit code %d, output %q, error %q", code, out, errs)
	}
}

func TestTalkGoesOnUntilQuit(t *testing.T) {
	asker := newTestAsker(t, func(*arguments) {})
	for _, in := range []string{
		"two plus two equals\n\nplease\nfive plus four equals\n quit \nsix plus six equals\n",
		"two plus two equals\nplease\nfive plus four equals",
	} {
		var out, errs bytes.Buffer
		if err := talk(context.Background(), asker, quietPrinter{out: &out}, strings.NewReader(in), &errs); err != nil {
			t.Fatal(err)
		}
		if out.String() != "four\nnine\n" {
			t.Errorf("%q: answers are %q, want four and nine", in, out.String())
		}
		for _, want := range []string{asker.dir, "\n> ", `unknown word "please" (word 1)`} {
			if !strings.Contains(errs.String(), want) {
				t.Errorf("%q: besides the answers is said, without %q,\n%s", in, want, errs.String())
			}
		}
	}
}

func TestAnInterruptEndsTheTalkAtOnce(t *testing.T) {
	asker := newTestAsker(t, func(*arguments) {})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	silent, w := io.Pipe()
	defer w.Close()
	if err := talk(ctx, asker, quietPrinter{out: io.Discard}, silent, io.Discard); fault.ExitCode(err) != fault.ExitInterrupted {
		t.Errorf("error is %v, want an interruption", err)
	}
}

func TestEvaluationEqualsThatOfTheTrainer(t *testing.T) {
	text := sums() + "# differences\n" + differences()
	path := write(t, "examples.txt", text)
	asker := newTestAsker(t, func(*arguments) {})
	list, err := examples.Parse(strings.NewReader(text), "examples")
	if err != nil {
		t.Fatal(err)
	}
	data, err := train.NewDataset(asker.tokenizer, list, asker.model.Config.Context)
	if err != nil {
		t.Fatal(err)
	}
	trainer, err := train.New(asker.model, asker.tokenizer, data, data, train.Calculator())
	if err != nil {
		t.Fatal(err)
	}
	defer trainer.Close()
	want, err := trainer.Evaluate(data)
	if err != nil {
		t.Fatal(err)
	}
	if want.Right < 100 || len(want.Wrong) == 0 {
		t.Fatalf("%d of %d are right: the test needs a model that knows sums and no differences", want.Right, want.Total)
	}

	var got struct {
		ExactMatch  float64            `json:"exact_match"`
		Examples    int                `json:"examples"`
		ByOperation map[string]float64 `json:"by_operation"`
		Wrong       []mistake          `json:"wrong"`
	}
	d := json.NewDecoder(strings.NewReader(answer(t, "-json", "-eval", path)))
	d.DisallowUnknownFields()
	if err := d.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.ExactMatch != want.Accuracy() || got.Examples != 110 || len(got.ByOperation) != 2 || got.ByOperation["plus"] != 1 {
		t.Errorf("got %+v, the trainer says %+v", got, want)
	}
	for _, s := range want.ByOperation {
		if got.ByOperation[s.Operation] != s.Accuracy() {
			t.Errorf("%s: exact match %g, the trainer says %g", s.Operation, got.ByOperation[s.Operation], s.Accuracy())
		}
	}
	if len(got.Wrong) != len(want.Wrong) {
		t.Fatalf("%d are wrong, the trainer says %d", len(got.Wrong), len(want.Wrong))
	}
	for i, at := range want.Wrong {
		if m := got.Wrong[i]; m.Question != list[at].Question || m.Expected != list[at].Answer || m.Got == m.Expected {
			t.Errorf("wrong answer %d is %+v, want the question %q", i, m, list[at].Question)
		}
	}

	shown := answer(t, "-eval", path)
	first := got.Wrong[0]
	for _, want := range []string{
		"Exact match on " + path, "plus           100 of     100   100.00 %", first.Question, "expected " + first.Expected,
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("the text lacks %q:\n%s", want, shown)
		}
	}
	if quiet := answer(t, "-quiet", "-eval", path); quiet != fmt.Sprintln(want.Accuracy()) {
		t.Errorf("-quiet prints %q, want %g", quiet, want.Accuracy())
	}
}

// An answer is right only with its end: a model that goes on behind the right words has not answered exactly.
func TestAnAnswerThatLacksItsEndIsWrong(t *testing.T) {
	asker := newTestAsker(t, func(*arguments) {})
	s, err := asker.score(write(t, "long.txt", "two plus three equals five five\ntwo plus four equals six\n"))
	if err != nil {
		t.Fatal(err)
	}
	if s.total.right != 1 || len(s.wrong) != 1 || s.wrong[0] != (mistake{"two plus three equals", "five five", "five"}) {
		t.Errorf("score is %+v", s)
	}
}

func TestAllRightIsSaidInWordsAndAnEmptyListInJSON(t *testing.T) {
	path := write(t, "sums.txt", sums())
	if out := answer(t, "-eval", path); !strings.Contains(out, "Every answer is right.") {
		t.Errorf("output is\n%s", out)
	}
	if out := answer(t, "-json", "-eval", path); !strings.HasSuffix(out, `"wrong":[]}`+"\n") {
		t.Errorf("output is\n%s", out)
	}
}

// prompts are what the model is unsure of.
var prompts = []string{"eleven minus one equals", "two times three equals", "forty plus", "ninety", "one minus one equals", "two hundred"}

// ask returns the answers to prompts that a change of the flags leads to.
func ask(t testing.TB, change func(a *arguments)) []string {
	t.Helper()
	asker := newTestAsker(t, change)
	var answers []string
	for _, p := range prompts {
		answers = append(answers, askOne(t, asker, p).answer)
	}
	return answers
}

func TestSamplesAreThoseOfTheSeed(t *testing.T) {
	sample := func(seed uint64) []string {
		return ask(t, func(a *arguments) { a.sampling.Temperature, a.sampling.Seed = 2, seed })
	}
	first := sample(1)
	if again := sample(1); !slices.Equal(again, first) {
		t.Errorf("the same seed gives %q and %q", first, again)
	}
	if other := sample(2); slices.Equal(other, first) {
		t.Errorf("two seeds give the same %d answers %q", len(prompts), other)
	}
}

func TestGreedyIsTemperature0AndTopK1AndASmallTopP(t *testing.T) {
	greedy := ask(t, func(*arguments) {})
	for name, change := range map[string]func(a *arguments){
		"temperature 0": func(a *arguments) { a.sampling.Temperature, a.sampling.Seed, a.sampling.TopK = 0, 9, 3 },
		"top-k 1":       func(a *arguments) { a.sampling.Temperature, a.sampling.Seed, a.sampling.TopK = 2, 9, 1 },
		"top-p 1e-9":    func(a *arguments) { a.sampling.Temperature, a.sampling.Seed, a.sampling.TopP = 2, 9, 1e-9 },
	} {
		if got := ask(t, change); !slices.Equal(got, greedy) {
			t.Errorf("%s answers %q, greedy is %q", name, got, greedy)
		}
	}
}

func TestFlagsReachTheSampling(t *testing.T) {
	a := defaults()
	f := a.flags()
	err := f.Parse(strings.Fields("-temperature 0.5 -top-k 7 -top-p 0.9 -min-p 0.1 -repetition-penalty 1.2 -seed 11 -max-tokens 4 -slide " +
		"-stop . -stop , -n 2 -top 2 -threads 3 two plus"))
	want := model.Sampling{
		Temperature: 0.5, TopK: 7, TopP: 0.9, MinP: 0.1, RepetitionPenalty: 1.2, Seed: 11, MaxTokens: 4, Slide: true,
	}
	if err != nil || a.check(f) != nil || a.sampling != want || !slices.Equal(a.stops, stops{".", ","}) || a.samples != 2 ||
		a.top != 2 || a.threads != 3 || strings.Join(f.Args(), " ") != "two plus" {
		t.Errorf("flags are %+v with error %v", a, err)
	}
}

func TestAnAnswerThatIsCutOffSaysWhy(t *testing.T) {
	if out := answer(t, "-max-tokens", "1", "two plus three equals"); !strings.Contains(out, "cut off here: -max-tokens 1\n") {
		t.Errorf("output is\n%s", out)
	}
	if out := answer(t, "-json", "-max-tokens", "1", "two plus three equals"); !strings.Contains(out, `"complete":false`) {
		t.Errorf("output is\n%s", out)
	}
	if out := answer(t, "two plus three equals"); strings.Contains(out, "cut off") {
		t.Errorf("a whole answer is said to be cut off:\n%s", out)
	}
	asker := newTestAsker(t, func(a *arguments) { a.sampling.Temperature, a.sampling.TopP, a.sampling.Seed = 100, 1, 1 })
	r := askOne(t, asker, strings.Repeat("one ", 11)) // so wild a sample ends by chance only once in thirty
	if r.stop != "the context of 12 tokens is full" || len(r.tokens) != 2 {
		t.Errorf("reply is %+v", r)
	}
}

func TestASampledTokenThatIsNotAmongTheLikeliestIsListedToo(t *testing.T) {
	var b bytes.Buffer
	v := &screen{out: &b, terminal: cli.TerminalOf(&b)}
	token := chosen{candidate{"rare", 0.001}, []candidate{{"usual", 0.9}, {"other", 0.05}}}
	if err := v.reply(&reply{prompt: "p", answer: "rare", question: true, tokens: []chosen{token}}); err != nil {
		t.Fatal(err)
	}
	if out := b.String(); !strings.Contains(out, "    usual") || !strings.Contains(out, "› rare      0.10 %") {
		t.Errorf("output is\n%s", out)
	}
}

func TestMistakesAreExplained(t *testing.T) {
	broken := func(name string, change func(text []byte) []byte) string {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(trainedDir)); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, change(text), 0o666); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	cut := func(text []byte) []byte { return text[:len(text)/2] }
	replace := func(old, new string) func([]byte) []byte {
		return func(text []byte) []byte {
			if !bytes.Contains(text, []byte(old)) {
				t.Fatalf("there is no %q in\n%s", old, text)
			}
			return bytes.Replace(text, []byte(old), []byte(new), 1)
		}
	}
	bad := write(t, "bad.txt", "one plus one equals two\none plus eno equals two\n")
	long := write(t, "long.txt", strings.Repeat("one ", 12)+"equals two\n")
	on := []string{"-model", trainedDir}
	for _, c := range []struct {
		arguments []string
		code      int
		want      string
	}{
		{[]string{"two"}, 3, "there is no trained model in runs/calculator: train one with `go run ./cmd/train`, or name another"},
		{[]string{"-model", "runs/mine", "two"}, 3, "there is no trained model in runs/mine: train one with `go run ./cmd/train -out runs/mine`"},
		{append(on, "two", "plus", "thre"), 2, `unknown word "thre" (word 3): did you mean "three"?`},
		{append(on, "2 + 3 ="), 2, `unknown words "2" (word 1), "+" (word 2), "3" (word 3) and "=" (word 4): the vocabulary has no words like them; ` +
			`numbers and signs are words here, as in "two plus three equals"`},
		{append(on, "two+three", "equals"), 2, "numbers and signs are words here"},
		{append(on, " "), 2, "the prompt is empty"},
		{append(on, strings.Repeat("one ", 13)), 2, "the prompt has 13 tokens: expected at most 12"},
		{append(on, "-temperature", "-1", "two"), 2, "-temperature -1: expected 0"},
		{append(on, "-top-p", "0", "two"), 2, "-top-p 0: expected"},
		{append(on, "-top-k", "-1", "two"), 2, "-top-k -1: expected"},
		{append(on, "-max-tokens", "-1", "two"), 2, "-max-tokens -1: expected"},
		{append(on, "-top", "-1", "two"), 2, "-top -1: expected"},
		{append(on, "-threads", "0", "two"), 2, "-threads 0: expected 1 to 1024"},
		{append(on, "-json", "-quiet", "two"), 2, "-json and -quiet"},
		{append(on, "-serve", "8080"), 2, "-serve 8080: expected an address such as :8080"},
		{append(on, "-serve", ":0", "two"), 2, "leave out the prompt"},
		{append(on, "-serve", ":0", "-seed", "3"), 2, "leave out -seed"},
		{append(on, "-serve", ":0", "-eval", bad), 2, "expected one of them"},
		{append(on, "-n", "0", "two"), 2, "-n 0: expected 1 to 1024"},
		{append(on, "-n", "2", "two"), 2, "-n 2: without -temperature"},
		{append(on, "-n", "2", "-temperature", "1", "-stream", "two"), 2, "-stream and -n 2"},
		{append(on, "-json", "-stream", "two"), 2, "-stream and -json"},
		{append(on, "-stream", "two"), 2, "answers questions"},
		{append(on, "-stop", "", "two"), 2, "-stop \"\": expected a text"},
		{append(on, "-min-p", "2", "two"), 2, "-min-p 2: expected 0 (no limit) to 1"},
		{append(on, "two plus three equals", "six times seven equals"), 2, "2 prompts: expected one"},
		{append(on, "-repetition-penalty", "-1", "two"), 2, "-repetition-penalty -1: expected more than 0"},
		{append(on, "-slide", "two"), 2, "-slide: the context is no limit then: expected -max-tokens too"},
		{append(on, "-eval", bad, "-stop", "two"), 2, "leave out -stop"},
		{append(on, "two", "-json"), 2, "-json comes behind the prompt"},
		{append(on, "-tempreature", "1"), 2, "did you mean -temperature?"},
		{append(on, "-device", "cuda", "two"), 4, "-device=cuda"},
		{append(on, "-device", "abacus", "two"), 2, "-device=abacus: expected auto, cpu, cuda"},
		{append(on, "-weights", "f16", "two"), 2, `-weights "f16": expected f32, bf16, int8`},
		{append(on, "-weights", "int8", "-device", "cuda-emulated", "two"), 4, "-weights=int8 is for the CPU: expected f32 on cuda-emulated"},
		{append(on, "-eval", bad), 3, bad + `:2: in the question: unknown word "eno" (word 3)`},
		{append(on, "-eval", long), 3, long + ":1: "},
		{append(on, "-eval", "none.txt"), 3, "none.txt"},
		{append(on, "-eval", bad, "two"), 2, `leave out the prompt "two"`},
		{append(on, "-eval", bad, "-top-k", "3"), 2, "leave out -top-k"},
		{[]string{"-model", broken("config.json", cut), "two"}, 3, "config.json: line "},
		{[]string{"-model", broken("config.json", replace(`"n_embd": 32`, `"n_embd": 64`)), "two"}, 3, "model.safetensors: "},
		{[]string{"-model", broken("config.json", replace(`_id": 1`, `_id": null`)), "two"}, 3, "the files are not of one model"},
		{[]string{"-model", broken("model.safetensors", cut), "two"}, 3, "model.safetensors: "},
		{[]string{"-model", broken("tokenizer.json", cut), "two"}, 3, "tokenizer.json"},
	} {
		out, errs, code := command(t, "", c.arguments...)
		if code != c.code || !strings.HasPrefix(errs, "generate: ") || !strings.Contains(errs, c.want) || out != "" {
			t.Errorf("%q: exit code %d, error %s, output %q, want code %d and an error that says %s", c.arguments, code, errs, out, c.code, c.want)
		}
	}
}

func TestHelpListsEveryFlag(t *testing.T) {
	out, errs, code := command(t, "", "-h")
	if code != 0 || errs != "" || !strings.Contains(out, "\nExamples\n") || !strings.Contains(out, "\nExit codes\n") {
		t.Fatalf("exit code %d, error %q, output\n%s", code, errs, out)
	}
	const flags = "-model -temperature -top-k -top-p -min-p -repetition-penalty -seed -n -max-tokens -slide -stop " +
		"-eval -serve -device -threads -top -stream -quiet -json"
	for name := range strings.FieldsSeq(flags) {
		if !strings.Contains(out, "\n  "+name+" ") {
			t.Errorf("%s is missing in\n%s", name, out)
		}
	}
}

func TestThreadsDoNotChangeAnswers(t *testing.T) {
	for _, threads := range []int{2, 3} {
		one := newTestAsker(t, func(*arguments) {})
		several := newTestAsker(t, func(a *arguments) { a.threads = threads })
		for _, p := range prompts {
			a, b := askOne(t, one, p), askOne(t, several, p)
			if a.answer != b.answer || math.Abs(a.tokens[0].Probability-b.tokens[0].Probability) > 1e-5 {
				t.Errorf("%q: one thread says %q, %d say %q", p, a.answer, threads, b.answer)
			}
		}
	}
}
