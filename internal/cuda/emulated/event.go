package emulated

import (
	"errors"
	"fmt"

	"trainer/internal/cuda/driver"
)

// event is the place of a record in a stream or a capture.
type event struct {
	device *Device
	last   *task // the latest record; nil before
	closed bool
}

func (d *Device) NewEvent() (e driver.Event, err error) {
	err = d.call(func() error {
		e = &event{device: d}
		return nil
	})
	return e, err
}

// ours returns the event of this device that e is.
func (d *Device) ours(e driver.Event) (*event, error) {
	own, ok := e.(*event)
	switch {
	case !ok || own.device != d:
		return nil, errors.New("the event is not of this GPU")
	case own.closed:
		return nil, errors.New("the event is closed")
	}
	return own, nil
}

func (s *stream) Record(e driver.Event) error {
	return s.call(func() error {
		own, err := s.device.ours(e)
		if err != nil {
			return fmt.Errorf("Record: %w", err)
		}
		own.last = s.push(&task{name: "record of an event", marks: true})
		return nil
	})
}

func (s *stream) Wait(e driver.Event) error {
	return s.call(func() error {
		own, err := s.device.ours(e)
		if err != nil {
			return fmt.Errorf("Wait: %w", err)
		}
		if own.last == nil {
			return nil
		}
		if err := s.join(own.last); err != nil {
			return fmt.Errorf("Wait: %w", err)
		}
		s.push(&task{name: "wait for an event", after: []*task{own.last}})
		return nil
	})
}

func (e *event) Synchronize() error {
	return e.device.callOutside("Synchronize", func() error {
		switch {
		case e.closed:
			return errors.New("Synchronize: the event is closed")
		case e.last != nil && e.last.capture != nil:
			return fmt.Errorf("Synchronize: the event was last recorded in a capture, by %s: it never happens", e.last.name)
		}
		return e.device.wait(e.last)
	})
}

func (e *event) Close() error {
	return e.device.call(func() error {
		if e.closed {
			return errors.New("the event is closed twice")
		}
		e.closed = true
		return nil
	})
}
