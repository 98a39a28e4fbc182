package main

import (
	"testing"

	"trainer/internal/cli"
	"trainer/internal/findings"
)

func TestClaimsAreFollowedAlongTheRun(t *testing.T) {
	early := &findings.Findings{Step: 0, Claims: []findings.Claim{{ID: "numbers", Value: 0.08, Threshold: 0.3}, {ID: "output", Threshold: 0.5}}}
	late := &findings.Findings{Step: 4000, Claims: []findings.Claim{
		{ID: "numbers", Value: 0.65, Threshold: 0.3}, {ID: "output", Value: 0.976, Threshold: 0.5},
	}}
	want := `
Along the run
  step               numbers        output
  0                     0.08          0.00
  4,000                 0.65          0.98
  borne out by          0.30          0.50
`
	if got := along([]*findings.Findings{early, late}, cli.Terminal{Width: 80}); got != want {
		t.Errorf("the table is\n%s\nwant\n%s", got, want)
	}
}
