package train

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"trainer/internal/fault"
)

// visitor is an Interlude that comes before every step.
type visitor struct {
	recorder
	trainer *Trainer
	between func(ctx context.Context) (follow bool)
}

func (v *visitor) Due() bool { return true }

func (v *visitor) Between(ctx context.Context) (bool, error) {
	v.note("between, behind %d", v.trainer.StepsTaken())
	return v.between(ctx), nil
}

// visited runs a short training with a visitor.
func visited(t *testing.T, ctx context.Context, between func(ctx context.Context) bool) (*visitor, Plan, error) {
	t.Helper()
	o := quick()
	o.Steps = 4
	trainer, plan := newRun(t, mixed(20), nil, o)
	v := &visitor{trainer: trainer, between: between}
	plan.Interlude = v
	return v, plan, trainer.Run(ctx, plan, v)
}

func TestAnInterludeComesBeforeEachStepAndMayFollowTheNext(t *testing.T) {
	v, _, err := visited(t, t.Context(), func(context.Context) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	for step := 1; step <= 4; step++ {
		i := slices.Index(v.events, fmt.Sprintf("between, behind %d", step-1))
		if i < 0 || i+2 >= len(v.events) || !strings.HasPrefix(v.events[i+1], "follow") || v.events[i+2] != fmt.Sprintf("step %d", step) {
			t.Fatalf("events are %q: want between, follow, step %d", v.events, step)
		}
	}
}

func TestLookingBetweenStepsChangesNoWeight(t *testing.T) {
	weights := func(look bool) []float32 {
		v, _, err := visited(t, t.Context(), func(context.Context) bool { return look })
		if err != nil {
			t.Fatal(err)
		}
		return v.trainer.Model.Weights
	}
	sameBits(t, "weights of a run that was looked at", weights(true), weights(false))
}

func TestAnInterruptEndsAnInterludeAndTheRunSaves(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	calls := 0
	v, plan, err := visited(t, ctx, func(ctx context.Context) bool {
		if calls++; calls == 3 { // pause behind step 2
			time.AfterFunc(10*time.Millisecond, interrupt)
			<-ctx.Done()
		}
		return false
	})
	if !errors.Is(err, fault.ErrInterrupted) || v.trainer.StepsTaken() != 2 || savedStep(t, plan.Folder) != 2 {
		t.Errorf("interrupted behind step %d, saved %d: %v, want step 2", v.trainer.StepsTaken(), savedStep(t, plan.Folder), err)
	}
}

func TestTheTimeOfAnInterludeIsNotTheRuns(t *testing.T) {
	const pause = 100 * time.Millisecond
	begun := time.Now()
	v, _, err := visited(t, t.Context(), func(context.Context) bool {
		time.Sleep(pause)
		return false
	})
	all := time.Since(begun).Seconds()
	if err != nil {
		t.Fatal(err)
	}
	if took := v.trainer.Seconds(); took > all-4*pause.Seconds() {
		t.Errorf("the run took %.3f s of %.3f s, with 4 pauses of %v in it", took, all, pause)
	}
}

// failing is an Interlude with an error.
type failing struct{ visitor }

func (failing) Between(context.Context) (bool, error) { return false, errors.New("no more") }

func TestAnErrorOfAnInterludeEndsTheRun(t *testing.T) {
	trainer, plan := newRun(t, mixed(20), nil, quick())
	plan.Interlude = &failing{}
	if err := trainer.Run(t.Context(), plan, &recorder{}); err == nil || err.Error() != "no more" || trainer.StepsTaken() != 0 {
		t.Errorf("the run ended with %v behind step %d", err, trainer.StepsTaken())
	}
}
