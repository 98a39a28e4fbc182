package floor

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAnswersAreThoseOfTheRunsDataFromItsFirstCheckpointOn(t *testing.T) {
	run := newTraining(t, 2)
	data := filepath.Join(t.TempDir(), "sums.txt")
	if err := os.WriteFile(data, []byte("two plus three equals seven\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	run.plan.Arguments = map[string]string{dataFlag: data}
	s, q := newShelf(run.dir), Question{Text: "two plus three equals"}
	if got := s.completed(q, run.Tokenizer).Target; got != "five" {
		t.Errorf("before it is known what the data is, the answer is %q, want that of arithmetic", got)
	}
	if err := run.Run(t.Context(), run.plan, discard{}); err != nil {
		t.Fatal(err)
	}
	if got := s.completed(q, run.Tokenizer).Target; got != "seven" {
		t.Errorf("the answer is %q, want the one of the data", got)
	}
}
