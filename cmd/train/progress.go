package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"trainer/internal/cli"
	"trainer/internal/format"
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
	step                      int
	loss, accuracy, lr, speed float64
	seconds, begun            float64 // of the run: now, and when this process began
	first                     int     // the step before the first of this process
	blame                     []float64
}

func (s *smoothed) add(m *train.Metrics) {
	weight := 0.02
	if s.step == 0 {
		weight = 1
		s.first, s.begun = m.Step-1, m.Seconds
		s.blame = make([]float64, len(m.Blame))
	}
	s.step, s.lr, s.seconds = m.Step, m.LearningRate, m.Seconds
	s.loss += weight * (m.Loss - s.loss)
	s.accuracy += weight * (m.Accuracy - s.accuracy)
	s.speed += weight * (m.TokensPerSecond - s.speed)
	for i, share := range m.Blame {
		s.blame[i] += weight * (share - s.blame[i])
	}
}

// left is the time that the remaining steps will take, "" when that is not known yet.
func (s *smoothed) left(steps int) string {
	if s.step < s.first+10 {
		return ""
	}
	d := time.Duration((s.seconds - s.begun) / float64(s.step-s.first) * float64(steps-s.step) * float64(time.Second))
	return fmt.Sprintf("%s left", d.Round(time.Second))
}

func (s *smoothed) numbers() string {
	return fmt.Sprintf("loss %.4f  accuracy %s  lr %.2e  %s tokens/s", s.loss, format.Percent(s.accuracy), s.lr, format.Thousands(int(s.speed)))
}

// blameLine lists the stages with their share, as many as fit.
func (s *smoothed) blameLine(session *session, width int) string {
	line := "blame"
	for i, stage := range session.trainer.Model.Stages {
		if stage.Weights == 0 {
			continue
		}
		part := fmt.Sprintf("  %s %.0f%%", shortStage(stage.Name), 100*s.blame[i])
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
	out     io.Writer
	session *session
	smooth  smoothed
}

// progressLines is about how many lines a whole run prints.
const progressLines = 20

func (p *lineProgress) stepped(m *train.Metrics) {
	p.smooth.add(m)
	steps := p.session.options.Steps
	if m.Step%max(1, steps/progressLines) == 0 || m.Step == steps {
		fmt.Fprintf(p.out, "  step %-7s %s  %s\n  %12s %s\n", format.Thousands(m.Step), p.smooth.numbers(), p.smooth.left(steps), "", p.smooth.blameLine(p.session, 100))
	}
}

func (p *lineProgress) print(string) bool { return false }
func (p *lineProgress) stop()             {}

// liveProgress is a bar with the numbers and the blame under it, drawn anew a few times a second by another goroutine.
type liveProgress struct {
	container *mpb.Progress
	bar       *mpb.Bar
	mutex     sync.Mutex
	smooth    smoothed
	drawn     float64 // seconds of the run when the bar was moved last
	stopped   bool
}

// redraw is the time between two drawings.
const redraw = 100 * time.Millisecond

func newLiveProgress(out io.Writer, terminal cli.Terminal, s *session) *liveProgress {
	p := &liveProgress{container: mpb.New(mpb.WithOutput(out), mpb.WithWidth(terminal.Width), mpb.WithRefreshRate(redraw))}
	steps := s.options.Steps
	read := func(show func(s *smoothed) string) string {
		p.mutex.Lock()
		defer p.mutex.Unlock()
		return show(&p.smooth)
	}
	text := func(show func(s *smoothed) string) decor.Decorator {
		return decor.Any(func(decor.Statistics) string { return read(show) })
	}
	below := func(style cli.Style, show func(s *smoothed) string) mpb.BarFiller {
		return mpb.BarFillerFunc(func(w io.Writer, _ decor.Statistics) error {
			_, err := fmt.Fprintf(w, "  %s\n", terminal.Paint(style, read(show)))
			return err
		})
	}
	p.bar = p.container.New(int64(steps), mpb.BarStyle().Lbound("").Rbound("").Filler("━").Tip("━").Padding("─"),
		mpb.PrependDecorators(text(func(m *smoothed) string {
			return fmt.Sprintf("  step %s of %s  ", format.Thousands(m.step), format.Thousands(steps))
		})),
		mpb.AppendDecorators(text(func(m *smoothed) string { return fmt.Sprintf("  %d %%  %s", 100*m.step/steps, m.left(steps)) })),
		mpb.BarBtmExtender(
			below(cli.Bold, (*smoothed).numbers),
			below(cli.Faint, func(m *smoothed) string { return m.blameLine(s, terminal.Width-6) })),
	)
	return p
}

func (p *liveProgress) stepped(m *train.Metrics) {
	p.mutex.Lock()
	p.smooth.add(m)
	p.mutex.Unlock()
	if m.Seconds-p.drawn > redraw.Seconds()/2 {
		p.drawn = m.Seconds
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
