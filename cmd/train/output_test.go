package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestJSONTellsTheRunInOrder(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	o := succeed(t, dir, withoutQuiet(small("-json", "-steps", "10", "-evaluate-every", "4", "-save-every", "5"))...)
	var order []string
	steps := 0
	for i, line := range objects(t, o.stdout) {
		kind := line["type"].(string)
		order = append(order, kind)
		if !strings.HasPrefix(strings.Split(o.stdout, "\n")[i], `{"type":"`+kind+`"`) {
			t.Errorf("line %d does not begin with its type", i+1)
		}
		if kind == "step" {
			if steps++; line["step"] != float64(steps) {
				t.Errorf("step %v is told as step %d", line["step"], steps)
			}
		}
	}
	const want = "start before checkpoint followed step step step step evaluation step step step step evaluation step " +
		"followed step evaluation checkpoint end"
	// The checkpoint of step 5 is written while training goes on.
	saves := slices.IndexFunc(order[3:], func(kind string) bool { return kind == "checkpoint" })
	if got := strings.Join(slices.Delete(order, 3+saves, 4+saves), " "); got != want {
		t.Errorf("the lines are\n%s, want\n%s", got, want)
	}
}

func TestJSONHasTheFieldsThatScriptsRead(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	o := succeed(t, dir, withoutQuiet(small("-json", "-steps", "3"))...)
	fields := map[string]string{
		"start":      "device device_reason stages parameters examples held_out_examples vocabulary out seed step options",
		"before":     "answers",
		"checkpoint": "step seconds stall",
		"followed":   "step question target top probability_before probability_after nll loss blame weight",
		"step":       "step epoch loss accuracy lr gradient_norm tokens tokens_per_second seconds blame",
		"evaluation": "step held_out_loss held_out_accuracy held_out_by_operation",
		"end":        "answers result",
	}
	for _, line := range objects(t, o.stdout) {
		for _, name := range strings.Fields(fields[line["type"].(string)]) {
			if _, ok := line[name]; !ok {
				t.Errorf("%s has no field %s: %v", line["type"], name, line)
			}
		}
		if line["type"] == "end" {
			result := line["result"].(map[string]any)
			for name, want := range map[string]float64{"steps": 3, "examples": 90, "held_out_examples": 10, "parameters": 1320, "seed": 1} {
				if result[name] != want {
					t.Errorf("%s of the result is %v, want %v", name, result[name], want)
				}
			}
		}
	}
}

func TestQuietPrintsOneLine(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	line := regexp.MustCompile(`^held-out accuracy [\d.]+ %, trained [\d.]+ %, final loss \d+\.\d{4}, 60 steps, [\d.]+ s\n$`)
	if o := succeed(t, dir, small()...); !line.MatchString(o.stdout) {
		t.Errorf("printed %q", o.stdout)
	}
	if o := succeed(t, dir, small("-held-out", "0")...); !strings.HasPrefix(o.stdout, "no held-out examples, trained ") {
		t.Errorf("printed %q", o.stdout)
	}
}

// maxColumns is what a line of text for people may take where there is no terminal to ask.
const maxColumns = 120

// checkPlain checks that a text has neither escape sequences nor long lines nor numbers that were formatted wrongly.
func checkPlain(t *testing.T, text string) {
	t.Helper()
	for _, line := range strings.Split(text, "\n") {
		if strings.ContainsAny(line, "\x1b\r\t") || strings.Contains(line, "%!") {
			t.Errorf("not plain: %q", line)
		}
		if columns := utf8.RuneCountInString(line); columns > maxColumns {
			t.Errorf("%d columns, expected at most %d: %s", columns, maxColumns, line)
		}
		if line != strings.TrimRight(line, " ") {
			t.Errorf("blanks at the end: %q", line)
		}
	}
}

func TestPipedOutputIsPlainAndTellsTheWholeStory(t *testing.T) {
	t.Parallel()
	dir := workplace(t, "long.txt", strings.Repeat(strings.Repeat("one plus ", 30)+"one equals "+strings.Repeat("one ", 30)+"\n"+sums(), 2))
	for _, arguments := range [][]string{
		{"-steps", "200"}, {"-optimizer", "sgd"}, {"-held-out", "0"}, {"-layers", "4", "-positions", "sinusoidal"}, {"-positions", "rotary", "-tied"},
		{"-data", "long.txt"}, {"-eval-data", "sums.txt"},
	} {
		o := succeed(t, dir, withoutQuiet(small(arguments...))...)
		checkPlain(t, o.stdout)
		story := o.stdout
		for _, part := range []string{"device", "CUDA: not part of this build; using the CPU", "embeddings", "Before training", "next word", "Step 1",
			"target", "loss", "blame", "weight_new = weight_old - learning_rate", "Training", "tokens/s", "After training", "over the last",
			"model.safetensors", "loss.svg", "Next", "go run ./cmd/generate -model run"} {
			_, rest, ok := strings.Cut(story, part)
			if !ok {
				t.Errorf("%v: %q is missing, or not where it belongs in\n%s", arguments, part, o.stdout)
				break
			}
			story = rest
		}
	}
}

func TestHelpListsEveryFlagOnceInGroups(t *testing.T) {
	t.Parallel()
	o := succeed(t, t.TempDir(), "-h")
	checkPlain(t, o.stdout)
	for name := range defaults().flags().Values() {
		if n := len(regexp.MustCompile(`(?m)^  -`+name+`( |$)`).FindAllString(o.stdout, -1)); n != 1 {
			t.Errorf("-%s is listed %d times", name, n)
		}
	}
	for _, text := range []string{"Examples\n", "\nData\n", "\nModel\n", "\nTraining\n", "\nDevice\n", "\nRun folder\n", "\nOutput\n", "\nExit codes\n",
		"0 done", "1 failure", "2 wrong usage", "3 bad data", "4 device", "130 interrupted"} {
		if !strings.Contains(o.stdout, text) {
			t.Errorf("help does not say %q", text)
		}
	}
}
