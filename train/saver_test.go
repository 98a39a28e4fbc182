package train

import (
	"context"
	"errors"
	"maps"
	"math"
	"strings"
	"testing"
	"time"

	"trainer/internal/fault"
	"trainer/internal/memory"
	"trainer/tokenizer"
)

// gate is a tokenizer whose JSON, and with it a checkpoint, can be held up.
type gate struct {
	tokenizer.Tokenizer
	opened <-chan struct{} // nil is open
}

func (g *gate) JSON() []byte {
	if g.opened != nil {
		<-g.opened
	}
	return g.Tokenizer.JSON()
}

// gated is a run of which no checkpoint but the first is written before the gate is opened.
func gated(t *testing.T) (trainer *Trainer, plan Plan, open func()) {
	t.Helper()
	trainer, plan = newRun(t, mixed(20), nil, quick())
	g := &gate{Tokenizer: trainer.Tokenizer}
	trainer.Tokenizer = g
	if err := plan.Folder.Save(trainer, nil); err != nil {
		t.Fatal(err)
	}
	steps(t, trainer, 1) // there is no first checkpoint to wait for
	opened := make(chan struct{})
	g.opened = opened
	return trainer, plan, func() { close(opened) }
}

func TestACheckpointThatIsWrittenWhileTrainingGoesOnIsThatOfItsStep(t *testing.T) {
	list := mixed(20)
	whole, wholePlan := newRun(t, list, nil, quick())
	steps(t, whole, 5)
	if err := wholePlan.Folder.Save(whole, nil); err != nil {
		t.Fatal(err)
	}
	want := contents(t, wholePlan.Folder.Dir)

	trainer, plan, open := gated(t)
	plan.SaveEvery, plan.StopAfter = 5, 9
	var got map[string]string
	r := &recorder{after: func(step int) {
		if step == 8 { // three steps behind the checkpoint
			open()
			awaitCheckpoint(t, plan.Folder, 5)
			got = contents(t, plan.Folder.Dir)
		}
	}}
	if err := trainer.Run(t.Context(), plan, r); !errors.Is(err, fault.ErrInterrupted) {
		t.Fatal(err)
	}
	delete(got, MetricsFile)
	delete(want, MetricsFile)
	if !maps.Equal(got, want) {
		for name := range want {
			t.Errorf("%s is that of step 5: %t", name, got[name] == want[name])
		}
	}
	if step := savedStep(t, plan.Folder); step != 9 {
		t.Errorf("step %d is saved in the end, want 9", step)
	}
}

func TestAnInterruptedRunWaitsForItsCheckpointAndSavesTheLastStep(t *testing.T) {
	trainer, plan, open := gated(t)
	plan.SaveEvery = 4
	ctx, cancel := context.WithCancel(t.Context())
	r := &recorder{after: func(step int) {
		if step == 6 {
			cancel()
			time.AfterFunc(50*time.Millisecond, open)
		}
	}}
	if err := trainer.Run(ctx, plan, r); !errors.Is(err, fault.ErrInterrupted) {
		t.Fatal(err)
	}
	if told := strings.Join(r.events[len(r.events)-3:], ", "); told != "step 6, save 4, save 6" {
		t.Errorf("the observer was told %q, want both checkpoints behind step 6", told)
	}
	if step := savedStep(t, plan.Folder); step != 6 {
		t.Errorf("step %d is saved, want 6", step)
	}
}

func TestAFailedStepWaitsForTheCheckpointBeforeIt(t *testing.T) {
	trainer, plan, open := gated(t)
	plan.SaveEvery = 4
	r := &recorder{after: func(step int) {
		if step == 5 {
			trainer.Model.Parameter("transformer.ln_f.bias").Value[0] = float32(math.NaN()) // as is the loss of the next step
			time.AfterFunc(50*time.Millisecond, open)
		}
	}}
	err := trainer.Run(t.Context(), plan, r)
	var broken *NonFiniteError
	if !errors.As(err, &broken) {
		t.Fatalf("error is %v, want a *NonFiniteError", err)
	}
	if step := savedStep(t, plan.Folder); step != 4 {
		t.Errorf("step %d is saved, want 4", step)
	}
}

func TestACheckpointIsWaitedForWhereMemoryHasNoRoomForACopy(t *testing.T) {
	free := 0
	availableMemory = func() (int, bool) { return free, true }
	t.Cleanup(func() { availableMemory = memory.Available })
	trainer, plan := newRun(t, mixed(20), nil, quick())
	held, err := trainer.snapshot(nil)
	if err != nil {
		t.Fatal(err)
	}
	for want, bytes := range map[bool]int{false: 2*held.bytes() - 1, true: 2 * held.bytes()} {
		free = bytes
		if got := new(snapshotMemory).fits(held); got != want {
			t.Errorf("a copy of %d bytes fits into %d that are free: %t", held.bytes(), free, got)
		}
	}
	free = 0
	plan.SaveEvery = 3
	var r recorder
	if err := trainer.Run(t.Context(), plan, &r); err != nil {
		t.Fatal(err)
	}
	for i, event := range r.events {
		if event == "save 3" && r.events[i-1] != "step 3" {
			t.Errorf("step 3 was saved behind %q", r.events[i-1])
		}
	}
}
