package main

import (
	"errors"

	"trainer/internal/cuda/driver"
	"trainer/internal/cuda/kernels"
)

// paper is a GPU that only writes down what it is asked to do. Its memory has addresses, and nothing is there.
type paper struct {
	next driver.Pointer
	log  []kernels.Launch // what ran, graphs written out
	copied
}

// copied is what moved without a kernel, in bytes.
type copied struct{ uploaded, downloaded, within int }

var (
	_ driver.Device = (*paper)(nil)
	_ driver.Stream = (*paperStream)(nil)
)

func newPaper() *paper { return &paper{next: 1 << 20} }

// Properties are those of an H100, but that PTX is loaded.
func (p *paper) Properties() driver.Properties {
	return driver.Properties{
		Name: "paper", Capability: 90, Memory: 80 << 30, Multiprocessors: 132, SharedMemory: 227 << 10, PTXOnly: true,
	}
}

func (p *paper) FreeMemory() (int, error) { return p.Properties().Memory, nil }

func (p *paper) Allocate(size int) (driver.Pointer, error) {
	const align = 256
	at := p.next
	p.next += driver.Pointer((size + align - 1) / align * align)
	return at, nil
}

func (p *paper) Free(driver.Pointer) error                          { return nil }
func (p *paper) AllocateHost(size int) ([]byte, error)              { return make([]byte, size), nil }
func (p *paper) FreeHost([]byte) error                              { return nil }
func (p *paper) Load(name string, _ []byte) (driver.Module, error)  { return paperModule{}, nil }
func (p *paper) NewStream() (driver.Stream, error)                  { return &paperStream{paper: p}, nil }
func (p *paper) NewEvent() (driver.Event, error)                    { return paperEvent{}, nil }
func (p *paper) MatMul() (driver.MatMul, error)                     { return nil, errors.New("paper multiplies nothing") }
func (p *paper) NewGroup() ([]byte, error)                          { return nil, errAlone }
func (p *paper) Join([]byte, int, int) (driver.Communicator, error) { return nil, errAlone }
func (p *paper) Close() error                                       { return nil }

var errAlone = errors.New("paper knows no other GPUs")

type paperModule struct{}

func (paperModule) Kernel(name string, _ int) (driver.Kernel, error) { return paperKernel(name), nil }
func (paperModule) Unload() error                                    { return nil }

type paperKernel string

func (k paperKernel) Name() string { return string(k) }

type paperEvent struct{}

func (paperEvent) Synchronize() error { return nil }
func (paperEvent) Close() error       { return nil }

// paperStream writes into the log, or while it captures into a graph.
type paperStream struct {
	paper *paper
	graph *paperGraph // nil where nothing is captured
}

// paperGraph is what one replay adds to the log.
type paperGraph struct {
	log []kernels.Launch
	copied
}

func (*paperGraph) Close() error { return nil }

func (s *paperStream) Launch(_ driver.Kernel, l kernels.Launch) error {
	s.write(&paperGraph{log: []kernels.Launch{l}})
	return nil
}

// write writes down what was asked for.
func (s *paperStream) write(g *paperGraph) {
	log, sum := &s.paper.log, &s.paper.copied
	if s.graph != nil {
		log, sum = &s.graph.log, &s.graph.copied
	}
	*log = append(*log, g.log...)
	sum.uploaded += g.uploaded
	sum.downloaded += g.downloaded
	sum.within += g.within
}

func (s *paperStream) Multiply(driver.MatMulPlan, driver.MatMulOperands) error {
	return errors.New("paper multiplies nothing")
}

func (s *paperStream) Upload(_ driver.Pointer, from []byte) error {
	s.write(&paperGraph{copied: copied{uploaded: len(from)}})
	return nil
}

func (s *paperStream) Download(to []byte, _ driver.Pointer) error {
	s.write(&paperGraph{copied: copied{downloaded: len(to)}})
	return nil
}

func (s *paperStream) Copy(_, _ driver.Pointer, size int) error {
	s.write(&paperGraph{copied: copied{within: 2 * size}})
	return nil
}

func (s *paperStream) Fill(_ driver.Pointer, _ uint32, n int) error {
	s.write(&paperGraph{copied: copied{within: 4 * n}})
	return nil
}

func (s *paperStream) Record(driver.Event) error { return nil }
func (s *paperStream) Wait(driver.Event) error   { return nil }
func (s *paperStream) Synchronize() error        { return nil }
func (s *paperStream) Close() error              { return nil }

func (s *paperStream) BeginCapture() error {
	s.graph = &paperGraph{}
	return nil
}

func (s *paperStream) EndCapture() (driver.Graph, error) {
	g := s.graph
	s.graph = nil
	return g, nil
}

func (s *paperStream) Replay(g driver.Graph) error {
	s.write(g.(*paperGraph))
	return nil
}
