package gguf

import (
	"encoding/binary"
	"fmt"
	"math"

	"trainer/internal/half"
)

// Type is how the elements of a tensor are stored; the numbers are the format's.
type Type uint32

// The types which Write and Read handle.
const (
	F32  Type = 0
	F16  Type = 1
	Q80  Type = 8 // blocks of 32 elements: a binary16 scale, and for each a signed byte that it multiplies
	BF16 Type = 30
)

// types says for each Type how it is called and how many elements are stored together in how many bytes.
var types = map[Type]struct {
	name        string
	block, size int
}{
	F32: {"f32", 1, 4}, F16: {"f16", 1, 2}, BF16: {"bf16", 1, 2}, Q80: {"q8_0", q80Block, 2 + q80Block},
}

const q80Block = 32

func (t Type) String() string {
	if known, ok := types[t]; ok {
		return known.name
	}
	return fmt.Sprintf("type %d", uint32(t))
}

// Block is the number of elements that are stored together. A row must be a multiple of it.
func (t Type) Block() int { return types[t].block }

// encode writes a row to dst, which has its size. The error names the first element that the type cannot hold.
func (t Type) encode(dst []byte, row []float32) error {
	switch t {
	case F32:
		for i, v := range row {
			binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(v))
		}
	case F16:
		for i, v := range row {
			h := half.ToF16(v)
			if h&0x7fff >= 0x7c00 {
				return fmt.Errorf("element %d is %g: %s holds numbers up to %d: expected another type, such as %s", i, v, t, half.MaxF16, BF16)
			}
			binary.LittleEndian.PutUint16(dst[2*i:], h)
		}
	case BF16:
		for i, v := range row {
			binary.LittleEndian.PutUint16(dst[2*i:], half.ToBF16(v))
		}
	case Q80:
		for at := 0; at < len(row); at += q80Block {
			if err := encodeQ80(dst[at/q80Block*(2+q80Block):], row[at:at+q80Block]); err != nil {
				return fmt.Errorf("elements from %d on: %w", at, err)
			}
		}
	}
	return nil
}

// encodeQ80 writes a block: the scale is the largest magnitude divided by 127, and elements are divided by it before it is rounded to binary16,
// as llama.cpp does.
func encodeQ80(dst []byte, block []float32) error {
	var largest float32
	for _, v := range block {
		largest = max(largest, float32(math.Abs(float64(v))))
	}
	scale := largest / 127
	var inverse float32
	if scale != 0 {
		inverse = 1 / scale
	}
	if scale > half.MaxF16 {
		return fmt.Errorf("the largest is %g: %s holds numbers up to %d: expected another type, such as %s", largest, Q80, 127*half.MaxF16, BF16)
	}
	binary.LittleEndian.PutUint16(dst, half.ToF16(scale))
	for i, v := range block {
		dst[2+i] = byte(int8(math.Round(float64(v * inverse))))
	}
	return nil
}

// decode is the inverse of encode, to what the bytes stand for.
func (t Type) decode(row []float32, src []byte) {
	switch t {
	case F32:
		for i := range row {
			row[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
		}
	case F16:
		for i := range row {
			row[i] = half.FromF16(binary.LittleEndian.Uint16(src[2*i:]))
		}
	case BF16:
		for i := range row {
			row[i] = half.FromBF16(binary.LittleEndian.Uint16(src[2*i:]))
		}
	case Q80:
		for i := range row {
			block := src[i/q80Block*(2+q80Block):]
			row[i] = half.FromF16(binary.LittleEndian.Uint16(block)) * float32(int8(block[2+i%q80Block]))
		}
	}
}
