package sharding

import (
	"io"
	"sync"

	"trainer/internal/corpus"
)

// job is a block on its way.
type job struct {
	block   *corpus.Block
	encoded *encoded
	err     error
	done    chan struct{} // closed when encoded or err is set
}

// encodeAll reads the files from a position on, encodes them on several workers, and hands the blocks to add in their order.
// No more than a few blocks a worker are in memory at the same time. It returns the first error, in the order of the files.
func encodeAll(o *Options, from corpus.Position, add func(b *corpus.Block, e *encoded) error) error {
	var (
		order   = make(chan *job, 2*o.Workers) // as they are read
		work    = make(chan *job)
		stop    = make(chan struct{})
		encoder = newEncoder(o)
		tasks   sync.WaitGroup
	)
	tasks.Go(func() {
		defer close(order)
		defer close(work)
		reader := corpus.NewReader(o.Files, corpus.Options{Field: o.Field, Cut: o.Tokenizer.Cut}, from)
		defer reader.Close()
		feed(reader, order, work, stop)
	})
	for range o.Workers {
		tasks.Go(func() {
			for j := range work {
				j.encoded, j.err = encoder.encode(j.block)
				close(j.done)
			}
		})
	}
	err := collect(order, add)
	close(stop)
	tasks.Wait()
	return err
}

// feed reads blocks, until the end, an error or stop, and passes each to those who wait for it in order and to the workers.
func feed(reader *corpus.Reader, order, work chan<- *job, stop <-chan struct{}) {
	for {
		j := &job{done: make(chan struct{})}
		if j.block, j.err = reader.Next(); j.err != nil {
			close(j.done)
		}
		select {
		case order <- j:
		case <-stop:
			return
		}
		if j.err != nil {
			return
		}
		select {
		case work <- j:
		case <-stop:
			return
		}
	}
}

// collect hands over the blocks in the order in which they were read.
func collect(order <-chan *job, add func(b *corpus.Block, e *encoded) error) error {
	for j := range order {
		<-j.done
		if j.err == io.EOF {
			return nil
		}
		if j.err != nil {
			return j.err
		}
		if err := add(j.block, j.encoded); err != nil {
			return err
		}
	}
	return nil
}
