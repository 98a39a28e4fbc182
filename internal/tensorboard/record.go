package tensorboard

import (
	"encoding/binary"
	"hash/crc32"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendRecord frames data as TensorFlow does (tensorflow/core/lib/io/record_writer.h): its length in 8 bytes, the masked CRC of these, the
// data, the masked CRC of that.
func appendRecord(buffer, data []byte) []byte {
	begin := len(buffer)
	buffer = binary.LittleEndian.AppendUint64(buffer, uint64(len(data)))
	buffer = binary.LittleEndian.AppendUint32(buffer, masked(buffer[begin:]))
	buffer = append(buffer, data...)
	return binary.LittleEndian.AppendUint32(buffer, masked(data))
}

// masked is the CRC-32C of data, rotated by 15 bits and moved by a constant, since the CRC of something that holds its own is weak
// (tensorflow/core/lib/hash/crc32c.h).
func masked(data []byte) uint32 {
	crc := crc32.Checksum(data, castagnoli)
	return (crc>>15 | crc<<17) + 0xa282ead8
}
