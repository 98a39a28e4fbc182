//go:build gpu && cgo && linux && amd64

package native

import (
	"errors"
	"fmt"
	"reflect"

	"gorgonia.org/cu"

	"trainer/internal/cuda/driver"
	"trainer/internal/cuda/native/libcuda"
)

// outOfMemory is CUDA_ERROR_OUT_OF_MEMORY.
const outOfMemory libcuda.Status = 2

// fatal are the statuses after which, cuda.h says, the context does nothing more. Some are of hardware.
var fatal = map[libcuda.Status]bool{
	214: true, // ECC_UNCORRECTABLE
	220: true, // NVLINK_UNCORRECTABLE
	226: true, // CONTAINED
	700: true, // ILLEGAL_ADDRESS
	702: true, // LAUNCH_TIMEOUT
	710: true, // ASSERT
	714: true, // HARDWARE_STACK_ERROR
	715: true, // ILLEGAL_INSTRUCTION
	716: true, // MISALIGNED_ADDRESS
	717: true, // INVALID_ADDRESS_SPACE
	718: true, // INVALID_PC
	719: true, // LAUNCH_FAILED
	721: true, // TENSOR_MEMORY_LEAK
	810: true, // MPS_CLIENT_TERMINATED
}

// ofCU is the package of errors whose type is not exported, but is an integer: a CUresult.
var ofCU = reflect.TypeOf(cu.Success).PkgPath()

// status is the CUresult that err, of package cu or libcuda, carries; 0 where there is none.
func status(err error) libcuda.Status {
	for ; err != nil; err = errors.Unwrap(err) {
		if s, ok := err.(libcuda.Status); ok {
			return s
		}
		if v := reflect.ValueOf(err); v.Kind() == reflect.Int && v.Type().PkgPath() == ofCU {
			return libcuda.Status(v.Int())
		}
	}
	return 0
}

// translate gives an error of package cu the driver's own words, and those that package driver names their type. It is nil for nil.
func translate(err error) error {
	if err == nil {
		return nil
	}
	switch s := status(err); {
	case s == 0:
		return err
	case s == outOfMemory:
		return fmt.Errorf("%w: %w", driver.ErrOutOfMemory, s)
	case fatal[s]:
		return &driver.Fault{Err: s}
	default:
		return s
	}
}
