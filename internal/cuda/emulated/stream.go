package emulated

import (
	"fmt"

	"trainer/internal/cuda/driver"
	"trainer/internal/ptx"
)

// stream is a queue of work.
type stream struct {
	device   *Device
	index    int
	count    int   // tasks ever queued
	last     *task // that was queued
	capture  *capture
	recorded *task // the last of the capture
	closed   bool
}

func (d *Device) NewStream() (s driver.Stream, err error) {
	err = d.call(func() error {
		s = &stream{device: d, index: d.streams}
		d.streams++
		return nil
	})
	return s, err
}

// call is Device.call for a stream that is open.
func (s *stream) call(f func() error) error {
	return s.device.call(func() error {
		if s.closed {
			return fmt.Errorf("stream %d is closed", s.index)
		}
		return f()
	})
}

// push queues a task behind those of the stream, or records it.
func (s *stream) push(t *task) *task {
	t.name = fmt.Sprintf("%s (stream %d, work %d)", t.name, s.index, s.count)
	s.count++
	if s.capture != nil {
		if s.recorded != nil {
			t.after = append(t.after, s.recorded)
		}
		t.capture, s.recorded = s.capture, t
		s.capture.tasks = append(s.capture.tasks, t)
		return t
	}
	if s.last != nil {
		t.after = append(t.after, s.last)
	}
	s.last = t
	s.device.queue(t)
	return t
}

func (s *stream) Upload(to driver.Pointer, from []byte) error {
	return s.transfer(fmt.Sprintf("upload of %d bytes to %#x", len(from), to), to, from, false)
}

func (s *stream) Download(to []byte, from driver.Pointer) error {
	return s.transfer(fmt.Sprintf("download of %d bytes from %#x", len(to), from), from, to, true)
}

// transfer queues a copy between the device and the host.
func (s *stream) transfer(name string, p driver.Pointer, memory []byte, download bool) error {
	return s.call(func() error {
		host, err := s.device.pageLocked(memory)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		r, err := s.device.reach(p, len(memory))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		gpu, at := s.device.gpu, ptx.Address(p)
		t := &task{name: name, uses: []*resource{host, r}, host: &hostUse{memory: memory, download: download}}
		t.touched = inOrder(span(at, len(memory), !download), span(hostAddress(memory), len(memory), download))
		t.run = func(*task) error { return gpu.CopyIn(at, memory) }
		if download {
			t.run = func(*task) error { return gpu.CopyOut(memory, at) }
		}
		s.push(t)
		return nil
	})
}

func (s *stream) Copy(to, from driver.Pointer, size int) error {
	name := fmt.Sprintf("copy of %d bytes from %#x to %#x", size, from, to)
	return s.call(func() error {
		if size < 1 || to < from+driver.Pointer(size) && from < to+driver.Pointer(size) {
			return fmt.Errorf("%s: at least 1 byte and no overlap expected", name)
		}
		source, err := s.device.reach(from, size)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		target, err := s.device.reach(to, size)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		gpu, a, b := s.device.gpu, ptx.Address(from), ptx.Address(to)
		s.push(&task{
			name: name, uses: []*resource{source, target},
			run:     func(*task) error { return gpu.Copy(b, a, size) },
			touched: inOrder(span(a, size, false), span(b, size, true)),
		})
		return nil
	})
}

func (s *stream) Fill(to driver.Pointer, word uint32, n int) error {
	name := fmt.Sprintf("fill of %d words at %#x", n, to)
	return s.call(func() error {
		if n < 1 || to%4 != 0 {
			return fmt.Errorf("%s: at least 1 word and a multiple of 4 expected", name)
		}
		r, err := s.device.reach(to, 4*n)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		gpu, at := s.device.gpu, ptx.Address(to)
		s.push(&task{
			name: name, uses: []*resource{r},
			run:     func(*task) error { return gpu.Fill(at, word, n) },
			touched: []ptx.Span{span(at, 4*n, true)},
		})
		return nil
	})
}

func (s *stream) Synchronize() error {
	return s.device.callOutside("Synchronize", func() error {
		if s.closed {
			return fmt.Errorf("stream %d is closed", s.index)
		}
		return s.device.wait(s.last)
	})
}

// Close gives the stream back; what it queued still runs.
func (s *stream) Close() error {
	return s.call(func() error {
		if s.capture != nil {
			return fmt.Errorf("stream %d is closed while it is captured", s.index)
		}
		s.closed = true
		return nil
	})
}
