package train

import (
	"path/filepath"
	"slices"

	"trainer/internal/device"
	"trainer/internal/fault"
	"trainer/train/examples"
)

// Rehearse takes the step that would come behind a checkpoint if its batch were one prompt alone, and reports what it does, as FollowStep does.
// dir is a run folder or a checkpoint that was kept in it; nothing is written there. The optimizer is where the checkpoint left it, and its
// learning rate is that of the schedule, behind the last step the one of that step. The error is of class data.
func Rehearse(dir, question string, prompt []int32, target int32) (*Followed, error) {
	path := filepath.Join(dir, StateFile)
	s, err := ReadState(path)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return nil, fault.Dataf("%s: there is no such file: expected the state of a training run", path)
	}
	m, names, err := LoadModel(dir)
	if err != nil {
		return nil, err
	}
	o := s.Options
	o.Batch, o.Accumulate, o.Repeats, o.Dropout = 1, 1, nil, 0
	o.Device, o.Precision, o.GEMM, o.Threads, o.Recompute = device.CPU, device.Precisions[0], device.GEMMs[0], 1, false
	t, err := New(m, names, alone(question, prompt, target), NewText(InMemory(nil, 0), m.Config.Context, 0), o)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	if err := t.readMoments(path); err != nil {
		return nil, err
	}
	t.optimizer.SetSteps(s.Step)
	t.step = max(0, min(s.Step, o.Steps-1))
	if err := t.engine.updater.push(t.step); err != nil {
		return nil, err
	}
	return t.FollowStep(0)
}

// alone is data of one prompt, whose answer is the next token.
func alone(question string, prompt []int32, target int32) *Dataset {
	targets := append(slices.Clone(prompt[1:]), target)
	answers := make([]int32, len(prompt))
	for i := range answers {
		answers[i] = -1
	}
	answers[len(prompt)-1] = target
	return &Dataset{
		Examples:  []examples.Example{{Question: question}},
		sequences: []sequence{{inputs: prompt, targets: targets, answers: answers, wanted: 1, question: len(prompt)}},
	}
}
