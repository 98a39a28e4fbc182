//go:build gpu && cgo && linux && amd64

package native

import (
	"gorgonia.org/cu"

	"trainer/internal/cuda/driver"
)

// event is a point in a stream.
type event struct {
	device *device
	point  cu.Event
}

// NewEvent returns an event that keeps no time: such are cheaper to record.
func (d *device) NewEvent() (driver.Event, error) {
	if err := d.enter(); err != nil {
		return nil, err
	}
	defer d.leave()
	point, err := cu.MakeEvent(cu.DisableTiming)
	if err != nil {
		return nil, d.check(err)
	}
	return &event{device: d, point: point}, nil
}

func (s *stream) Record(e driver.Event) error {
	if err := s.device.enter(); err != nil {
		return err
	}
	defer s.device.leave()
	return s.device.check(e.(*event).point.Record(s.queue))
}

func (s *stream) Wait(e driver.Event) error {
	if err := s.device.enter(); err != nil {
		return err
	}
	defer s.device.leave()
	return s.device.check(s.queue.Wait(e.(*event).point, 0))
}

func (e *event) Synchronize() error {
	if err := e.device.enter(); err != nil {
		return err
	}
	defer e.device.leave()
	return e.device.check(e.point.Synchronize())
}

func (e *event) Close() error {
	if err := e.device.enter(); err != nil {
		return err
	}
	defer e.device.leave()
	return e.device.check(cu.DestroyEvent(&e.point))
}
