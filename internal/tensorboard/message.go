package tensorboard

import (
	"encoding/binary"
	"math"
	"time"
)

// Numbers of the fields that are used, from tensorboard/compat/proto: event.proto, summary.proto, tensor.proto and tensor_shape.proto.
const (
	eventTime        = 1
	eventStep        = 2
	eventFileVersion = 3
	eventSummary     = 5
	eventSessionLog  = 7

	sessionLogStatus = 1
	sessionStart     = 1

	summaryValue = 1

	valueTag      = 1
	valueNumber   = 2
	valueTensor   = 8
	valueMetadata = 9

	metadataPlugin = 1
	pluginName     = 1

	tensorType    = 1
	tensorShape   = 2
	tensorStrings = 8
	typeString    = 7
	shapeDim      = 2
	dimSize       = 1
)

// The wire types of Protocol Buffers.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

// message is a Protocol Buffer that is being encoded. Its methods append a field.
type message []byte

func (m *message) key(field, wire uint64) { *m = binary.AppendUvarint(*m, field<<3|wire) }

func (m *message) varint(field, value uint64) {
	m.key(field, wireVarint)
	*m = binary.AppendUvarint(*m, value)
}

func (m *message) double(field uint64, value float64) {
	m.key(field, wireFixed64)
	*m = binary.LittleEndian.AppendUint64(*m, math.Float64bits(value))
}

func (m *message) float(field uint64, value float32) {
	m.key(field, wireFixed32)
	*m = binary.LittleEndian.AppendUint32(*m, math.Float32bits(value))
}

func (m *message) text(field uint64, value string) {
	m.key(field, wireBytes)
	*m = append(binary.AppendUvarint(*m, uint64(len(value))), value...)
}

func (m *message) inner(field uint64, value message) {
	m.key(field, wireBytes)
	*m = append(binary.AppendUvarint(*m, uint64(len(value))), value...)
}

// event begins an Event of a step at a time.
func (m *message) event(step int, at time.Time) {
	const second = 1e9
	*m = (*m)[:0]
	m.double(eventTime, float64(at.UnixNano())/second)
	m.varint(eventStep, uint64(step))
}

// textValue is a Summary.Value of the plugin for texts.
func textValue(tag, markdown string) message {
	var name, metadata, dim, shape, tensor, value message
	name.text(pluginName, "text")
	metadata.inner(metadataPlugin, name)
	dim.varint(dimSize, 1)
	shape.inner(shapeDim, dim)
	tensor.varint(tensorType, typeString)
	tensor.inner(tensorShape, shape)
	tensor.text(tensorStrings, markdown)
	value.text(valueTag, tag)
	value.inner(valueTensor, tensor)
	value.inner(valueMetadata, metadata)
	return value
}
