package cuda

import (
	"trainer/internal/cuda/driver"
)

// stage carries what the host writes to the device, without making either wait: the host writes into page-locked memory, which a stream
// of its own uploads to memory of the device while the compute stream is still busy; from there the compute stream copies it to where it
// belongs, when its turn comes. There are two slots: one is filled while the other is uploaded and copied.
type stage struct {
	compute, upload driver.Stream
	slots           [2]slot
	current         int
}

type slot struct {
	host     []byte // page-locked
	device   driver.Pointer
	used     int
	pending  []transfer
	uploaded driver.Event // the host may write again
	copied   driver.Event // the next upload may begin
}

// transfer is a piece of a slot on its way.
type transfer struct {
	to           driver.Pointer
	offset, size int
}

// stageSize is the size of a slot. Larger writes go in pieces.
const stageSize = 1 << 20

func newStage(d driver.Device, compute driver.Stream) (*stage, error) {
	s := &stage{compute: compute}
	var err error
	if s.upload, err = d.NewStream(); err != nil {
		return nil, err
	}
	for i := range s.slots {
		slot := &s.slots[i]
		if slot.host, err = d.AllocateHost(stageSize); err != nil {
			return nil, err
		}
		if slot.device, err = d.Allocate(stageSize); err != nil {
			return nil, err
		}
		if slot.uploaded, err = d.NewEvent(); err != nil {
			return nil, err
		}
		if slot.copied, err = d.NewEvent(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// write takes data over. It arrives ahead of what the compute stream is given after the next flush.
func (s *stage) write(to driver.Pointer, data []byte) error {
	for len(data) > 0 {
		slot := &s.slots[s.current]
		if slot.used == 0 {
			if err := slot.uploaded.Synchronize(); err != nil {
				return err
			}
		}
		n := copy(slot.host[slot.used:], data)
		slot.pending = append(slot.pending, transfer{to: to, offset: slot.used, size: n})
		slot.used = min(len(slot.host), (slot.used+n+15)/16*16)
		data, to = data[n:], to+driver.Pointer(n)
		if slot.used == len(slot.host) {
			if err := s.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// flush queues what was written.
func (s *stage) flush() error {
	slot := &s.slots[s.current]
	if slot.used == 0 {
		return nil
	}
	if err := s.upload.Wait(slot.copied); err != nil {
		return err
	}
	if err := s.upload.Upload(slot.device, slot.host[:slot.used]); err != nil {
		return err
	}
	if err := s.upload.Record(slot.uploaded); err != nil {
		return err
	}
	if err := s.compute.Wait(slot.uploaded); err != nil {
		return err
	}
	for _, t := range slot.pending {
		if err := s.compute.Copy(t.to, slot.device+driver.Pointer(t.offset), t.size); err != nil {
			return err
		}
	}
	if err := s.compute.Record(slot.copied); err != nil {
		return err
	}
	slot.used, slot.pending = 0, slot.pending[:0]
	s.current = 1 - s.current
	return nil
}
