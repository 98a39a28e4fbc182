//go:build gpu && cgo && linux && amd64

package native

import (
	"fmt"

	"trainer/internal/cuda/driver"
	"trainer/internal/cuda/native/libcuda"
)

// graph is recorded work.
type graph struct {
	device *device
	ready  libcuda.Handle // a CUgraphExec
}

func (s *stream) BeginCapture() error {
	if err := s.device.enter(); err != nil {
		return err
	}
	defer s.device.leave()
	if err := libcuda.BeginCapture(s.handle()); err != nil {
		return s.device.check(err)
	}
	s.device.capturing = true
	return nil
}

func (s *stream) EndCapture() (driver.Graph, error) {
	if err := s.device.enter(); err != nil {
		return nil, err
	}
	defer s.device.leave()
	s.device.capturing = false
	ready, err := libcuda.EndCapture(s.handle())
	if err != nil {
		return nil, fmt.Errorf("making a graph of what was captured: %w", s.device.check(err))
	}
	return &graph{device: s.device, ready: ready}, nil
}

func (s *stream) Replay(g driver.Graph) error {
	if err := s.device.enter(); err != nil {
		return err
	}
	defer s.device.leave()
	return s.device.check(libcuda.Replay(g.(*graph).ready, s.handle()))
}

func (g *graph) Close() error {
	if err := g.device.enter(); err != nil {
		return err
	}
	defer g.device.leave()
	return g.device.check(libcuda.DestroyGraph(g.ready))
}
