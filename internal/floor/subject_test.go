package floor

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"trainer/internal/findings"
)

func TestFindingsOfEachCheckpointAreThoseOfItsWeights(t *testing.T) {
	run := newTraining(t, 4)
	if err := run.Trainer.Run(t.Context(), run.plan, discard{}); err != nil {
		t.Fatal(err)
	}
	f, err := OpenFolder(run.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	find := func(ctx context.Context, step int) *findings.Findings {
		t.Helper()
		found, err := f.Findings(ctx, step)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	before, now := find(t.Context(), 0), find(t.Context(), Now)
	if before.Step != 0 || now.Step != 4 || len(before.Claims) != 4 || before.Questions != 300 {
		t.Errorf("findings of steps %d and %d, with %d claims of %d questions", before.Step, now.Step, len(before.Claims), before.Questions)
	}
	if before.Lens.Probability[1] == now.Lens.Probability[1] {
		t.Error("four steps of training changed nothing that is found")
	}
	if find(t.Context(), 4) != now {
		t.Error("findings of a model in memory are found out again")
	}
	if _, err := f.Findings(t.Context(), 3); statusOf(err) != 404 {
		t.Errorf("of a checkpoint that was not kept: %v", err)
	}
}

func TestTheBeginningOfATextEndsWithAWholeLetter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "text")
	long := make([]byte, 0, 8<<10)
	for len(long) < 8<<10-1 {
		long = append(long, "ä…"...)
	}
	for content, want := range map[string]int{"to be": 5, string(long): 4<<10 - 1, "\xff\xfe\xfd\xfc\xfb": -1, "a\x00b": -1} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		text, err := beginning(path)
		if want < 0 && err == nil || want >= 0 && (err != nil || len(text) != want) {
			t.Errorf("of %.10q: %d bytes, %v; want %d", content, len(text), err, want)
		}
	}
}
