package train

import (
	"context"
	"time"

	"trainer/internal/collective"
)

// Interlude comes between two steps of a run, while no step is under way and the weights are those of a step: to look into the model, to
// answer questions about it, or to pause. All of its methods are called by the goroutine that calls Run.
type Interlude interface {
	// Due says whether there is something to do before the next step. It is asked at each step, and should cost next to nothing.
	Due() bool
	// Between may use the trainer, and must not take steps. The next step waits until it returns, which it does soon when ctx ends, and
	// the time does not count as the run's. With follow the next step is followed through the example that it deals first. An error ends
	// the run.
	Between(ctx context.Context) (follow bool, err error)
	// Followed is given the story of a step that was asked for.
	Followed(f *Followed)
}

// rest lets the interlude come, if it is due. In a group, rank 0 has said so in its last step, and tells the others what comes of it.
func (r *run) rest() (err error) {
	if r.engine.together() {
		if r.wish&toRest == 0 || len(r.begun) > 0 {
			return nil
		}
		follow, err := collective.Lead(r.engine.group, func() ([]byte, error) {
			if follow, err := r.between(); !follow {
				return nil, err
			}
			return []byte{1}, nil
		})
		r.follow = len(follow) > 0
		return err
	}
	if r.Interlude == nil || len(r.begun) > 0 || !r.Interlude.Due() {
		return nil
	}
	r.follow, err = r.between()
	return err
}

// between is the interlude.
func (r *run) between() (follow bool, err error) {
	begun := time.Now()
	follow, err = r.Interlude.Between(r.ctx)
	r.AddSeconds(-time.Since(begun).Seconds())
	return follow, err
}

// followNext is Step with the story that the interlude has asked for.
func (r *run) followNext() (*Metrics, error) {
	f, err := r.FollowStep(r.NextExample())
	if err != nil {
		return nil, err
	}
	if r.Interlude != nil { // of rank 0
		r.Interlude.Followed(f)
	}
	return f.Metrics, nil
}
