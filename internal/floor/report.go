package floor

import (
	"context"

	"trainer/internal/floor/api"
)

// What a report holds of a run, so that it stays small enough to send around.
const (
	reportCheckpoints = 4 // the first, the last and some between
	reportQuestions   = 5
	reportRuns        = 4 // beside one's own
)

// Gather asks a run for all that a report shows of it.
func Gather(ctx context.Context, f *Folder, beside *Runs) (*api.Document, error) {
	run := f.Run()
	run.Checkpoints = spread(run.Checkpoints, reportCheckpoints)
	run.Questions = run.Questions[:min(reportQuestions, len(run.Questions))]
	d := &api.Document{Run: run, Metrics: map[string]*api.Metrics{run.Name: f.Metrics(0)}, Traces: []*api.Trace{}, Findings: []any{}}
	d.Run.Runs = []string{run.Name}
	for _, name := range beside.Names() {
		if name == run.Name || len(d.Run.Runs) > reportRuns {
			continue
		}
		m, err := beside.Metrics(name, 0)
		if err != nil {
			return nil, err
		}
		d.Metrics[name], d.Run.Runs = m, append(d.Run.Runs, name)
	}
	for _, c := range run.Checkpoints {
		for _, text := range run.Questions {
			t, err := f.Trace(ctx, Question{Text: text, Step: c.Step})
			if err != nil {
				return nil, err
			}
			d.Traces = append(d.Traces, t)
		}
		found, err := f.Findings(ctx, c.Step)
		if err != nil {
			return nil, err
		}
		d.Findings = append(d.Findings, found)
	}
	if len(run.Questions) > 0 {
		var err error
		if d.Example, err = f.Example(ctx); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// spread are n elements of a list, the first and the last among them.
func spread[T any](list []T, n int) []T {
	if len(list) <= n {
		return list
	}
	var some []T
	for i := range n {
		some = append(some, list[i*(len(list)-1)/(n-1)])
	}
	return some
}
