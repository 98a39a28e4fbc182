package vm

import "unsafe"

// AlignedBytes returns size zero bytes that start at a multiple of Alignment.
func AlignedBytes(size int) []byte {
	block := make([]byte, size+Alignment)
	skip := -int(uintptr(unsafe.Pointer(&block[0]))) & (Alignment - 1)
	return block[skip : skip+size : skip+size]
}

// AlignedFloat32s returns n zeros that start at a multiple of Alignment.
func AlignedFloat32s(n int) []float32 { return Float32s(AlignedBytes(n * Float32.Size())) }

// Float32s views memory as float32; its start is aligned.
func Float32s(b []byte) []float32 { return view[float32](b) }

// Int32s views memory as int32; its start is aligned.
func Int32s(b []byte) []int32 { return view[int32](b) }

func view[T float32 | int32](b []byte) []T {
	if len(b) == 0 {
		return nil
	}
	var element T
	return unsafe.Slice((*T)(unsafe.Pointer(&b[0])), len(b)/int(unsafe.Sizeof(element)))
}

// Bytes views float32 or int32 as memory.
func Bytes[T float32 | int32](data []T) []byte {
	if len(data) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&data[0])), len(data)*int(unsafe.Sizeof(data[0])))
}
