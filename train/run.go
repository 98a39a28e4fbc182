package train

import (
	"context"
	"errors"
	"fmt"

	"trainer/internal/fault"
)

// Plan says how a run goes on besides its steps.
type Plan struct {
	Folder         *Folder           // where it is kept; its metrics are open. Nil on the ranks of a group behind 0.
	Arguments      map[string]string // kept with each checkpoint
	EvaluateEvery  int               // steps between evaluations of the held-out examples; 0 is never
	SaveEvery      int               // steps between checkpoints; 0 is at the end only
	Keep           Keep              // which of them are kept; one behind each evaluation that is the best so far, if the best is to be
	TargetAccuracy float64           // stop when the held-out accuracy is this high; 0 is never
	StopAfter      int               // stop at this step, as if interrupted; 0 is never
	Interlude      Interlude         // nil is none; of a group, on rank 0
}

// Observer is told what happens in a run, between steps. What it is given is only valid during the call.
type Observer interface {
	Stepped(m *Metrics)
	Followed(f *Followed) // the first and the last step, seen from one example
	Evaluated(step int, e *Evaluation)
	Saved(c Checkpoint) // which is on the disk; one or more steps may have been taken meanwhile
}

// Run trains until the last step, the target accuracy or the end of ctx, and saves. A step of several micro-batches in which ctx ends is given
// up. Ended early by ctx or StopAfter, it returns fault.ErrInterrupted after the save. After any other error the last checkpoint stands.
//
// In a group all processes run with the same plan. The end of ctx on any of them ends the run on all, behind the step that is under way. A
// *NonFiniteError and fault.ErrInterrupted are returned by all; any other error is that of this process alone, which the others do not know
// of: Group.Abort is then what ends them.
func (t *Trainer) Run(ctx context.Context, plan Plan, o Observer) error {
	r := &run{Trainer: t, Plan: plan, Observer: o, ctx: ctx, saver: saver{saved: -1}, example: -1}
	t.engine.stop, t.engine.wish = func() bool { return ctx.Err() != nil }, r.wishes
	defer func() { t.engine.stop, t.engine.wish = nil, nil }()
	err := r.steps()
	if failed := r.settle(); failed != nil { // only behind an error: all other ways out save last
		err = fmt.Errorf("%w; %w", err, failed)
	}
	return err
}

type run struct {
	*Trainer
	Plan
	Observer
	ctx     context.Context
	saver   saver
	example int      // that is followed; -1 before it is chosen
	follow  bool     // the next step, for the interlude
	heldOut *HeldOut // of an evaluation behind the last step, nil where there was none
	best    *HeldOut // of all checkpoints
}

// steps is the loop.
func (r *run) steps() (err error) {
	if r.step == 0 {
		err = r.save(false)
	} else {
		r.heldOut, r.best, err = r.standing()
	}
	if err != nil {
		return err
	}
	for r.step < r.Options.Steps {
		if err := r.report(); err != nil {
			return err
		}
		if r.interrupted() && len(r.begun) == 0 {
			if err := r.save(false); err != nil {
				return err
			}
			return fault.ErrInterrupted
		}
		if err := r.rest(); err != nil {
			return err
		}
		if r.interrupted() && len(r.begun) == 0 {
			continue
		}
		reached, err := r.next()
		if errors.Is(err, errStopped) {
			continue
		}
		if err != nil {
			return err
		}
		if reached {
			break
		}
	}
	return r.save(false)
}

// next takes a step and what is due after it. reached says that the target accuracy was.
func (r *run) next() (reached bool, err error) {
	m, err := r.observedStep()
	if err != nil {
		return false, err
	}
	if r.leads() {
		if err := r.Folder.Log(m); err != nil {
			return false, err
		}
	}
	r.Stepped(m)
	last, improved := r.step == r.Options.Steps, false
	r.heldOut = nil
	if r.HeldOut.Len() > 0 && (due(r.step, r.EvaluateEvery) || last) {
		e, err := r.Evaluate(r.HeldOut)
		if err != nil {
			return false, err
		}
		if r.leads() {
			if err := r.Folder.LogEvaluation(r.step, e); err != nil {
				return false, err
			}
		}
		r.Evaluated(r.step, e)
		r.heldOut = e.heldOut()
		if improved = r.Keep.Best != "" && r.Keep.Best.better(r.heldOut, r.best); improved {
			r.best = r.heldOut
		}
		reached = r.TargetAccuracy > 0 && e.Accuracy() >= r.TargetAccuracy
	}
	if (due(r.step, r.SaveEvery) || improved) && !last && !reached {
		return reached, r.save(true)
	}
	return reached, nil
}

// observedStep is Step, and on the first step of the process and the last one of the run the story of an example.
func (r *run) observedStep() (*Metrics, error) {
	first := r.example < 0
	if first {
		r.example = r.NextExample()
	}
	follow := r.follow
	r.follow = false
	if !first && r.step+1 < r.Options.Steps {
		if follow {
			return r.followNext()
		}
		return r.stepAhead()
	}
	f, err := r.FollowStep(r.example)
	if err != nil {
		return nil, err
	}
	r.Followed(f)
	return f.Metrics, nil
}

// stepAhead is Step, but on a GPU it begins the step after it too, unless there is something to do in between.
func (r *run) stepAhead() (*Metrics, error) {
	if len(r.begun) == 0 {
		if err := r.begin(); err != nil {
			return nil, err
		}
	}
	if r.engine.runsAhead() && !r.pausesAfter(r.step+1) {
		if err := r.begin(); err != nil && !errors.Is(err, errStopped) {
			return nil, err
		}
	}
	return r.end()
}

// leads says that this process keeps the run.
func (r *run) leads() bool { return r.engine.group.Rank() == 0 }

// standing is how the checkpoint that the run goes on from did, and the best of all.
func (r *run) standing() (heldOut, best *HeldOut, err error) {
	var found [2]*HeldOut
	if r.leads() {
		if found[0], found[1], err = r.Folder.standing(r.step, r.Keep.Best); err != nil {
			return nil, nil, err
		}
	}
	list, err := tell(r.engine.group, found)
	if err != nil {
		return nil, nil, err
	}
	return list[0][0], list[0][1], nil
}

// wishes are what this process of a group wants.
func (r *run) wishes() wish {
	var w wish
	if r.ctx.Err() != nil {
		w |= toStop
	}
	if r.Interlude != nil && r.Interlude.Due() {
		w |= toRest
	}
	return w
}

// interrupted says that the run is to stop where it is. A group has agreed on it in its last step.
func (r *run) interrupted() bool {
	stop := r.ctx.Err() != nil
	if r.engine.together() {
		stop = r.wish&toStop != 0
	}
	return stop || r.StopAfter > 0 && r.step+len(r.begun) >= r.StopAfter
}

// pausesAfter says that something else comes behind a step than the next one: an evaluation, a checkpoint, an interlude, the step that is
// followed, the end.
func (r *run) pausesAfter(step int) bool {
	rests := r.Interlude != nil && r.Interlude.Due()
	if r.engine.together() {
		rests = r.wish&toRest != 0 // the ranks begin the same steps
	}
	return r.interrupted() || rests || r.HeldOut.Len() > 0 && due(step, r.EvaluateEvery) ||
		due(step, r.SaveEvery) || step+1 >= r.Options.Steps
}

func due(step, every int) bool { return every > 0 && step%every == 0 }
