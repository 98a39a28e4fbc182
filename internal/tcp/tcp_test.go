package tcp

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"trainer/internal/collective"
	"trainer/internal/fault"
	"trainer/internal/vm"
)

// rank is what a goroutine has that plays a process.
type rank struct {
	c   collective.Communicator
	err error
	at  string // of rank 0
}

// join connects as many ranks, except for those that are left out.
func join(t *testing.T, size int, o Options, without ...int) []rank {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	list := make([]rank, size)
	var all sync.WaitGroup
	for r := range list {
		if slices.Contains(without, r) {
			continue
		}
		all.Go(func() {
			list[r].at = l.Addr().String()
			if r == 0 {
				list[r].c, list[r].err = Lead(l, size, o)
			} else {
				list[r].c, list[r].err = Follow(Place{r, size, l.Addr().String()}, o)
			}
		})
	}
	all.Wait()
	return list
}

// onAll runs a function on each rank at the same time.
func onAll(t *testing.T, list []rank, run func(c collective.Communicator)) {
	t.Helper()
	var all sync.WaitGroup
	for _, r := range list {
		if r.err != nil {
			t.Fatal(r.err)
		}
		all.Go(func() { run(r.c) })
	}
	all.Wait()
}

var patient = Options{Timeout: 20 * time.Second}

// script does many operations of random sizes, several at a time, and returns all that a rank has behind them.
func script(t *testing.T, c collective.Communicator) []byte {
	random, own := rand.New(rand.NewPCG(1, 1)), rand.New(rand.NewPCG(2, uint64(c.Rank())))
	var requests []collective.Request
	var results [][]byte
	for i := range 60 {
		bounds := []int{0}
		for r := range c.Size() {
			bounds = append(bounds, bounds[r]+random.IntN(1<<random.IntN(16)))
		}
		values := make([]float32, bounds[c.Size()])
		for i := range values {
			values[i] = own.Float32()
		}
		data := vm.Bytes(slices.Clone(values))[:len(values)]
		part := data[bounds[c.Rank()]:bounds[c.Rank()+1]]
		switch i % 4 {
		case 0:
			requests = append(requests, c.ReduceScatter(values, bounds))
			results = append(results, vm.Bytes(values))
		case 1:
			requests = append(requests, c.AllGather(data, bounds))
			results = append(results, data)
		case 2:
			var whole []byte
			if c.Rank() == 0 {
				whole = make([]byte, len(data))
			}
			requests = append(requests, c.Gather(part, whole, bounds))
			results = append(results, whole)
		case 3:
			requests = append(requests, c.Broadcast(data))
			results = append(results, data)
		}
	}
	if err := collective.All(requests); err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	return slices.Concat(results...)
}

func TestOperationsGiveTheBitsThatGoroutinesGiveEachOther(t *testing.T) {
	for size := 2; size <= 5; size++ {
		want := make([][]byte, size)
		var all sync.WaitGroup
		for _, c := range collective.Local(size) {
			all.Go(func() { want[c.Rank()] = script(t, c) })
		}
		all.Wait()
		onAll(t, join(t, size, patient), func(c collective.Communicator) {
			if got := script(t, c); !slices.Equal(got, want[c.Rank()]) {
				t.Errorf("rank %d of %d has other bits than by collective.Local", c.Rank(), size)
			}
		})
	}
}

func TestRanksThatDoNotComeAreNamedOnAllThatDo(t *testing.T) {
	t.Parallel()
	for want, without := range map[string][]int{
		"rank 2 of 4 did not come to ":         {2},
		"ranks 1, 2 and 3 of 4 did not come":   {1, 2, 3},
		"rank 0 does not answer at 127.0.0.1:": {0},
	} {
		list := join(t, 4, Options{Timeout: 300 * time.Millisecond}, without...)
		for r := range list {
			if slices.Contains(without, r) {
				continue
			}
			if without[0] == 0 { // the listener of the test takes connections, and nobody answers
				want = "waiting for the other ranks"
			}
			if list[r].err == nil || !strings.Contains(list[r].err.Error(), want) {
				t.Errorf("without %v rank %d says %v, want %q", without, r, list[r].err, want)
			}
		}
	}
	nobody := Place{1, 2, "127.0.0.1:1"}
	if _, err := Follow(nobody, Options{Timeout: 200 * time.Millisecond}); err == nil || !strings.Contains(err.Error(), "rank 0 does not answer at 127.0.0.1:1 within 200ms") {
		t.Errorf("where nobody listens: %v", err)
	}
}

func TestRanksOfAnotherGroupOrTwiceTheSameAreRefused(t *testing.T) {
	t.Parallel()
	for want, places := range map[string][]Place{
		"says that it is rank 1 of 3, expected one of 2": {{Rank: 1, Size: 3}},
		"says that it is rank 2 of 2, expected one of 2": {{Rank: 2, Size: 2}},
		"both say that they are rank 1 of 3":             {{Rank: 1, Size: 3}, {Rank: 1, Size: 3}},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		size := len(places) + 1
		o := Options{Timeout: 5 * time.Second}
		for _, p := range places {
			p.Address = l.Addr().String()
			go Follow(p, o)
		}
		if _, err := Lead(l, size, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", places, err, want)
		}
	}
}

func TestWhoeverElseConnectsIsIgnored(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"GET / HTTP/1.1\r\n\r\n", "\x01\x02\x00\x00\x00\x00\x00\x00\x00{}", ""} {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(c, text)
		if text != "" {
			defer c.Close()
		} else {
			c.Close()
		}
	}
	go func() {
		if c, err := Follow(Place{1, 2, l.Addr().String()}, patient); err == nil {
			c.Close()
		}
	}()
	c, err := Lead(l, 2, patient)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func TestARankThatIsGoneFailsWhatOthersWaitFor(t *testing.T) {
	for gone := range 3 {
		told := make(chan error, 3)
		list := join(t, 3, Options{Timeout: 5 * time.Second, Ended: func(err error) { told <- err }})
		onAll(t, list, func(c collective.Communicator) {
			if c.Rank() == gone { // as if its process had been killed
				switch c := c.(type) {
				case *hub:
					for _, l := range c.links[1:] {
						l.Close()
					}
				case *spoke:
					c.hub.Close()
				}
				return
			}
			err := c.Broadcast(make([]byte, 3)).Wait()
			var lost *LostError
			if !errors.As(err, &lost) || lost.Rank != gone && gone != 0 { // rank 0 loses one after the other, and may still tell so
				t.Errorf("rank %d, without rank %d: %v", c.Rank(), gone, err)
			}
			if again := c.AllGather(nil, make([]int, 4)).Wait(); again == nil {
				t.Errorf("rank %d goes on behind the loss of rank %d", c.Rank(), gone)
			}
		})
		for range 2 { // the goroutines of the one that is gone tell too
			if err := <-told; !errors.As(err, new(*LostError)) {
				t.Errorf("Ended is told %v", err)
			}
		}
	}
}

func TestAbortIsToldToAll(t *testing.T) {
	for by := range 3 {
		told := make(chan error, 3)
		onAll(t, join(t, 3, Options{Timeout: 5 * time.Second, Ended: func(err error) { told <- err }}), func(c collective.Communicator) {
			if c.Rank() == by {
				c.Abort(3)
				return
			}
			var aborted *collective.AbortedError
			if err := c.Close(); !errors.As(err, &aborted) || aborted.Rank != by || aborted.Code != 3 {
				t.Errorf("rank %d hears of the abort of rank %d: %v", c.Rank(), by, err)
			}
		})
		for range 2 {
			if err := <-told; !errors.As(err, new(*collective.AbortedError)) {
				t.Errorf("Ended is told %v", err)
			}
		}
	}
}

func TestDifferentOperationsAreAnError(t *testing.T) {
	onAll(t, join(t, 2, Options{Timeout: 5 * time.Second}), func(c collective.Communicator) {
		err := c.Broadcast(make([]byte, 4+c.Rank())).Wait()
		if c.Rank() == 1 && (err == nil || !strings.Contains(err.Error(), "rank 0 answers with Broadcast of 4 bytes to Broadcast of 5")) {
			t.Errorf("a broadcast of another length: %v", err)
		}
	})
	onAll(t, join(t, 2, Options{Timeout: 5 * time.Second}), func(c collective.Communicator) {
		var err error
		if c.Rank() == 0 {
			err = c.Broadcast(nil).Wait()
		} else {
			err = c.AllGather([]byte{1}, []int{0, 0, 1}).Wait()
		}
		if err == nil || !strings.Contains(err.Error(), "it asks for AllGather with 1 bytes, and rank 0 for Broadcast with 0") {
			t.Errorf("rank %d, different operations: %v", c.Rank(), err)
		}
	})
}

func TestThePlaceComesFromTheVariablesOfTorchrun(t *testing.T) {
	set := func(rank, size, host, port string) {
		t.Setenv("RANK", rank)
		t.Setenv("WORLD_SIZE", size)
		t.Setenv("MASTER_ADDR", host)
		t.Setenv("MASTER_PORT", port)
	}
	for _, test := range []struct {
		rank, size, host, port string
		want                   string
	}{
		{"", "", "", "", "<nil> <nil>"},
		{"0", "1", "node0", "29500", "<nil> <nil>"},
		{"1", "2", "node0", "29500", "&{1 2 node0:29500} <nil>"},
		{"1", "2", "fe80::1", "29500", "&{1 2 [fe80::1]:29500} <nil>"},
		{"2", "2", "node0", "29500", "RANK is \"2\": expected 0 to 1"},
		{"0", "two", "node0", "29500", "WORLD_SIZE is \"two\""},
		{"0", "2", "node0", "", "MASTER_PORT is \"\": expected 1 to 65534"},
	} {
		set(test.rank, test.size, test.host, test.port)
		p, err := FromEnvironment()
		if got := fmt.Sprint(p, err); !strings.Contains(got, test.want) || err != nil && fault.ExitCode(err) != fault.ExitUsage {
			t.Errorf("%+v: %s", test, got)
		}
	}
	set("0", "2", "node0", "29500")
	t.Setenv(agentStore, "True")
	if p, err := FromEnvironment(); err != nil || p.Address != "node0:29501" {
		t.Errorf("where torchrun has the port: %+v, %v", p, err)
	}
}

func TestJoinListensOnThePortOfThePlace(t *testing.T) {
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	if _, err := Join(Place{0, 2, "localhost:" + port}, patient); err == nil || !strings.Contains(err.Error(), "cannot listen on port "+port) {
		t.Errorf("on a port that is taken: %v", err)
	}
	l.Close()
	list := make([]rank, 2)
	var all sync.WaitGroup
	for r := range list {
		all.Go(func() { list[r].c, list[r].err = Join(Place{r, 2, "127.0.0.1:" + port}, patient) })
	}
	all.Wait()
	onAll(t, list, func(c collective.Communicator) {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}
