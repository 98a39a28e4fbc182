package tcp

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
	"unsafe"
)

// kind says what a frame is: an operation of a Communicator, or a word about the connection.
type kind byte

const (
	hello   kind = iota + 1 // of a rank: which it is, of how many
	welcome                 // of rank 0: all have come
	ended                   // a rank is lost or has called Abort: an ending
	reduceScatter
	allGather
	gather
	broadcast
	leave
)

var kinds = map[kind]string{
	hello: "hello", welcome: "welcome", ended: "the end", reduceScatter: "ReduceScatter", allGather: "AllGather", gather: "Gather", broadcast: "Broadcast",
	leave: "Close",
}

func (k kind) String() string { return kinds[k] }

// header is a kind and the length of what follows.
const header = 1 + 8

// link is a connection.
type link struct {
	net.Conn
	writing sync.Mutex
}

// newLink watches that the other machine is there.
func newLink(c net.Conn, timeout time.Duration) *link {
	if t, ok := c.(*net.TCPConn); ok {
		const probes = 4
		every := max(timeout/(2*probes), time.Second)
		t.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: max(timeout/2, time.Second), Interval: every, Count: probes})
	}
	return &link{Conn: c}
}

// send writes a frame.
func (l *link) send(k kind, payload []byte) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	var head [header]byte
	head[0] = byte(k)
	binary.LittleEndian.PutUint64(head[1:], uint64(len(payload)))
	buffers := net.Buffers{head[:], payload}
	_, err := buffers.WriteTo(l.Conn)
	return err
}

// next reads the head of a frame.
func (l *link) next() (k kind, length int, err error) {
	var head [header]byte
	if _, err := io.ReadFull(l.Conn, head[:]); err != nil {
		return 0, 0, err
	}
	k, n := kind(head[0]), binary.LittleEndian.Uint64(head[1:])
	if kinds[k] == "" || n > 1<<40 {
		return 0, 0, fmt.Errorf("what came is no frame: kind %d of %d bytes", k, n)
	}
	return k, int(n), nil
}

// body reads what follows the head of a frame, into memory that is aligned for float32. It takes memory as bytes come: a head that is not of a
// rank of ours cannot ask for all there is.
func (l *link) body(length int) ([]byte, error) {
	const piece = 64 << 20
	var words []uint64
	for have := 0; have < length; {
		size := min(length-have, piece)
		words = append(words, make([]uint64, (size+7)/8)...) // of pieces, all but the last are full words
		data := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), 8*len(words))
		if _, err := io.ReadFull(l.Conn, data[have:have+size]); err != nil {
			return nil, err
		}
		have += size
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), length), nil
}

// short reads what follows the head of a frame that has little, whatever the other side says.
func (l *link) short(length int) ([]byte, error) {
	const most = 1 << 16
	if length > most {
		return nil, fmt.Errorf("a frame of %d bytes, expected %d at most", length, most)
	}
	data := make([]byte, length)
	_, err := io.ReadFull(l.Conn, data)
	return data, err
}
