// Package floor is the factory floor: a page that shows a run from inside, one example on its way through the model, the numbers of all
// steps, and what the model has learned.
//
//	train.Observer → Live ┐
//	run folder → Folder   ┴ Source → New: HTTP API, events, the page's files → a browser
//	                               → Report: the same page with its data in one file
//
// Live is the run of this very process: the training goroutine hands over numbers, and looks into the model between two steps, as far as its
// budget goes. Folder is a run on the disk, finished or still going on in another process. The documents are those of package api, the page is
// package page. Start at Source, then handler.go for the API and hub.go for the events; interlude.go is what happens between two steps.
package floor

import (
	"context"

	"trainer/internal/findings"
	"trainer/internal/floor/api"
)

// Source is a run to look at. Its methods may be called at the same time. Errors that are the asker's are of type *Refusal.
type Source interface {
	// Run says what is trained and where that stands.
	Run() api.Run
	// Metrics are the numbers of the steps behind the step since.
	Metrics(since int) *api.Metrics
	// Trace follows a question through the model. It may wait for its turn, until ctx ends.
	Trace(ctx context.Context, q Question) (*api.Trace, error)
	// Example is the training example that was followed last; of a run that nobody trains, one of its questions or the beginning of its text.
	Example(ctx context.Context) (*api.Trace, error)
	// Findings are what the model of a checkpoint has learned; of the last one with Now. It takes a second or more.
	Findings(ctx context.Context, step int) (*findings.Findings, error)
	// Control acts on a run: the actions of package api.
	Control(action string) (api.StateEvent, error)
	// Watch publishes what happens, until ctx ends. It is called once.
	Watch(ctx context.Context, h *Hub)
}

// Now is the step of the model as it is, in place of that of a checkpoint.
const Now = -1

// Question is what a Trace is asked for.
type Question struct {
	Text   string
	Target string // the right next word, "" where that is not known
	Step   int    // of a checkpoint, or Now
}
