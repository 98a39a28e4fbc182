package ptx

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

var words = regexp.MustCompile(`[\w.%$]+|[^\s\w]`)

// garble makes a few random changes in a text: words exchanged with those of other places, or dropped, and numbers replaced.
func garble(r *rand.Rand, text string) string {
	lines := strings.Split(text, "\n")
	for range 1 + r.IntN(3) {
		at := r.IntN(len(lines))
		places := words.FindAllStringIndex(lines[at], -1)
		if len(places) == 0 {
			continue
		}
		other := words.FindAllString(lines[r.IntN(len(lines))], -1)
		replacement := ""
		switch {
		case r.IntN(3) == 0:
			replacement = fmt.Sprint(r.Uint64() >> r.IntN(64))
		case len(other) > 0 && r.IntN(4) > 0:
			replacement = other[r.IntN(len(other))]
		}
		place := places[r.IntN(len(places))]
		lines[at] = lines[at][:place[0]] + replacement + lines[at][place[1]:]
	}
	return strings.Join(lines, "\n")
}

func TestGarbledKernelsNeverPanic(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	loads := []workload{
		vectorAdd(200), layerNorm(2, 77), sgemm(3, 5, 1), mmaGemm(9, 3, 8), softmax(1, 3), transpose(33, 70), embeddingGradient(3, 64, 2),
	}
	ran := 0
	for range 600 {
		l := loads[r.IntN(len(loads))]
		c, _ := l.run(garble(r, kernelText(t, l.kernel)), Options{Budget: 1 << 12, Workers: 1})
		if c != nil {
			ran++
		}
	}
	if ran < 50 {
		t.Errorf("only %d kernels of 600 were run: the changes are too wild", ran)
	}
}
