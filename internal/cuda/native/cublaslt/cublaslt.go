//go:build gpu && linux && amd64

// Package cublaslt makes matrix products with NVIDIA's cuBLASLt, which it finds while the program runs.
//
// In go the shape of a product, as package driver describes it, and addresses in device memory; the product is queued on a stream. The
// device's context must be current on the calling thread. plan.c maps the row-major matrices of this program to the column-major ones of
// the library.
//
// Start at Load, then NewPlan.
package cublaslt

/*
#cgo LDFLAGS: -ldl
#include <stdlib.h>
#include "plan.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"sync"
	"unsafe"

	"trainer/internal/cuda/driver"
	"trainer/internal/cuda/native/library"
)

// FileVariable is the environment variable that names another file for the library.
const FileVariable = "TRAINER_LIBCUBLASLT"

// Load loads the library, once: the file that FileVariable names, else libcublasLt.so.12 beside the program, else where the dynamic linker
// looks.
var Load = sync.OnceValue(func() error {
	return library.Load("cuBLASLt", "install CUDA 12's libcublas", FileVariable, "libcublasLt.so.12", func(file string) error {
		name := C.CString(file)
		defer C.free(unsafe.Pointer(name))
		if why := C.library_load(name); why != nil {
			return errors.New(C.GoString(why))
		}
		return nil
	})
})

// Version is that of the loaded library: "12.9.1".
func Version() string {
	v := int(C.library_version())
	return fmt.Sprintf("%d.%d.%d", v/10000, v/100%100, v%100)
}

// Status is an error of the library: a cublasStatus_t other than CUBLAS_STATUS_SUCCESS.
type Status int

func (s Status) Error() string {
	return fmt.Sprintf("cuBLASLt status %d: %s", int(s), C.GoString(C.library_status(C.cublasStatus_t(s))))
}

func check(status C.cublasStatus_t) error {
	if status == C.CUBLAS_STATUS_SUCCESS {
		return nil
	}
	return Status(status)
}

// Handle is the library's state for a device.
type Handle struct{ handle C.cublasLtHandle_t }

// NewHandle returns a handle for the device of the current context.
func NewHandle() (*Handle, error) {
	h := new(Handle)
	return h, check(C.library_create(&h.handle))
}

// Close frees the handle.
func (h *Handle) Close() error { return check(C.library_destroy(h.handle)) }

// Plan is a prepared product.
type Plan struct {
	handle *Handle
	plan   *C.plan
}

// elements are the library's types of elements.
var elements = map[driver.Element]C.int{driver.Float32: C.CUDA_R_32F, driver.BFloat16: C.CUDA_R_16BF}

// epilogue is the library's name for what follows the sum.
func epilogue(p driver.Product) (C.int, error) {
	switch {
	case p.Epilogue == driver.Plain && p.Bias:
		return C.CUBLASLT_EPILOGUE_BIAS, nil
	case p.Epilogue == driver.Plain:
		return C.CUBLASLT_EPILOGUE_DEFAULT, nil
	case p.Epilogue == driver.GELU && p.Bias && !p.Addend:
		return C.CUBLASLT_EPILOGUE_GELU_AUX_BIAS, nil
	case p.Epilogue == driver.GELU && !p.Addend:
		return C.CUBLASLT_EPILOGUE_GELU_AUX, nil
	case p.Epilogue == driver.GELUGrad && !p.Bias && !p.Addend:
		return C.CUBLASLT_EPILOGUE_DGELU, nil
	}
	return 0, fmt.Errorf("%w: cuBLASLt has no epilogue %d with bias %t and addend %t", driver.ErrUnsupported, p.Epilogue, p.Bias, p.Addend)
}

// NewPlan prepares a product that may use workspace bytes of device memory. The error is driver.ErrUnsupported where the library has no
// such product.
func (h *Handle) NewPlan(p driver.Product, workspace int) (*Plan, error) {
	after, err := epilogue(p)
	if err != nil {
		return nil, err
	}
	flag := map[bool]C.int{true: 1}
	s := C.shape{
		m: C.int64_t(p.M), n: C.int64_t(p.N), k: C.int64_t(p.K),
		pitch_a: C.int64_t(p.PitchA), pitch_b: C.int64_t(p.PitchB), pitch_c: C.int64_t(p.PitchC),
		transpose_a: flag[p.TransA], transpose_b: flag[p.TransB],
		in: elements[p.In], out: elements[p.Out], bias_type: elements[p.BiasElement],
		epilogue: after, has_bias: flag[p.Bias], has_pre: flag[p.Epilogue != driver.Plain], has_addend: flag[p.Addend],
	}
	prepared := &Plan{handle: h}
	switch status := C.plan_create(h.handle, &s, C.size_t(workspace), &prepared.plan); status {
	case C.CUBLAS_STATUS_SUCCESS:
		return prepared, nil
	case C.CUBLAS_STATUS_NOT_SUPPORTED, C.CUBLAS_STATUS_INVALID_VALUE:
		return nil, fmt.Errorf("%w: %w for %+v", driver.ErrUnsupported, Status(status), p)
	default:
		return nil, fmt.Errorf("%w for %+v", Status(status), p)
	}
}

// Run queues the product on a CUstream.
func (p *Plan) Run(o driver.MatMulOperands, stream unsafe.Pointer) error {
	operands := C.operands{
		a: C.uint64_t(o.A), b: C.uint64_t(o.B), c: C.uint64_t(o.C), bias: C.uint64_t(o.Bias), addend: C.uint64_t(o.Addend),
		pre: C.uint64_t(o.Pre), workspace: C.uint64_t(o.Workspace),
	}
	return check(C.plan_run(p.handle.handle, p.plan, &operands, stream))
}

// Close frees the plan.
func (p *Plan) Close() { C.plan_destroy(p.plan) }
