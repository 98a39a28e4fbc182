package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"trainer/internal/format"
	"trainer/model"
	"trainer/train"
)

// progress shows the steps of a run.
type progress interface {
	stepped(m *train.Metrics)
	print(text string) bool // prints text without disturbing the progress; false when it is not shown at the moment
	stop()
}

// smoothed is a moving mean of the metrics over about 50 steps: single batches jump about too much to be read.
type smoothed struct {
	step, steps               int // taken, and of the whole run
	loss, accuracy, lr, speed float64
	seconds, begun            float64 // of the run: now, and when this process began
	first                     int     // the step before the first of this process
	stages                    []model.Stage
	blame                     []float64
}

func (s *smoothed) add(m *train.Metrics) {
	weight := 0.02
	if s.step == 0 {
		weight = 1
		s.first, s.begun = m.Step-1, m.Seconds
		s.stages, s.blame = m.Stages, make([]float64, len(m.Blame))
	}
	s.step, s.lr, s.seconds = m.Step, m.LearningRate, m.Seconds
	s.loss += weight * (m.Loss - s.loss)
	s.accuracy += weight * (m.Accuracy - s.accuracy)
	s.speed += weight * (m.TokensPerSecond - s.speed)
	for i, share := range m.Blame {
		s.blame[i] += weight * (share - s.blame[i])
	}
}

// share is the blame of a stage, 0 before the first step.
func (s *smoothed) share(stage int) float64 {
	if s.step == 0 {
		return 0
	}
	return s.blame[stage]
}

// left is the time that the remaining steps will take, "" when that is not known yet, and at the end the time that the run took.
func (s *smoothed) left() string {
	switch {
	case s.step == s.steps:
		return fmt.Sprintf("in %.1f s", s.seconds)
	case s.step < s.first+10:
		return ""
	}
	d := time.Duration((s.seconds - s.begun) / float64(s.step-s.first) * float64(s.steps-s.step) * float64(time.Second))
	return fmt.Sprintf("%s left", d.Round(time.Second))
}

func (s *smoothed) numbers() string {
	return fmt.Sprintf("loss %s  accuracy %s  lr %.2e  %s tokens/s",
		lossText(s.loss), format.Percent(s.accuracy), s.lr, format.Thousands(int(s.speed)))
}

// blameLine lists the stages with their share, as many as fit.
func (s *smoothed) blameLine(width int) string {
	line := "blame "
	for i, stage := range s.stages {
		if stage.Weights == 0 {
			continue
		}
		part := fmt.Sprintf(" %s %.0f%%", shortStage(stage.Name), 100*s.blame[i])
		if len(line)+len(part) > width {
			return line + " …"
		}
		line += part
	}
	return line
}

// shortStage abbreviates the name of a stage: "attention 1" is "att1".
func shortStage(name string) string {
	word, number, _ := strings.Cut(name, " ")
	return word[:3] + number
}

// lineProgress prints a line now and then.
type lineProgress struct {
	screen *screen
	smooth smoothed
}

// progressLines is about how many lines a whole run prints.
const progressLines = 20

func (p *lineProgress) stepped(m *train.Metrics) {
	p.smooth.steps = p.screen.session.options.Steps
	p.smooth.add(m)
	if m.Step%max(1, p.smooth.steps/progressLines) == 0 || m.Step == p.smooth.steps {
		p.screen.print("  step %-8s %s\n  %-13s %s\n", format.Thousands(m.Step), p.smooth.numbers(), p.smooth.left(),
			p.smooth.blameLine(p.screen.terminal.Width-16))
	}
}

func (p *lineProgress) print(string) bool { return false }
func (p *lineProgress) stop()             {}

// liveProgress is a bar with the numbers and the blame under it, drawn anew a few times a second by another goroutine.
type liveProgress struct {
	container *mpb.Progress
	bar       *mpb.Bar
	mutex     sync.Mutex // guards smooth
	smooth    smoothed
	moved     time.Time // when the bar was moved last
	stopped   bool
}

// redraw is the time between two drawings.
const redraw = 100 * time.Millisecond

func newLiveProgress(v *screen) *liveProgress {
	steps := v.session.options.Steps
	p := &liveProgress{
		container: mpb.New(mpb.WithOutput(v.out), mpb.WithWidth(v.terminal.Width), mpb.WithRefreshRate(redraw)),
		smooth:    smoothed{steps: steps},
	}
	read := func(show func(s *smoothed) string) string {
		p.mutex.Lock()
		defer p.mutex.Unlock()
		return show(&p.smooth)
	}
	text := func(show func(s *smoothed) string) decor.Decorator {
		return decor.Any(func(decor.Statistics) string { return read(show) })
	}
	var below []mpb.BarFiller
	for _, line := range v.below() { // one each: the bar counts its lines by them
		below = append(below, mpb.BarFillerFunc(func(w io.Writer, _ decor.Statistics) error {
			_, err := fmt.Fprintf(w, "  %s\n", read(line))
			return err
		}))
	}
	p.bar = p.container.New(int64(steps), mpb.BarStyle().Lbound("").Rbound("").Filler("━").Tip("━").Padding("─"),
		mpb.PrependDecorators(text(func(m *smoothed) string {
			// The return undoes the ^C that a terminal writes in front of the next drawing.
			return fmt.Sprintf("\r  step %s of %s  ", format.Thousands(m.step), format.Thousands(steps))
		})),
		mpb.AppendDecorators(text(func(m *smoothed) string { return fmt.Sprintf("  %d %%  %s", 100*m.step/steps, m.left()) })),
		mpb.BarBtmExtender(below...),
	)
	return p
}

// below are what writes the lines under the bar: the numbers, and the blame of each stage as a bar, or all on one line where there is no
// room for more.
func (v *screen) below() []func(s *smoothed) string {
	lines := []func(s *smoothed) string{func(s *smoothed) string { return v.bold(s.numbers()) }}
	stages := v.session.trainer.Model.Stages
	const others = 6 // lines besides the stages, so that what was printed last stays in sight
	if len(stages)+others > v.terminal.Height {
		return append(lines, func(s *smoothed) string { return v.faint(s.blameLine(v.terminal.Width - 6)) })
	}
	name := "blame"
	for i, stage := range stages {
		if stage.Weights == 0 {
			continue
		}
		head := v.faint(fmt.Sprintf("%-5s", name)) + fmt.Sprintf("  %-12s", stage.Name)
		lines = append(lines, func(s *smoothed) string {
			return fmt.Sprintf("%s %3.0f %%  %s", head, 100*s.share(i), v.bar(s.share(i), min(50, v.terminal.Width-32)))
		})
		name = ""
	}
	return lines
}

func (p *liveProgress) stepped(m *train.Metrics) {
	p.mutex.Lock()
	p.smooth.add(m)
	p.mutex.Unlock()
	if now := time.Now(); now.Sub(p.moved) > redraw/2 {
		p.moved = now
		p.bar.SetCurrent(int64(m.Step))
	}
}

func (p *liveProgress) print(text string) bool {
	if p.stopped {
		return false
	}
	io.WriteString(p.container, text)
	return true
}

// stop leaves the bar where it is.
func (p *liveProgress) stop() {
	p.bar.SetCurrent(int64(p.smooth.step))
	p.bar.Abort(false)
	p.container.Wait()
	p.stopped = true
}
