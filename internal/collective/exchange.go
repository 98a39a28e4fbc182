package collective

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"

	"trainer/internal/fault"
)

// Exchange gives every rank what each of them has, by rank. It waits for all of them.
func Exchange(c Communicator, mine []byte) ([][]byte, error) {
	const width = 8
	sizes, bounds := make([]byte, width*c.Size()), make([]int, c.Size()+1)
	for r := range c.Size() {
		bounds[r+1] = width * (r + 1)
	}
	binary.LittleEndian.PutUint64(sizes[bounds[c.Rank()]:], uint64(len(mine)))
	if err := c.AllGather(sizes, bounds).Wait(); err != nil {
		return nil, err
	}
	for r := range c.Size() {
		bounds[r+1] = bounds[r] + int(binary.LittleEndian.Uint64(sizes[width*r:]))
	}
	data := make([]byte, bounds[c.Size()])
	copy(data[bounds[c.Rank()]:], mine)
	if err := c.AllGather(data, bounds).Wait(); err != nil {
		return nil, err
	}
	list := make([][]byte, c.Size())
	for r := range list {
		list[r] = data[bounds[r]:bounds[r+1]]
	}
	return list, nil
}

// Agreed is an error that all ranks return alike, so that it need not be told by more than one.
type Agreed struct{ error }

func (e *Agreed) Unwrap() error { return e.error }

// report is how a rank has fared.
type report struct {
	Code int // of package fault; 0 is without error
	Text string
}

func reportOf(err error) report {
	if err == nil {
		return report{}
	}
	return report{fault.ExitCode(err), err.Error()}
}

// Agree waits until every rank has come to the same point, with an error or without, and returns an *Agreed on all where one or more have
// failed: of the first that did, which it names unless all say the same. A communicator's own error is returned as it is.
func Agree(c Communicator, err error) error {
	text, bug := json.Marshal(reportOf(err))
	if bug != nil {
		panic(bug)
	}
	list, failed := Exchange(c, text)
	if failed != nil {
		return failed
	}
	reports := make([]report, c.Size())
	for r, text := range list {
		if err := json.Unmarshal(text, &reports[r]); err != nil {
			return fmt.Errorf("rank %d has sent %q: %w", r, text, err)
		}
	}
	rank := slices.IndexFunc(reports, func(r report) bool { return r.Code != 0 })
	if rank < 0 {
		return nil
	}
	first := reports[rank]
	switch {
	case c.Size() == 1:
		return err // as it is, with what it wraps
	case !slices.ContainsFunc(reports, func(r report) bool { return r != first }):
		return &Agreed{fault.WithCode(first.Code, first.Text)}
	}
	return &Agreed{fault.WithCode(first.Code, fmt.Sprintf("rank %d of %d: %s", rank, c.Size(), first.Text))}
}

// Lead has rank 0 do something, and gives every rank what came of it: the bytes, or the error as an *Agreed.
func Lead(c Communicator, do func() ([]byte, error)) ([]byte, error) {
	var data []byte
	var err error
	if c.Rank() == 0 {
		data, err = do()
	}
	if c.Size() == 1 {
		return data, err
	}
	head := report{}
	if err != nil {
		head = reportOf(err)
		data = []byte(head.Text)
	}
	var sizes [16]byte
	binary.LittleEndian.PutUint64(sizes[:], uint64(head.Code))
	binary.LittleEndian.PutUint64(sizes[8:], uint64(len(data)))
	if err := c.Broadcast(sizes[:]).Wait(); err != nil {
		return nil, err
	}
	if c.Rank() != 0 {
		data = make([]byte, binary.LittleEndian.Uint64(sizes[8:]))
	}
	if err := Spread(c, data); err != nil {
		return nil, err
	}
	if code := binary.LittleEndian.Uint64(sizes[:]); code != 0 {
		return nil, &Agreed{fault.WithCode(int(code), string(data))}
	}
	return data, nil
}

// Spread fills data, of any length and the same on every rank, with that of rank 0.
func Spread(c Communicator, data []byte) error {
	const most = 1 << 28 // MPI counts in 32 bits
	for part := range slices.Chunk(data, most) {
		if err := c.Broadcast(part).Wait(); err != nil {
			return err
		}
	}
	return nil
}

// Fact is something that must be the same on all ranks.
type Fact struct {
	Name, Value string
	Class       int // exit code of the error where it is not
}

// Same compares facts, which all ranks state in the same order, and returns an *Agreed on all that names the first which differs and the
// first rank where it does.
func Same(c Communicator, facts []Fact) error {
	text, bug := json.Marshal(facts)
	if bug != nil {
		panic(bug)
	}
	texts, err := Exchange(c, text)
	if err != nil {
		return err
	}
	lists := make([][]Fact, len(texts))
	for r, text := range texts {
		if err := json.Unmarshal(text, &lists[r]); err != nil {
			return fmt.Errorf("rank %d has sent %q: %w", r, text, err)
		}
	}
	for i, f := range lists[0] {
		for r, list := range lists {
			if i >= len(list) || list[i].Name != f.Name {
				return &Agreed{fault.WithCode(f.Class, fmt.Sprintf("rank %d of %d does not know of %s, as rank 0 does: expected the same program on all",
					r, c.Size(), f.Name))}
			}
			if list[i] != f {
				return &Agreed{fault.WithCode(f.Class, fmt.Sprintf("%s is %s on rank %d of %d, and %s on rank 0: expected the same on all",
					f.Name, list[i].Value, r, c.Size(), f.Value))}
			}
		}
	}
	return nil
}
