//go:build gpu && cgo && linux && amd64

package native

import (
	"fmt"

	"trainer/internal/cuda/driver"
	"trainer/internal/cuda/native/cublaslt"
)

// library is cuBLASLt on a device.
type library struct {
	device *device
	handle *cublaslt.Handle
}

// plan is a prepared product.
type plan struct {
	device   *device
	prepared *cublaslt.Plan
}

// MatMul loads cuBLASLt when it is first asked for: the library is of hundreds of megabytes.
func (d *device) MatMul() (driver.MatMul, error) {
	if d.matmul != nil {
		return d.matmul, nil
	}
	if err := cublaslt.Load(); err != nil {
		return nil, err
	}
	if err := d.enter(); err != nil {
		return nil, err
	}
	defer d.leave()
	handle, err := cublaslt.NewHandle()
	if err != nil {
		return nil, fmt.Errorf("starting cuBLASLt %s: %w", cublaslt.Version(), err)
	}
	d.matmul = &library{device: d, handle: handle}
	return d.matmul, nil
}

func (l *library) Name() string { return "cuBLASLt " + cublaslt.Version() }

func (l *library) Plan(p driver.Product, workspace int) (driver.MatMulPlan, error) {
	if err := l.device.enter(); err != nil {
		return nil, err
	}
	defer l.device.leave()
	prepared, err := l.handle.NewPlan(p, workspace)
	if err != nil {
		return nil, err
	}
	return &plan{device: l.device, prepared: prepared}, nil
}

func (l *library) close() error {
	if err := l.device.enter(); err != nil {
		return err
	}
	defer l.device.leave()
	return l.handle.Close()
}

// Close frees host memory alone, and needs no device that works.
func (p *plan) Close() error {
	p.prepared.Close()
	return nil
}

func (s *stream) Multiply(p driver.MatMulPlan, o driver.MatMulOperands) error {
	if err := s.device.enter(); err != nil {
		return err
	}
	defer s.device.leave()
	return s.finish("cublasLtMatmul", p.(*plan).prepared.Run(o, s.handle()))
}
