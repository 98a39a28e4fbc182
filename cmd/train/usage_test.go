package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// nothingCreated checks that a command has left its working folder as it was.
func nothingCreated(t *testing.T, dir string, before map[string]string) {
	t.Helper()
	sameContents(t, contents(t, dir), before)
}

func TestWrongFlagIsNamedAndNothingIsCreated(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	before := contents(t, dir)
	for _, test := range []struct {
		arguments string
		says      []string
	}{
		{"-layer 3", []string{"-layer:", "did you mean -layers?"}},
		{"-qwertyuiop 3", []string{"there is no flag -qwertyuiop;", "-h"}},
		{"-steps", []string{"-steps"}},
		{"stray", []string{`"stray"`}},
		{"-heads 5", []string{"-heads 5: expected a divisor of -d-model 64"}},
		{"-preset gpt2", []string{"-preset gpt2", "-data", "-estimate"}},
		{"-heads 0", []string{"-heads", "0", "1 to"}},
		{"-layers 0", []string{"-layers", "0", "1 to"}},
		{"-d-model 300000", []string{"-d-model", "300000", "1 to"}},
		{"-context 0", []string{"-context", "0", "1 to"}},
		{"-positions foo", []string{"-positions", `"foo"`, "learned", "sinusoidal", "rotary"}},
		{"-positions rotary -heads 64", []string{"rotary", "even", "-d-model 64", "-heads 64"}},
		{"-architecture bert", []string{"-architecture", `"bert"`, "gpt2", "llama"}},
		{"-architecture llama -positions learned", []string{"-positions", `"learned"`, "rotary"}},
		{"-architecture llama -heads 5", []string{"-heads 5: expected a divisor of -d-model 64"}},
		{"-architecture llama -layers 0", []string{"-layers 0", "1 to"}},
		{"-architecture llama -kv-heads 3", []string{"-kv-heads 3: expected a divisor of -heads 4"}},
		{"-kv-heads 2", []string{"-kv-heads 2", "-architecture llama"}},
		{"-tied=maybe", []string{"-tied", `"maybe"`, "true or false"}},
		{"-steps 0", []string{"-steps 0", "at least 1"}},
		{"-steps 1.5", []string{"-steps", `"1.5"`, "a whole number"}},
		{"-steps 99999999999999999999", []string{"-steps", "whole number"}},
		{"-batch 0", []string{"-batch 0", "at least 1"}},
		{"-batch 65536 -accumulate 65536", []string{"-batch 65536", "accumulate 65536", "at most"}},
		{"-lr -1", []string{"-lr -1", "positive"}},
		{"-lr fast", []string{"-lr", `"fast"`, "a number"}},
		{"-lr NaN", []string{"-lr NaN", "positive"}},
		{"-final-lr 1", []string{"-final-lr 1", "0.003"}},
		{"-warmup -2", []string{"-warmup -2", "0 steps or more"}},
		{"-beta1 1", []string{"-beta1 1", "less than 1"}},
		{"-beta2 -0.1", []string{"-beta2 -0.1", "0 or more"}},
		{"-weight-decay -1", []string{"-weight-decay -1", "0 or more"}},
		{"-dropout 1", []string{"-dropout 1", "0 or more and less than 1"}},
		{"-clip -1", []string{"-clip -1", "0 or more"}},
		{"-schedule zigzag", []string{"-schedule", `"zigzag"`, "constant", "cosine", "linear"}},
		{"-optimizer adam", []string{"-optimizer", `"adam"`, "adamw or sgd"}},
		{"-loss none", []string{"-loss", `"none"`, "answer or all"}},
		{"-repeat x", []string{"-repeat", `"x"`, "times=3"}},
		{"-repeat times=0", []string{"-repeat", "times", "1 to 1000"}},
		{"-repeat tmes=3 -steps 1", []string{"-repeat", "tmes", "times"}},
		{"-seed -1", []string{"-seed", `"-1"`, "0 or more"}},
		{"-held-out 1", []string{"-held-out 1", "less than 1"}},
		{"-held-out -0.1", []string{"-held-out -0.1", "0 or more"}},
		{"-target-accuracy 2", []string{"-target-accuracy 2", "0", "1"}},
		{"-evaluate-every -1", []string{"-evaluate-every -1", "0"}},
		{"-save-every -1", []string{"-save-every -1", "0"}},
		{"-stop-after -1", []string{"-stop-after -1", "0"}},
		{"-threads 0", []string{"-threads 0", "at least 1"}},
		{"-device gpu", []string{"-device", "gpu", "auto", "cpu", "cuda"}},
		{"-resume -overwrite", []string{"-resume", "-overwrite", "one of them"}},
		{"-resume -steps 0", []string{"-steps 0"}},
		{"-http 8080", []string{"-http", `"8080"`, ":8080"}},
		{"-http :99999", []string{"-http", `":99999"`, `"99999" is no port`, "65535"}},
		{"-quiet -json", []string{"-quiet", "-json", "one of them"}},
		{"-cpuprofile no/such/folder", []string{"-cpuprofile", "no/such/folder"}},
		{"-memprofile no/such/folder", []string{"-memprofile", "no/such/folder"}},
	} {
		o := fail(t, 2, test.says, dir, append([]string{"-out", "run"}, strings.Fields(test.arguments)...)...)
		if strings.Count(o.stderr, "\n") != 1 || strings.Contains(o.stdout, "Training") {
			t.Errorf("%s: expected one line of error and no training: %s%s", test.arguments, o.stdout, o.stderr)
		}
	}
	nothingCreated(t, dir, before)
}

func TestConfigurationFileSetsFlagsAndTheCommandLineWins(t *testing.T) {
	t.Parallel()
	dir := workplace(t, "run.toml", `# a run
data = "sums.txt"
steps = 7
d-model = 8
heads = 2
lr = 1
final-lr = 0.001
tied = true
repeat = ["plus=2"]
out = "configured"
`)
	o := succeed(t, dir, "-config", "run.toml", "-lr", "0.5", "-layers", "1", "-threads", "1", "-json")
	start := objects(t, o.stdout)[0]
	options := start["options"].(map[string]any)
	for name, want := range map[string]any{"steps": 7.0, "learning_rate": 0.5, "final_learning_rate": 0.001} {
		if options[name] != want {
			t.Errorf("%s is %v, want %v", name, options[name], want)
		}
	}
	if repeats := options["repeats"].(map[string]any); repeats["plus"] != 2.0 || start["out"] != "configured" {
		t.Errorf("repeats %v, out %v", repeats, start["out"])
	}
}

func TestMistakeInTheConfigurationFileIsNamedByLine(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text string
		says []string
	}{
		{"steps = 5\nlayer = 3", []string{"run.toml:2:", `"layer"`, "did you mean -layers?"}},
		{"\n\nsteps = \"many\"", []string{"run.toml:3:", "steps is text", "a whole number"}},
		{"steps = 1.5", []string{"run.toml:1:", "steps is a number", "a whole number"}},
		{"tied = 1", []string{"run.toml:1:", "tied", "true or false"}},
		{"lr = \"0.1\"", []string{"run.toml:1:", "lr", "a number"}},
		{"device = 3", []string{"run.toml:1:", "device", "text"}},
		{"seed = -1", []string{"run.toml:1:", "seed", "0 or more"}},
		{"repeat = [\"x\"]", []string{"run.toml:1:", "repeat", "times=3"}},
		{"repeat = [1979-05-27]", []string{"run.toml:1:", "repeat", "a date or time"}},
		{"[model]\nlayers = 3", []string{"run.toml:1:", "model"}},
		{"[steps]\nlayers = 3", []string{"run.toml:1:", "steps", "a whole number"}},
		{"steps = 5\nsteps = 6", []string{"run.toml:2:", "steps"}},
		{"layers = 1\nsteps = ", []string{"run.toml:2:", "TOML"}},
		{"layers = 1\nsteps 5", []string{"run.toml:2:", "TOML"}},
		{"config = \"other.toml\"", []string{"run.toml:1:", "config"}},
		{"heads = 5", []string{"-heads 5: expected a divisor of -d-model 64"}},
	} {
		dir := workplace(t, "run.toml", test.text)
		before := contents(t, dir)
		fail(t, 2, test.says, dir, "-config", "run.toml")
		nothingCreated(t, dir, before)
	}
	fail(t, 2, []string{"-config", "missing.toml"}, t.TempDir(), "-config", "missing.toml")
}

func TestMistakeInTheDataIsNamedByLineAndNothingIsCreated(t *testing.T) {
	t.Parallel()
	good := strings.Repeat("one plus one equals two\n", 16)
	dir := workplace(t, "empty.txt", "", "blank.txt", "\n \n", "bad.txt", good+"one plus one is two\n"+good,
		"question.txt", good+"one plus one equals\n", "unknown.txt", "one plus one equals two\none plus six equals seven\n", "good.txt", good,
		"binary.txt", good+"\xff\xfe\n", "contradiction.txt", good+"one plus one equals three\n")
	if err := os.Mkdir(filepath.Join(dir, "nothing"), 0o777); err != nil {
		t.Fatal(err)
	}
	before := contents(t, dir)
	for _, test := range []struct {
		arguments string
		says      []string
	}{
		{"-data missing.txt", []string{"-data", "missing.txt", "no such file"}},
		{"-data nothing", []string{"-data", "nothing is a folder", "text file"}},
		{"-data empty.txt", []string{"-data", "empty.txt", "no example"}},
		{"-data blank.txt", []string{"-data", "blank.txt", "no example"}},
		{"-data bad.txt", []string{"bad.txt:17:", `"equals"`, "one plus one is two"}},
		{"-data question.txt", []string{"question.txt:17:", "no answer"}},
		{"-data binary.txt", []string{"binary.txt:17:", "UTF-8"}},
		{"-data good.txt -eval-data missing.txt", []string{"-eval-data", "missing.txt", "no such file"}},
		{"-data good.txt -eval-data bad.txt", []string{"-eval-data", "bad.txt:17:"}},
		{"-data good.txt -eval-data unknown.txt", []string{"unknown.txt:2:", "unknown word", `"six"`}},
		{"-data sums.txt -context 3", []string{"sums.txt:1:", "context of 3", "longer"}},
	} {
		fail(t, 3, test.says, dir, append([]string{"-out", "run", "-quiet"}, strings.Fields(test.arguments)...)...)
	}
	nothingCreated(t, dir, before)
}

func TestCUDAIsNotReplacedByTheCPU(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	before := contents(t, dir)
	for _, device := range []string{"cuda", "cuda:1"} {
		o := fail(t, 4, []string{"-device=" + device, "CUDA is not part of this build", "-tags gpu", "-device=cpu"}, dir, small("-device", device)...)
		if o.stdout != "" {
			t.Errorf("something was told before the error: %s", o.stdout)
		}
	}
	nothingCreated(t, dir, before)
}

func TestAutomaticDeviceIsExplained(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	start := objects(t, succeed(t, dir, withoutQuiet(small("-json"))...).stdout)[0]
	device, reason := start["device"].(string), start["device_reason"].(string)
	if !strings.HasPrefix(device, "CPU") || !strings.Contains(reason, "CUDA") {
		t.Errorf("device %q because of %q", device, reason)
	}
	screen := succeed(t, dir, withoutQuiet(small())...).stdout
	if !strings.Contains(screen, "CUDA: not part of this build; using the CPU") {
		t.Errorf("the screen does not say why the CPU is used: %s", screen)
	}
}

// withoutQuiet are arguments without -quiet.
func withoutQuiet(arguments []string) []string {
	var loud []string
	for _, a := range arguments {
		if a != "-quiet" {
			loud = append(loud, a)
		}
	}
	return loud
}

func TestHelpNamesWhatDataAndHTTPAreFor(t *testing.T) {
	t.Parallel()
	help := strings.Join(strings.Fields(succeed(t, workplace(t), "-h").stdout), " ")
	for _, part := range []string{".jsonl or .parquet", "a folder of such texts or of shards", "the page of the run", "/metrics for Prometheus", "0.0.0.0:8080"} {
		if !strings.Contains(help, part) {
			t.Errorf("the help does not say %q:\n%s", part, help)
		}
	}
}
