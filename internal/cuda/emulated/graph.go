package emulated

import (
	"errors"
	"fmt"
	"slices"

	"trainer/internal/cuda/driver"
)

// capture is what streams record while they are captured.
type capture struct {
	origin  *stream
	streams []*stream // with origin
	tasks   []*task
	spoilt  error // the first thing that may not be done in a capture; EndCapture fails with it
	ended   bool
}

func (c *capture) spoil(err error) {
	if c.spoilt == nil {
		c.spoilt = err
	}
}

// add makes the stream record.
func (c *capture) add(s *stream) {
	s.capture, s.recorded = c, nil
	c.streams = append(c.streams, s)
}

// graph is recorded work.
type graph struct {
	device *Device
	resource
	tasks []*task // in an order in which they could run
	last  *task   // the end of the latest replay; nil before
}

func (s *stream) BeginCapture() error {
	return s.call(func() error {
		if s.capture != nil {
			return fmt.Errorf("BeginCapture: stream %d is captured already", s.index)
		}
		c := &capture{origin: s}
		c.add(s)
		s.device.captures = append(s.device.captures, c)
		return nil
	})
}

// join makes it legal that the stream waits for a record, by pulling the stream into the capture that the record belongs to.
func (s *stream) join(record *task) error {
	c := record.capture
	var err error
	switch {
	case c == nil && s.capture == nil, c != nil && c == s.capture:
		return nil
	case c == nil:
		err = fmt.Errorf("stream %d is captured and the event was recorded outside the capture, by %s", s.index, record.name)
	case c.ended:
		return fmt.Errorf("the event was last recorded in a capture that has ended, by %s", record.name)
	case s.capture != nil:
		err = fmt.Errorf("stream %d is captured and the event belongs to another capture, by %s", s.index, record.name)
		c.spoil(err)
	default:
		c.add(s)
		return nil
	}
	s.capture.spoil(err)
	return err
}

func (s *stream) EndCapture() (g driver.Graph, err error) {
	err = s.call(func() error {
		c := s.capture
		switch {
		case c == nil:
			return fmt.Errorf("EndCapture: stream %d is not captured", s.index)
		case c.origin != s:
			err := fmt.Errorf("EndCapture: stream %d joined a capture that stream %d began and must end", s.index, c.origin.index)
			c.spoil(err)
			return err
		}
		d := s.device
		d.captures = slices.DeleteFunc(d.captures, func(other *capture) bool { return other == c })
		c.ended = true
		recorded := s.recorded
		for _, joined := range c.streams {
			joined.capture, joined.recorded = nil, nil
		}
		if err := c.unjoined(recorded); err != nil {
			return fmt.Errorf("EndCapture: %w", err)
		}
		g = &graph{device: d, resource: resource{name: fmt.Sprintf("a graph of %d pieces of work", len(c.tasks))}, tasks: c.tasks}
		return nil
	})
	return g, err
}

// unjoined returns an error if the capture was spoilt or holds work that the capturing stream, whose last task is given, does not wait for.
func (c *capture) unjoined(last *task) error {
	if c.spoilt != nil {
		return fmt.Errorf("the capture was spoilt: %w", c.spoilt)
	}
	if last == nil {
		return nil
	}
	joined := ancestors(last, func(*task) bool { return true })
	for _, t := range c.tasks {
		if !joined[t] && !t.marks {
			return fmt.Errorf("stream %d does not wait for %s: a stream that joins a capture must be waited for before its end",
				c.origin.index, t.name)
		}
	}
	return nil
}

func (s *stream) Replay(g driver.Graph) error {
	return s.call(func() error {
		own, ok := g.(*graph)
		switch {
		case !ok || own.device != s.device:
			return errors.New("Replay: the graph is not of this GPU")
		case own.gone:
			return errors.New("Replay: the graph is closed")
		case s.capture != nil:
			err := fmt.Errorf("Replay: stream %d is captured", s.index)
			s.capture.spoil(err)
			return err
		}
		for _, t := range own.tasks {
			if err := missing(t); err != nil {
				return fmt.Errorf("Replay: %w", err)
			}
		}
		s.replay(own)
		return nil
	})
}

// replay queues copies of a graph's tasks between two tasks of the stream. A graph does not overlap with itself: its replays on several
// streams follow each other.
func (s *stream) replay(g *graph) {
	first := &task{name: "begin of a replay", uses: []*resource{&g.resource}}
	if g.last != nil {
		first.after = append(first.after, g.last)
	}
	s.push(first)
	copies := map[*task]*task{}
	end := &task{name: "end of a replay", uses: []*resource{&g.resource}}
	for _, t := range g.tasks {
		c := &task{name: "replayed " + t.name, uses: t.uses, host: t.host, run: t.run, touched: t.touched, after: []*task{first}}
		for _, a := range t.after {
			c.after = append(c.after, copies[a])
		}
		copies[t] = c
		end.after = append(end.after, c)
		s.device.queue(c)
	}
	g.last = s.push(end)
}

func (g *graph) Close() error {
	return g.device.call(func() error { return g.device.release(&g.resource) })
}
