package cuda

import (
	"trainer/internal/cuda/driver"
	"trainer/internal/vm"
)

// fetch is a vm.Fetch through page-locked memory: downloads are queued behind a run, and the host waits for them when it wants them.
type fetch struct {
	backend *Backend
	host    []byte // page-locked
	parts   [][]byte
	done    driver.Event
}

// NewFetch returns a vm.Fetch, whose memory Close frees.
func (b *Backend) NewFetch() (vm.Fetch, error) {
	done, err := b.device.NewEvent()
	return &fetch{backend: b, done: done}, err
}

// Start queues the downloads of memory of the backend as it is behind all that was queued. What an earlier Start brought is gone.
func (f *fetch) Start(memory ...vm.Memory) error {
	size := 0
	for _, m := range memory {
		size += vm.Align(m.Size())
	}
	if err := f.reserve(size); err != nil {
		return err
	}
	b := f.backend
	if err := b.stage.flush(); err != nil {
		return err
	}
	f.parts = f.parts[:0]
	at := 0
	for _, m := range memory {
		part := f.host[at : at+m.Size()]
		if len(part) > 0 {
			if err := b.compute.Download(part, m.(*block).at); err != nil {
				return err
			}
		}
		f.parts = append(f.parts, part)
		at += vm.Align(m.Size())
	}
	return b.compute.Record(f.done)
}

// Wait waits until the memory has come and returns it in the order of Start. The next Start overwrites it.
func (f *fetch) Wait() ([][]byte, error) {
	if err := f.done.Synchronize(); err != nil {
		return nil, f.backend.explain(err)
	}
	return f.parts, nil
}

// reserve makes room for size bytes, and for more than that, so that it grows rarely.
func (f *fetch) reserve(size int) error {
	if len(f.host) >= size {
		return nil
	}
	b := f.backend
	if f.host != nil {
		if err := b.synchronize(); err != nil {
			return err
		}
		if err := b.device.FreeHost(f.host); err != nil {
			return err
		}
	}
	var err error
	f.host, err = b.device.AllocateHost(size + size/2)
	return err
}
