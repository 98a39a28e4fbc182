//go:build gpu && cgo && linux && amd64

package native_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"trainer/internal/collective"
	"trainer/internal/cuda/native"
	"trainer/internal/cuda/native/nccl"
	"trainer/internal/tcp"
)

// TestRanksSumAndGatherByNCCL runs TestOneRank in two processes: the stand-in has one GPU in each, and of real ones each takes its own.
func TestRanksSumAndGatherByNCCL(t *testing.T) {
	gpus := [2]int{}
	if !onFake {
		d, err := native.Open()
		if err != nil {
			t.Fatal(err)
		}
		if all, err := d.Devices(); err != nil || len(all) < 2 {
			t.Skipf("%d GPUs, %v: two ranks need one each", len(all), err)
		}
		if err := nccl.Load(); err != nil {
			t.Skip(err)
		}
		gpus[1] = 1
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	var all sync.WaitGroup
	for rank := range 2 {
		all.Go(func() {
			c := exec.Command(os.Args[0], "-test.run=^TestOneRank$", "-test.v")
			c.Env = append(os.Environ(), "MASTER_ADDR=127.0.0.1", "MASTER_PORT="+port, "WORLD_SIZE=2", fmt.Sprint("RANK=", rank), fmt.Sprint("LOCAL_RANK=", gpus[rank]))
			if output, err := c.CombinedOutput(); err != nil || strings.Contains(string(output), "SKIP") {
				t.Errorf("rank %d: %v\n%s", rank, err, output)
			}
		})
	}
	all.Wait()
}

// TestOneRank is a rank of several, each on the GPU of its process: those of TestRanksSumAndGatherByNCCL, or such as torchrun starts.
func TestOneRank(t *testing.T) {
	place, err := tcp.FromEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	if place == nil {
		t.Skip("this process is none of several: see TestRanksSumAndGatherByNCCL")
	}
	group, err := tcp.Join(*place, tcp.Options{Timeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	gpu, _ := strconv.Atoi(os.Getenv("LOCAL_RANK")) // nothing is 0
	r := newRigOn(t, gpu)
	name, err := collective.Lead(group, r.NewGroup)
	r.must(err)
	rank, size := place.Rank, place.Size
	c, err := r.Join(name, rank, size)
	r.must(err)
	fake := r.Properties().Name == "Fake GPU"
	if fake && c.Name() != "NCCL 2.27.5" {
		t.Errorf("the library is %q, expected NCCL 2.27.5", c.Name())
	}
	for _, parts := range [][]int{{3, 3}, {1, 4}, {0, 5}, {5, 0}} {
		bounds := []int{0}
		for r := range size {
			bounds = append(bounds, bounds[r]+parts[r%len(parts)])
		}
		n := bounds[size]
		own := make([]float32, n)
		sum, gathered := slices.Clone(own), slices.Clone(own)
		for i := range own {
			for other := range size {
				v := float32(100*(other+1) + i)
				sum[i] += v
				if other == rank {
					own[i] = v
				}
				if bounds[other] <= i && i < bounds[other+1] {
					gathered[i] = v
				}
			}
		}
		got := make([]float32, n)
		p := r.upload(own)
		r.must(c.ReduceScatter(r.stream, p, bounds))
		r.download(p, got)
		if part := got[bounds[rank]:bounds[rank+1]]; !slices.Equal(part, sum[bounds[rank]:bounds[rank+1]]) {
			t.Errorf("parts %v: rank %d has %v of the sum %v", parts, rank, part, sum)
		}
		p = r.upload(own)
		r.must(c.AllGather(r.stream, p, bounds))
		r.download(p, got)
		if !slices.Equal(got, gathered) {
			t.Errorf("parts %v: rank %d gathers %v, want %v", parts, rank, got, gathered)
		}
		p = r.upload(own)
		r.must(c.AllReduce(r.stream, p, n))
		r.download(p, got)
		if !slices.Equal(got, sum) {
			t.Errorf("parts %v: rank %d reduces to %v, want %v", parts, rank, got, sum)
		}
	}
	if fake {
		if err := c.AllReduce(r.stream, 16, 1); err == nil || !strings.Contains(err.Error(), "AllReduce: NCCL status 4: invalid argument (") {
			t.Errorf("a sum of memory that is not there: %v, expected NCCL's status with its reason", err)
		}
	}
	r.must(group.Close()) // all have done
	r.must(c.Close())
	r.close()
}

func TestWhereThereIsNoNCCLTheErrorNamesTheLibrary(t *testing.T) {
	if os.Getenv("RANK") == "without" {
		r := newRig(t)
		defer r.close()
		_, err := r.NewGroup()
		fmt.Println(err)
		return
	}
	needsFake(t)
	c := exec.Command(os.Args[0], "-test.run=^TestWhereThereIsNoNCCLTheErrorNamesTheLibrary$")
	c.Env = append(os.Environ(), "RANK=without", "TRAINER_LIBNCCL=/nowhere/libnccl.so.2")
	output, err := c.CombinedOutput()
	want := "NCCL was not found; install it, on Debian NVIDIA's package libnccl2, or name the file libnccl.so.2 in TRAINER_LIBNCCL: /nowhere/libnccl.so.2: "
	if err != nil || !strings.Contains(string(output), want) {
		t.Errorf("%v, %s: expected %s", err, output, want)
	}
}
