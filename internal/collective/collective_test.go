package collective

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"trainer/internal/fault"
)

// onAll runs a function on each of some ranks at the same time.
func onAll(list []Communicator, run func(c Communicator)) {
	var all sync.WaitGroup
	for _, c := range list {
		all.Go(func() { run(c) })
	}
	all.Wait()
}

// await fails where a request does.
func await(t *testing.T, r Request) {
	t.Helper()
	if err := r.Wait(); err != nil {
		t.Error(err)
	}
}

func TestOperationsOfRanksInOneProcess(t *testing.T) {
	for size := 1; size <= 4; size++ {
		bounds := []int{0}
		for r := range size {
			bounds = append(bounds, bounds[r]+r) // rank 0 has nothing
		}
		n := bounds[size]
		list := Local(size)
		if size == 1 {
			list = []Communicator{Alone{}}
		}
		onAll(list, func(c Communicator) {
			rank := c.Rank()
			values := make([]float32, n)
			for i := range values {
				values[i] = float32(100*(rank+1) + i)
			}
			reduced := c.ReduceScatter(values, bounds)
			data := make([]byte, n)
			for i := bounds[rank]; i < bounds[rank+1]; i++ {
				data[i] = byte(10*rank + i)
			}
			part := slices.Clone(data[bounds[rank]:bounds[rank+1]])
			gathered := c.AllGather(data, bounds)
			await(t, reduced)
			await(t, gathered)
			for i, v := range values {
				want := float32(100*(rank+1) + i)
				if bounds[rank] <= i && i < bounds[rank+1] {
					want = float32(100*size*(size+1)/2 + size*i)
				}
				if v != want {
					t.Errorf("%d ranks: element %d of the sum is %g on rank %d, want %g", size, i, v, rank, want)
				}
			}
			var whole []byte
			if rank == 0 {
				whole = make([]byte, n)
			}
			await(t, c.Gather(part, whole, bounds))
			if rank == 0 && !slices.Equal(whole, data) {
				t.Errorf("%d ranks: gathered on rank 0 is %v, on all %v", size, whole, data)
			}
			for r := range size {
				for i := bounds[r]; i < bounds[r+1]; i++ {
					if data[i] != byte(10*r+i) {
						t.Errorf("%d ranks: byte %d of rank %d is %d on rank %d, want %d", size, i, r, data[i], rank, 10*r+i)
					}
				}
			}
			word := []byte(fmt.Sprint(rank))
			await(t, c.Broadcast(word))
			if string(word) != "0" {
				t.Errorf("%d ranks: rank %d hears %q of rank 0", size, rank, word)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestExchangeGivesEachWhatAllHave(t *testing.T) {
	onAll(Local(3), func(c Communicator) {
		list, err := Exchange(c, binary.LittleEndian.AppendUint32(nil, uint32(c.Rank()))[:c.Rank()+1])
		if err != nil || len(list) != 3 || len(list[0]) != 1 || len(list[2]) != 3 || list[2][0] != 2 {
			t.Errorf("rank %d has %v, %v", c.Rank(), list, err)
		}
	})
}

func TestRanksAgreeOnTheFirstError(t *testing.T) {
	same, lack := fault.Usagef("-steps 0"), fault.Dataf("no data")
	for name, test := range map[string]struct {
		errs [3]error
		want string
		code int
	}{
		"none":       {},
		"the second": {[3]error{nil, lack, same}, "rank 1 of 3: no data", 3},
		"the first":  {[3]error{lack, same, nil}, "rank 0 of 3: no data", 3},
		"all alike":  {[3]error{same, same, same}, "-steps 0", 2},
		"the last":   {[3]error{nil, nil, errors.New("disk")}, "rank 2 of 3: disk", 1},
	} {
		onAll(Local(3), func(c Communicator) {
			err := Agree(c, test.errs[c.Rank()])
			if got := fmt.Sprint(err); test.want == "" && err != nil || test.want != "" && (got != test.want || !errors.As(err, new(*Agreed))) {
				t.Errorf("%s: rank %d has %q", name, c.Rank(), got)
			}
			if code := fault.ExitCode(err); code != test.code {
				t.Errorf("%s: exit code %d, want %d", name, code, test.code)
			}
		})
	}
	if err := Agree(Alone{}, lack); err != lack {
		t.Errorf("one process returns %v, want its error", err)
	}
}

func TestLeadGivesAllWhatRankZeroHasOrItsError(t *testing.T) {
	onAll(Local(3), func(c Communicator) {
		data, err := Lead(c, func() ([]byte, error) { return []byte(fmt.Sprint("of rank ", c.Rank())), nil })
		if string(data) != "of rank 0" || err != nil {
			t.Errorf("rank %d has %q, %v", c.Rank(), data, err)
		}
		_, err = Lead(c, func() ([]byte, error) { return nil, fault.Dataf("torn") })
		if fault.ExitCode(err) != fault.ExitData || err.Error() != "torn" || !errors.As(err, new(*Agreed)) {
			t.Errorf("rank %d has the error %v", c.Rank(), err)
		}
	})
}

func TestAbortFailsWhatWaitsOnOtherRanks(t *testing.T) {
	onAll(Local(3), func(c Communicator) {
		if c.Rank() == 1 {
			c.Abort(3)
			return
		}
		err := c.Broadcast(nil).Wait()
		var aborted *AbortedError
		if !errors.As(err, &aborted) || aborted.Rank != 1 || aborted.Code != 3 {
			t.Errorf("rank %d: %v", c.Rank(), err)
		}
	})
}

func TestImpossibleBoundsPanic(t *testing.T) {
	for _, bounds := range [][]int{{0, 4}, {0, 3, 2, 4}, {1, 2, 3, 4}, {0, 1, 2, 3}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("bounds %v of 4 elements among 3 ranks did not panic", bounds)
				}
			}()
			Local(3)[0].AllGather(make([]byte, 4), bounds)
		}()
	}
}
