package emulated

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"sync"
	"testing"

	"trainer/internal/cuda/driver"
)

// onRanks runs a function on a device of each rank of a group, each in a goroutine.
func onRanks(t *testing.T, size int, o Options, run func(r *rig, c driver.Communicator, rank int)) {
	t.Helper()
	name := make(chan []byte, size)
	var all sync.WaitGroup
	for rank := range size {
		r := newRig(t, o)
		all.Go(func() {
			if rank == 0 {
				group := must(r, r.NewGroup)
				for range size {
					name <- group
				}
			}
			c := must(r, func() (driver.Communicator, error) { return r.Join(<-name, rank, size) })
			run(r, c, rank)
		})
	}
	all.Wait()
}

// floats are values on the device.
func (r *rig) floats(values ...float32) driver.Pointer {
	words := make([]int32, len(values))
	for i, v := range values {
		words[i] = int32(math.Float32bits(v))
	}
	return r.words(words...)
}

// readFloats waits for a stream and returns n values.
func (r *rig) readFloats(s driver.Stream, p driver.Pointer, n int) []float32 {
	b := must(r, func() ([]byte, error) { return r.AllocateHost(4 * n) })
	r.do(s.Download(b, p), s.Synchronize())
	values := make([]float32, n)
	for i := range values {
		values[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return values
}

func TestRanksSumAndGatherInTheMemoryOfTheirDevices(t *testing.T) {
	for seed := range uint64(seeds) {
		onRanks(t, 3, Options{Seed: seed}, func(r *rig, c driver.Communicator, rank int) {
			bounds := []int{0, 2, 2, 5}
			s, side, ready, done := r.stream(), r.stream(), r.event(), r.event()
			x := float32(rank + 1)
			p, q, g := r.floats(x, 10*x, 3, 4, 5), r.floats(x, -x), r.floats(x, x, x, x, x)
			sum := r.allocate(20)
			r.do(
				s.Copy(sum, p, 20), s.Record(ready), side.Wait(ready),
				c.ReduceScatter(side, sum, bounds), c.AllReduce(side, q, 2), c.AllGather(side, g, bounds),
				side.Record(done), s.Wait(done),
			)
			want := [][]float32{{6, 60}, {}, {9, 12, 15}}[rank]
			if got := r.readFloats(s, sum, 5)[bounds[rank]:bounds[rank+1]]; !slices.Equal(got, want) {
				t.Errorf("seed %d: rank %d has %v of the sum, want %v", seed, rank, got, want)
			}
			if got := r.readFloats(s, q, 2); !slices.Equal(got, []float32{6, -6}) {
				t.Errorf("seed %d: rank %d reduces to %v", seed, rank, got)
			}
			if got := r.readFloats(s, g, 5); !slices.Equal(got, []float32{1, 1, 3, 3, 3}) {
				t.Errorf("seed %d: rank %d gathers %v", seed, rank, got)
			}
			r.do(c.Close())
		})
	}
}

func TestAnOperationThatIsNotWaitedForIsARaceAndLateForSomeOrder(t *testing.T) {
	late := false
	for seed := range uint64(seeds) {
		onRanks(t, 2, Options{Seed: seed, IgnoreRaces: true}, func(r *rig, c driver.Communicator, rank int) {
			s, side, q := r.stream(), r.stream(), r.floats(1)
			r.do(c.AllReduce(side, q, 1))
			if got := r.readFloats(s, q, 1); rank == 0 && got[0] == 1 {
				late = true
			}
			r.do(side.Synchronize())
		})
		onRanks(t, 2, Options{Seed: seed}, func(r *rig, c driver.Communicator, rank int) {
			s, side, q := r.stream(), r.stream(), r.floats(1)
			r.do(c.AllReduce(side, q, 1), s.Fill(q, 0, 1))
			failing(t, errors.Join(side.Synchronize(), s.Synchronize()), "AllReduce")
			failing(t, s.Synchronize(), "nothing orders them")
		})
	}
	if !late {
		t.Error("in no order is the sum late")
	}
}

func TestOperationsOfRanksAreRefusedWhenTheyAreQueued(t *testing.T) {
	other := newRig(t, Options{})
	onRanks(t, 2, Options{}, func(r *rig, c driver.Communicator, rank int) {
		s, p := r.stream(), r.floats(1, 2)
		failing(t, c.AllReduce(other.stream(), p, 2), "AllReduce: the stream is not of this GPU")
		failing(t, c.AllReduce(s, p, 0), "AllReduce of 0 values")
		failing(t, c.AllGather(s, p, []int{0, 1, 3}), "AllGather: ")
		r.do(s.BeginCapture())
		failing(t, c.AllReduce(s, p, 2), "AllReduce: stream ")
		_, err := s.EndCapture()
		failing(t, err, "the capture was spoilt")
		func() {
			defer func() {
				if recover() == nil {
					t.Error("bounds that fall did not panic")
				}
			}()
			c.ReduceScatter(s, p, []int{0, 2, 1})
		}()
		r.do(c.Close())
		failing(t, c.AllReduce(s, p, 2), "AllReduce: the communicator is closed")
	})
	_, err := other.Join([]byte("x"), 0, 2)
	failing(t, err, "rank 0 must be the one that has called NewGroup")
}
