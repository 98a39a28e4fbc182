package cuda

import (
	"trainer/internal/cuda/driver"
	"trainer/internal/vm"
)

// Fetch brings memory of the device to the host without making either wait: Start queues the downloads behind a run, and Wait, some runs
// later, hands out what they brought. With two Fetches that take turns, the host reads the results of a step while the GPU is at the next.
type Fetch struct {
	backend *Backend
	host    []byte // page-locked
	parts   [][]byte
	done    driver.Event
}

// NewFetch returns a Fetch. The backend's Close frees its memory as well.
func (b *Backend) NewFetch() (vm.Fetch, error) {
	done, err := b.device.NewEvent()
	return &Fetch{backend: b, done: done}, err
}

// Start queues the downloads of memory of the backend as it is behind all that was queued. What an earlier Start brought is gone.
func (f *Fetch) Start(memory ...vm.Memory) error {
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
func (f *Fetch) Wait() ([][]byte, error) {
	if err := f.done.Synchronize(); err != nil {
		return nil, f.backend.explain(err)
	}
	return f.parts, nil
}

// reserve makes room for size bytes, and for more than that, so that it grows rarely.
func (f *Fetch) reserve(size int) error {
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
