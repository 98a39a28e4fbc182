package cli

import "testing"

func TestASiblingIsRunAsThisProgramWas(t *testing.T) {
	if got := Sibling("generate"); got != "go run ./cmd/generate" {
		t.Errorf("under the go command a sibling is run by %q", got)
	}
	for program, want := range map[string]string{"train": "generate", "bin/train": "bin/generate", "/usr/bin/train": "/usr/bin/generate"} {
		if got := sibling(program, "generate"); got != want {
			t.Errorf("beside %s is %s, want %s", program, got, want)
		}
	}
}
