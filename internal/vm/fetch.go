package vm

// Fetcher is a Backend that brings results to the host while it goes on.
type Fetcher interface {
	Backend
	NewFetch() (Fetch, error)
}

// Fetch brings memory to the host: Start behind a run, Wait when the host wants it, with two that take turns as late as behind the next
// run.
type Fetch interface {
	// Start begins to copy memory as it is behind all that was queued. What an earlier Start brought is gone.
	Start(memory ...Memory) error
	// Wait waits until the memory has come and returns it in the order of Start, until the next Start.
	Wait() ([][]byte, error)
}

// NewFetch returns a Fetch of a backend. Where the host addresses the backend's memory, or the backend is no Fetcher, what it returns is
// only valid until the next run.
func NewFetch(b Backend) (Fetch, error) {
	if f, ok := b.(Fetcher); ok {
		return f.NewFetch()
	}
	return &views{}, nil
}

// views is the Fetch of memory that the host addresses, or that it reads at once.
type views struct{ parts [][]byte }

func (v *views) Start(memory ...Memory) error {
	v.parts = v.parts[:0]
	for _, m := range memory {
		host := m.Host()
		if host == nil {
			host = make([]byte, m.Size())
			if err := m.Read(host); err != nil {
				return err
			}
		}
		v.parts = append(v.parts, host)
	}
	return nil
}

func (v *views) Wait() ([][]byte, error) { return v.parts, nil }
