package main

import (
	"regexp"
	"strings"
	"testing"

	"trainer/internal/device"
)

func TestAnswersStayRightWithWeightsOfFewerBits(t *testing.T) {
	path := write(t, "sums.txt", sums())
	for _, weights := range device.Weights {
		if out := answer(t, "-device=cpu", "-quiet", "-weights", weights, "-eval", path); out != "1\n" {
			t.Errorf("-weights %s: the exact match is %swant 1", weights, out)
		}
		if out := answer(t, "-device=cpu", "-quiet", "-weights", weights, "two plus three equals"); out != "five\n" {
			t.Errorf("-weights %s: two plus three equals %s", weights, out)
		}
	}
}

// Probabilities move a little: that they do shows that the weights were packed at all.
func TestWeightsOfFewerBitsMoveProbabilitiesALittle(t *testing.T) {
	seen := make(map[string]string)
	for _, weights := range device.Weights {
		out := answer(t, "-device=cpu", "-json", "-weights", weights, "nine plus nine equals")
		for other, same := range seen {
			if same == out {
				t.Errorf("-weights %s and %s give the very same probabilities:\n%s", weights, other, out)
			}
		}
		seen[weights] = out
	}
}

func TestTheModelIsShownWithTheMemoryOfItsWeights(t *testing.T) {
	for weights, want := range map[string]string{
		"f32":  `\([0-9.]+ kB\), .* threads?\)`,
		"bf16": `\([0-9.]+ kB and [0-9.]+ kB packed\), .*, weights in bf16\)`,
		"int8": `\([0-9.]+ kB and [0-9.]+ kB packed\), .*, weights in int8\)`,
	} {
		a := defaults()
		a.model, a.device, a.weights = trainedDir, device.CPU, weights
		asker, err := newAsker(a, a.flags())
		if err != nil {
			t.Fatal(err)
		}
		defer asker.close()
		if line := asker.String(); !regexp.MustCompile(want).MatchString(line) || strings.Contains(line, "\n") {
			t.Errorf("-weights %s: the model is shown as %q, want %s", weights, line, want)
		}
	}
}
