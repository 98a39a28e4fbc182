//go:build gpu && cgo && linux && amd64

package main

// #cgo CFLAGS: -I${SRCDIR}/../cublaslt
// #include "cublaslt.h"
import "C"

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"trainer/internal/cuda/driver"
)

// The statuses of cuBLASLt that this library returns.
const (
	ltInvalidValue status = C.CUBLAS_STATUS_INVALID_VALUE
	ltFailed       status = 13 // CUBLAS_STATUS_EXECUTION_FAILED
	ltNotSupported status = C.CUBLAS_STATUS_NOT_SUPPORTED
)

// attributes are what was set of a description or a preference, by number.
type attributes map[C.int][]byte

func (a attributes) set(number C.int, value unsafe.Pointer, size C.size_t) {
	a[number] = C.GoBytes(value, C.int(size))
}

// number is an attribute that was set, of 4 or 8 bytes, or otherwise its default.
func (a attributes) number(number C.int, otherwise int) int {
	switch b := a[number]; len(b) {
	case 4:
		return int(int32(binary.LittleEndian.Uint32(b)))
	case 8:
		return int(binary.LittleEndian.Uint64(b))
	}
	return otherwise
}

// description is a cublasLtMatmulDesc_t.
type description struct {
	attributes
	plans map[bool]driver.MatMulPlan // without and with an addend
}

// layout is a cublasLtMatrixLayout_t: a column-major matrix, whose columns lie ld elements apart.
type layout struct {
	element           driver.Element
	rows, columns, ld int
}

// op is the layout's shape after its transposition, if any.
func (l layout) op(transposed bool) (rows, columns int) {
	if transposed {
		return l.columns, l.rows
	}
	return l.rows, l.columns
}

// multiplication is what the library is asked for: d = epilogue(op(a)·op(b)), column-major, a and b of the library's order.
type multiplication struct {
	desc    *description
	a, b, d layout
}

// product is the row-major product that makes the same: each matrix is the transpose of the column-major one in the same memory, and
// dᵀ = op(b)ᵀ·op(a)ᵀ.
func (m multiplication) product(addend bool) (p driver.Product, err error) {
	const transpose = C.CUBLAS_OP_T
	transA := m.desc.number(C.CUBLASLT_MATMUL_DESC_TRANSA, C.CUBLAS_OP_N) == transpose
	transB := m.desc.number(C.CUBLASLT_MATMUL_DESC_TRANSB, C.CUBLAS_OP_N) == transpose
	rowsA, columnsA := m.a.op(transA)
	rowsB, columnsB := m.b.op(transB)
	if rowsA != m.d.rows || columnsA != rowsB || columnsB != m.d.columns {
		return p, fmt.Errorf("[%d, %d]·[%d, %d] is not [%d, %d]", rowsA, columnsA, rowsB, columnsB, m.d.rows, m.d.columns)
	}
	for _, l := range []layout{m.a, m.b, m.d} {
		if l.ld < l.rows {
			return p, fmt.Errorf("columns of %d elements lie %d apart", l.rows, l.ld)
		}
	}
	p.M, p.N, p.K = m.d.columns, m.d.rows, columnsA
	p.TransA, p.TransB = transB, transA
	p.In, p.Out, p.BiasElement = m.a.element, m.d.element, m.d.element
	p.PitchA, p.PitchB, p.PitchC = m.b.ld, m.a.ld, m.d.ld
	p.Addend = addend

	switch e := m.desc.number(C.CUBLASLT_MATMUL_DESC_EPILOGUE, C.CUBLASLT_EPILOGUE_DEFAULT); e {
	case C.CUBLASLT_EPILOGUE_DEFAULT, C.CUBLASLT_EPILOGUE_BIAS:
		p.Bias = e == C.CUBLASLT_EPILOGUE_BIAS
	case C.CUBLASLT_EPILOGUE_GELU_AUX, C.CUBLASLT_EPILOGUE_GELU_AUX_BIAS:
		p.Epilogue, p.Bias = driver.GELU, e == C.CUBLASLT_EPILOGUE_GELU_AUX_BIAS
	case C.CUBLASLT_EPILOGUE_DGELU:
		p.Epilogue = driver.GELUGrad
	default:
		return p, fmt.Errorf("epilogue %d is unknown", e)
	}
	if ld := m.desc.number(C.CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, 0); p.Epilogue != driver.Plain && (ld != m.d.ld || ld%8 != 0) {
		return p, fmt.Errorf("columns of the auxiliary matrix lie %d elements apart: expected a multiple of 8, and %d", ld, m.d.ld)
	}
	if unset := -1; p.Bias && m.desc.number(C.CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, unset) != unset {
		p.BiasElement, err = element(m.desc.number(C.CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, unset))
	}
	return p, err
}

// element is the type of elements that a cudaDataType names.
func element(cudaDataType int) (driver.Element, error) {
	switch cudaDataType {
	case C.CUDA_R_32F:
		return driver.Float32, nil
	case C.CUDA_R_16BF:
		return driver.BFloat16, nil
	}
	return 0, fmt.Errorf("type %d of elements is unknown", cudaDataType)
}

// plan returns the emulator's plan, made when it is first needed.
func (m multiplication) plan(addend bool, workspace int) (driver.MatMulPlan, error) {
	if p := m.desc.plans[addend]; p != nil {
		return p, nil
	}
	p, err := m.product(addend)
	if err != nil {
		return nil, err
	}
	library, err := primary.device.MatMul()
	if err != nil {
		return nil, err
	}
	made, err := library.Plan(p, workspace)
	if err != nil {
		return nil, err
	}
	m.desc.plans[addend] = made
	return made, nil
}

// multiplicationOf collects what handles name.
func multiplicationOf(desc, a, b, c, d uintptr) (m multiplication, err error) {
	var known [4]bool
	m.desc, known[0] = get[*description](desc)
	m.a, known[1] = get[layout](a)
	m.b, known[2] = get[layout](b)
	m.d, known[3] = get[layout](d)
	if addend, ok := get[layout](c); known != [4]bool{true, true, true, true} || !ok || addend != m.d {
		return m, errors.New("a handle is of another kind, or the layouts of c and d differ")
	}
	return m, nil
}

//export cublasLtGetVersion
func cublasLtGetVersion() C.size_t { return 120901 }

//export cublasLtGetStatusString
func cublasLtGetStatusString(s status) *C.char { return C.CString(reasons[s]) }

//export cublasLtCreate
func cublasLtCreate(handle *uintptr) status {
	if s := inContext(func(driver.Device) error { return nil }); s != success {
		return 1 // CUBLAS_STATUS_NOT_INITIALIZED
	}
	*handle = add("cublasLtHandle_t")
	return success
}

//export cublasLtDestroy
func cublasLtDestroy(handle uintptr) status {
	remove(handle)
	return success
}

//export cublasLtMatmulDescCreate
func cublasLtMatmulDescCreate(handle *uintptr, compute, scale C.int) status {
	if compute != C.CUBLAS_COMPUTE_32F || scale != C.CUDA_R_32F {
		return refuse(ltNotSupported, "computing with type %d and scaling with type %d: expected float32", compute, scale)
	}
	*handle = add(&description{attributes{}, map[bool]driver.MatMulPlan{}})
	return success
}

//export cublasLtMatmulDescDestroy
func cublasLtMatmulDescDestroy(handle uintptr) status {
	s := with(handle, func(d *description) (err error) {
		for _, p := range d.plans {
			err = errors.Join(err, p.Close())
		}
		return err
	})
	remove(handle)
	return s
}

//export cublasLtMatmulDescSetAttribute
func cublasLtMatmulDescSetAttribute(handle uintptr, attribute C.int, value unsafe.Pointer, size C.size_t) status {
	return with(handle, func(d *description) error {
		d.set(attribute, value, size)
		return nil
	})
}

//export cublasLtMatrixLayoutCreate
func cublasLtMatrixLayoutCreate(handle *uintptr, cudaDataType C.int, rows, columns C.uint64_t, ld C.int64_t) status {
	e, err := element(int(cudaDataType))
	if err != nil {
		return refuse(ltInvalidValue, "%v", err)
	}
	*handle = add(layout{e, int(rows), int(columns), int(ld)})
	return success
}

//export cublasLtMatrixLayoutDestroy
func cublasLtMatrixLayoutDestroy(handle uintptr) status {
	remove(handle)
	return success
}

//export cublasLtMatmulPreferenceCreate
func cublasLtMatmulPreferenceCreate(handle *uintptr) status {
	*handle = add(attributes{})
	return success
}

//export cublasLtMatmulPreferenceDestroy
func cublasLtMatmulPreferenceDestroy(handle uintptr) status {
	remove(handle)
	return success
}

//export cublasLtMatmulPreferenceSetAttribute
func cublasLtMatmulPreferenceSetAttribute(handle uintptr, attribute C.int, value unsafe.Pointer, size C.size_t) status {
	return with(handle, func(a attributes) error {
		a.set(attribute, value, size)
		return nil
	})
}

//export cublasLtMatmulAlgoGetHeuristic
func cublasLtMatmulAlgoGetHeuristic(handle, desc, a, b, c, d, preference uintptr, wanted C.int,
	results *C.cublasLtMatmulHeuristicResult_t, found *C.int,
) status {
	m, err := multiplicationOf(desc, a, b, c, d)
	preferred, ok := get[attributes](preference)
	if err != nil || !ok || wanted < 1 {
		return refuse(ltInvalidValue, "%v", err)
	}
	const enough = 4 << 10 // the emulator overwrites all of it
	workspace := min(enough, preferred.number(C.CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, 0))
	switch _, err := m.plan(false, workspace); {
	case errors.Is(err, driver.ErrUnsupported):
		return refuse(ltNotSupported, "%v", err)
	case err != nil:
		return refuse(ltInvalidValue, "%v", err)
	}
	*results = C.cublasLtMatmulHeuristicResult_t{workspaceSize: C.size_t(workspace)}
	*found = 1
	return success
}

//export cublasLtMatmul
func cublasLtMatmul(handle, desc uintptr, alpha *C.float, a C.uint64_t, layoutA uintptr, b C.uint64_t, layoutB uintptr, beta *C.float,
	c C.uint64_t, layoutC uintptr, d C.uint64_t, layoutD uintptr, algorithm *C.cublasLtMatmulAlgo_t, workspace C.uint64_t, size C.size_t,
	stream uintptr,
) status {
	m, err := multiplicationOf(desc, layoutA, layoutB, layoutC, layoutD)
	if err != nil || *alpha != 1 || (*beta != 0 && *beta != 1) {
		return refuse(ltInvalidValue, "%v, alpha %g, beta %g: expected 1, and 0 or 1", err, *alpha, *beta)
	}
	s := queue(stream, func(s driver.Stream) error {
		addend := *beta == 1
		p, err := m.plan(addend, int(size))
		if err != nil {
			return err
		}
		o := driver.MatMulOperands{
			A: driver.Pointer(b), B: driver.Pointer(a), C: driver.Pointer(d),
			Bias: driver.Pointer(m.desc.number(C.CUBLASLT_MATMUL_DESC_BIAS_POINTER, 0)),
			Pre:  driver.Pointer(m.desc.number(C.CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, 0)),
		}
		if addend {
			o.Addend = driver.Pointer(c)
		}
		if size > 0 {
			o.Workspace = driver.Pointer(workspace)
		}
		return s.Multiply(p, o)
	})
	if s != success {
		return refuse(ltFailed, "%s", reasons[s])
	}
	return success
}
