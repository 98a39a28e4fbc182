package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"trainer/internal/cli"
	"trainer/internal/format"
	"trainer/internal/sharding"
)

// shardProgress shows how far the shards are: a bar on a terminal, a line now and then elsewhere.
type shardProgress struct {
	out    io.Writer
	begin  time.Time
	mutex  sync.Mutex // guards what follows: the bar is drawn by another goroutine
	first  *sharding.Progress
	latest sharding.Progress
	shown  time.Time // the last line

	container *mpb.Progress // nil where lines are written
	bar       *mpb.Bar
}

// lineEvery is the time between two lines.
const lineEvery = 10 * time.Second

func newShardProgress(out io.Writer) *shardProgress {
	p := &shardProgress{out: out, begin: time.Now(), shown: time.Now()}
	terminal := cli.TerminalOf(out)
	if !terminal.Live {
		return p
	}
	read := func(text func() string) decor.Decorator {
		return decor.Any(func(decor.Statistics) string {
			p.mutex.Lock()
			defer p.mutex.Unlock()
			return text()
		})
	}
	p.container = mpb.New(mpb.WithOutput(out), mpb.WithWidth(terminal.Width), mpb.WithRefreshRate(100*time.Millisecond))
	p.bar = p.container.New(1, mpb.BarStyle().Lbound("").Rbound("").Filler("━").Tip("━").Padding("─"),
		mpb.PrependDecorators(read(func() string { return "\r  " + p.share() + "  " })), // the return undoes the ^C of a terminal
		mpb.AppendDecorators(read(func() string { return "  " + p.numbers() })))
	return p
}

// show takes note of how far it is.
func (p *shardProgress) show(now sharding.Progress) {
	p.mutex.Lock()
	if p.first == nil {
		p.first = &now
	}
	p.latest = now
	line := p.container == nil && time.Since(p.shown) >= lineEvery
	if line {
		p.shown = time.Now()
		fmt.Fprintf(p.out, "  %s  %s\n", p.share(), p.numbers())
	}
	p.mutex.Unlock()
	if p.bar != nil {
		p.bar.SetTotal(now.Size, false)
		p.bar.SetCurrent(now.Read)
	}
}

// share is how much of the files is read.
func (p *shardProgress) share() string {
	return fmt.Sprintf("%s of %s MB", megabytes(p.latest.Read), megabytes(p.latest.Size))
}

// numbers are the speed, in text since this process began, the tokens and the time that is left.
func (p *shardProgress) numbers() string {
	tokens := format.Thousands(int(p.latest.Tokens)) + " tokens"
	seconds := time.Since(p.begin).Seconds()
	if p.first == nil || p.latest.Read == p.first.Read || seconds < 1 {
		return tokens
	}
	speed := float64(p.latest.Bytes-p.first.Bytes) / 1e6 / seconds
	left := seconds * float64(p.latest.Size-p.latest.Read) / float64(p.latest.Read-p.first.Read)
	return fmt.Sprintf("%.1f MB/s  %s  %s left", speed, tokens, time.Duration(left*float64(time.Second)).Round(time.Second))
}

// stop leaves the bar where it is.
func (p *shardProgress) stop() {
	if p.bar != nil {
		p.bar.Abort(false)
		p.container.Wait()
	}
}
