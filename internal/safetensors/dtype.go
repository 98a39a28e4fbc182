package safetensors

import (
	"encoding/binary"
	"fmt"
	"math"

	"trainer/internal/half"
)

// DType is the type of a tensor's elements, spelled as in the file.
type DType string

// The types which Read and Write handle. Those of 16 bits are float32 in memory.
const (
	F16  DType = "F16"
	BF16 DType = "BF16"
	F32  DType = "F32"
	F64  DType = "F64"
	I32  DType = "I32"
	I64  DType = "I64"
)

// sizes holds the bytes of an element of each type of the format, so that a file opens if it has, beside the tensors which
// are wanted, some that are not. A type becomes readable when readable, encode and decode know it.
var sizes = map[DType]int64{
	"BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1,
	"I16": 2, "U16": 2, F16: 2, BF16: 2,
	I32: 4, "U32": 4, F32: 4,
	I64: 8, "U64": 8, F64: 8,
}

// Element is a Go type that holds any element of a tensor exactly: that of the same name, and float32 also F16 and BF16.
type Element interface {
	float32 | float64 | int32 | int64
}

// element returns the DType of T.
func element[T Element]() DType {
	var zero T
	switch any(zero).(type) {
	case float32:
		return F32
	case float64:
		return F64
	case int32:
		return I32
	case int64:
		return I64
	}
	panic(fmt.Sprintf("safetensors: no dtype for %T", zero))
}

// Overflows says that a finite float32 becomes infinite in a type.
func (d DType) Overflows(v float32) bool {
	var rounded float32
	switch d {
	case F16:
		rounded = half.FromF16(half.ToF16(v))
	case BF16:
		rounded = half.FromBF16(half.ToBF16(v))
	}
	return math.IsInf(float64(rounded), 0)
}

// readable says that a T holds every element of that type.
func readable[T Element](dtype DType) bool {
	own := element[T]()
	return dtype == own || own == F32 && (dtype == F16 || dtype == BF16)
}

// encode writes values to dst, little-endian, as elements of dtype. dst has their size.
func encode[T Element](dst []byte, values []T, dtype DType) {
	switch values := any(values).(type) {
	case []float32:
		switch dtype {
		case F16:
			for i, v := range values {
				binary.LittleEndian.PutUint16(dst[2*i:], half.ToF16(v))
			}
		case BF16:
			for i, v := range values {
				binary.LittleEndian.PutUint16(dst[2*i:], half.ToBF16(v))
			}
		case F32:
			for i, v := range values {
				binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(v))
			}
		}
	case []float64:
		for i, v := range values {
			binary.LittleEndian.PutUint64(dst[8*i:], math.Float64bits(v))
		}
	case []int32:
		for i, v := range values {
			binary.LittleEndian.PutUint32(dst[4*i:], uint32(v))
		}
	case []int64:
		for i, v := range values {
			binary.LittleEndian.PutUint64(dst[8*i:], uint64(v))
		}
	}
}

// decode is the inverse of encode.
func decode[T Element](values []T, src []byte, dtype DType) {
	switch values := any(values).(type) {
	case []float32:
		switch dtype {
		case F16:
			for i := range values {
				values[i] = half.FromF16(binary.LittleEndian.Uint16(src[2*i:]))
			}
		case BF16:
			for i := range values {
				values[i] = half.FromBF16(binary.LittleEndian.Uint16(src[2*i:]))
			}
		case F32:
			for i := range values {
				values[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
			}
		}
	case []float64:
		for i := range values {
			values[i] = math.Float64frombits(binary.LittleEndian.Uint64(src[8*i:]))
		}
	case []int32:
		for i := range values {
			values[i] = int32(binary.LittleEndian.Uint32(src[4*i:]))
		}
	case []int64:
		for i := range values {
			values[i] = int64(binary.LittleEndian.Uint64(src[8*i:]))
		}
	}
}
