package findings

import "testing"

// A look that a page asks for must not be felt by a training: a few milliseconds.
func BenchmarkTrace(b *testing.B) {
	p := learned()
	e, question := open(b, p.model), prompt(b, p.words, "two plus three equals", "five")
	for b.Loop() {
		if _, err := Trace(e, p.words, question, 0); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAnalyse(b *testing.B) {
	p := learned()
	for b.Loop() {
		if _, err := Analyse(Subject{Model: p.model, Tokenizer: p.words, Examples: p.list}); err != nil {
			b.Fatal(err)
		}
	}
}
