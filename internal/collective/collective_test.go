package collective_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"testing"

	"trainer/internal/collective"
	"trainer/internal/collective/collectivetest"
	"trainer/internal/fault"
)

// onAll runs a function on each of some ranks at the same time.
func onAll(list []collective.Communicator, run func(c collective.Communicator)) {
	var all sync.WaitGroup
	for _, c := range list {
		all.Go(func() { run(c) })
	}
	all.Wait()
}

func TestOperationsOfRanksInOneProcess(t *testing.T) {
	for size := 1; size <= 4; size++ {
		list := collective.Local(size)
		if size == 1 {
			list = append(list, collective.Alone{})
		}
		for len(list) > 0 {
			n := min(size, len(list))
			onAll(list[:n], func(c collective.Communicator) {
				if err := errors.Join(collectivetest.Check(c), c.Close()); err != nil {
					t.Errorf("%d ranks: %v", size, err)
				}
			})
			list = list[n:]
		}
	}
}

func TestExchangeGivesEachWhatAllHave(t *testing.T) {
	onAll(collective.Local(3), func(c collective.Communicator) {
		list, err := collective.Exchange(c, binary.LittleEndian.AppendUint32(nil, uint32(c.Rank()))[:c.Rank()+1])
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
		onAll(collective.Local(3), func(c collective.Communicator) {
			err := collective.Agree(c, test.errs[c.Rank()])
			if got := fmt.Sprint(err); test.want == "" && err != nil || test.want != "" && (got != test.want || !errors.As(err, new(*collective.Agreed))) {
				t.Errorf("%s: rank %d has %q", name, c.Rank(), got)
			}
			if code := fault.ExitCode(err); code != test.code {
				t.Errorf("%s: exit code %d, want %d", name, code, test.code)
			}
		})
	}
	if err := collective.Agree(collective.Alone{}, lack); err != lack {
		t.Errorf("one process returns %v, want its error", err)
	}
}

func TestLeadGivesAllWhatRankZeroHasOrItsError(t *testing.T) {
	onAll(collective.Local(3), func(c collective.Communicator) {
		data, err := collective.Lead(c, func() ([]byte, error) { return []byte(fmt.Sprint("of rank ", c.Rank())), nil })
		if string(data) != "of rank 0" || err != nil {
			t.Errorf("rank %d has %q, %v", c.Rank(), data, err)
		}
		_, err = collective.Lead(c, func() ([]byte, error) { return nil, fault.Dataf("torn") })
		if fault.ExitCode(err) != fault.ExitData || err.Error() != "torn" || !errors.As(err, new(*collective.Agreed)) {
			t.Errorf("rank %d has the error %v", c.Rank(), err)
		}
	})
}

func TestAbortFailsWhatWaitsOnOtherRanks(t *testing.T) {
	onAll(collective.Local(3), func(c collective.Communicator) {
		if c.Rank() == 1 {
			c.Abort(3)
			return
		}
		err := c.Broadcast(nil).Wait()
		var aborted *collective.AbortedError
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
			collective.Local(3)[0].AllGather(make([]byte, 4), bounds)
		}()
	}
	for _, length := range []int{4, collective.UnknownLength} {
		collective.CheckBounds("Gather", 3, length, []int{0, 0, 1, 4})
	}
}

func TestFactsThatDifferAreNamedWithTheFirstRankThatHasThem(t *testing.T) {
	onAll(collective.Local(3), func(c collective.Communicator) {
		facts := []collective.Fact{{"-steps", "12", fault.ExitUsage}, {"the data", fmt.Sprint(c.Rank() / 2), fault.ExitData}}
		if err := collective.Same(c, facts[:1]); err != nil {
			t.Error(err)
		}
		err := collective.Same(c, facts)
		const want = "the data is 1 on rank 2 of 3, and 0 on rank 0: expected the same on all"
		if fmt.Sprint(err) != want || fault.ExitCode(err) != fault.ExitData {
			t.Errorf("rank %d returns %v of class %d, want %q", c.Rank(), err, fault.ExitCode(err), want)
		}
	})
}
