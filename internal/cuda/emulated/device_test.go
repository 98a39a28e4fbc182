package emulated

import (
	"errors"
	"testing"

	"trainer/internal/cuda/driver"
	"trainer/internal/cuda/kernels"
	"trainer/internal/ptx"
)

func TestTheDriverShowsWhatTheOptionsSay(t *testing.T) {
	d := New(Options{})
	shown, err := d.Devices()
	if err != nil || len(shown) != 1 || shown[0] != DefaultProperties() || d.Version() != 12090 {
		t.Errorf("by default: version %d, %+v, %v", d.Version(), shown, err)
	}
	old := DefaultProperties()
	old.Capability, old.Memory = 75, 1000
	d = New(Options{Version: 11080, Devices: []driver.Properties{DefaultProperties(), old}})
	if shown, err = d.Devices(); err != nil || len(shown) != 2 || shown[1] != old || d.Version() != 11080 {
		t.Errorf("version %d, %+v, %v", d.Version(), shown, err)
	}
	opened, err := d.Open(1)
	if err != nil || opened.Properties() != old {
		t.Errorf("opened %+v, %v", opened, err)
	}
	_, err = d.Open(2)
	failing(t, err, "there is no GPU 2: the emulated driver shows 2")
	if shown, err = New(Options{Devices: []driver.Properties{}}).Devices(); err != nil || len(shown) != 0 {
		t.Errorf("of no devices: %+v, %v", shown, err)
	}
}

func TestMemoryIsAsMuchAsThePropertiesSay(t *testing.T) {
	small := DefaultProperties()
	small.Memory = 1000
	r := newRig(t, Options{Devices: []driver.Properties{small}})
	p := r.allocate(600)
	if p%256 != 0 {
		t.Errorf("address %#x is no multiple of 256", p)
	}
	if _, err := r.Allocate(401); !errors.Is(err, driver.ErrOutOfMemory) {
		t.Errorf("401 of 400 bytes: %v, expected ErrOutOfMemory", err)
	}
	if free := must(r, r.FreeMemory); free != 400 {
		t.Errorf("%d bytes are free, expected 400", free)
	}
	r.do(r.Free(p))
	r.allocate(1000)
	failing(t, r.Free(p), "use after free")
	_, err := r.Allocate(0)
	failing(t, err, "at least 1 expected")
}

func TestMemoryIsNotFreedUnderQueuedWork(t *testing.T) {
	r := newRig(t, Options{})
	s, p, q, host := r.stream(), r.words(1), r.allocate(4), r.pinned(0)
	r.do(s.Launch(r.plus, add(q, p, p)), s.Download(host, q))
	failing(t, r.Free(p), "the queued kernel plus (stream 0, work 0) uses it")
	failing(t, r.Free(q), "the queued kernel plus")
	failing(t, r.FreeHost(host), "the queued download of 4 bytes")
	failing(t, r.module.Unload(), "module test cannot be given back: the queued kernel plus")
	r.do(s.Synchronize(), r.Free(p), r.Free(q), r.FreeHost(host), r.module.Unload())
	failing(t, r.FreeHost(host), "they were freed")
	failing(t, r.module.Unload(), "given back twice")
	failing(t, s.Launch(r.plus, add(q, p, p)), "module test is unloaded")
	_, err := r.module.Kernel("plus", 0)
	failing(t, err, "module test is unloaded")
}

func TestOnlyPTXIsLoaded(t *testing.T) {
	r := newRig(t, Options{})
	_, err := r.Load("gather", []byte("\x7fELF\x02\x01"))
	failing(t, err, "load PTX, as Properties.PTXOnly says")
	_, err = r.Load("wrong", []byte("nonsense"))
	failing(t, err, "module wrong: ")
	_, err = r.module.Kernel("nothing", 0)
	failing(t, err, `no kernel "nothing"`)
}

func TestEveryKernelThatShipsIsLoaded(t *testing.T) {
	r := newRig(t, Options{})
	for _, source := range kernels.Sources() {
		m := must(r, func() (driver.Module, error) { return r.Load(source, []byte(kernels.PTX(source))) })
		again := must(r, func() (driver.Module, error) { return r.Load(source, []byte(kernels.PTX(source)+"\x00")) })
		if m.(*module).ptx != again.(*module).ptx {
			t.Errorf("%s was decoded twice", source)
		}
	}
}

func TestSharedMemoryMustBeAskedFor(t *testing.T) {
	r := newRig(t, Options{})
	s := r.stream()
	launch := kernels.Launch{Kernel: "wide", Grid: [3]int{1, 1, 1}, Block: 1, Shared: 100 << 10}
	kernel := func(shared int) driver.Kernel {
		return must(r, func() (driver.Kernel, error) { return r.module.Kernel("wide", shared) })
	}
	large, less := kernel(100<<10), kernel(50<<10)
	failing(t, s.Launch(less, launch), "102400 bytes of dynamic shared memory: Module.Kernel was asked for 51200")
	r.do(s.Launch(large, launch), s.Synchronize())
	_, err := r.module.Kernel("wide", 163<<10+1)
	failing(t, err, "166913 bytes of dynamic and 0 of static shared memory: the GPU has 166912 for a block")
	small := DefaultProperties()
	small.SharedMemory = 99 << 10
	_, err = newRig(t, Options{Devices: []driver.Properties{small}}).module.Kernel("wide", 100<<10)
	failing(t, err, "the GPU has 101376 for a block")
}

func TestLaunchesAreRefusedWhenTheyAreQueued(t *testing.T) {
	r, other := newRig(t, Options{}), newRig(t, Options{})
	s, p := r.stream(), r.words(1)
	freed := r.words(1)
	r.do(r.Free(freed))
	change := func(f func(*kernels.Launch)) kernels.Launch {
		l := add(p, p, p)
		f(&l)
		return l
	}
	for want, err := range map[string]error{
		"launch of plus: the kernel is not of this GPU":     s.Launch(other.plus, add(p, p, p)),
		"launch of minus: the kernel is plus":               s.Launch(r.plus, change(func(l *kernels.Launch) { l.Kernel = "minus" })),
		"[1 0 1] blocks":                                    s.Launch(r.plus, change(func(l *kernels.Launch) { l.Grid[1] = 0 })),
		"at most 1024 in all":                               s.Launch(r.plus, change(func(l *kernels.Launch) { l.Block = 1025 })),
		"2 arguments: the kernel has 3":                     s.Launch(r.plus, change(func(l *kernels.Launch) { l.Args = l.Args[:2] })),
		"argument 2: 1 bytes at":                            s.Launch(r.plus, add(p, p, freed)),
		"argument 0 (int32) has 4 bytes: parameter dst":     s.Launch(r.plus, change(func(l *kernels.Launch) { l.Args[0] = int32(1) })),
		"49153 bytes of dynamic shared memory: Module.Kern": s.Launch(r.plus, change(func(l *kernels.Launch) { l.Shared = 48<<10 + 1 })),
	} {
		failing(t, err, want)
	}
	r.do(s.Launch(r.plus, add(p, p, p)), s.Synchronize())
}

func TestAFaultNamesItsKernelAndStays(t *testing.T) {
	r := newRig(t, Options{})
	s, e, p, never := r.stream(), r.event(), r.words(1), r.allocate(4)
	r.do(s.Launch(r.plus, add(p, p, never)), s.Record(e))
	err := s.Synchronize()
	var fault *driver.Fault
	var cause *ptx.Fault
	if !errors.As(err, &fault) || fault.Kernel != "plus" || !errors.As(err, &cause) {
		t.Fatalf("got %v, expected a fault of kernel plus", err)
	}
	failing(t, err, "was never written")
	_, allocate := r.Allocate(4)
	_, allocateHost := r.AllocateHost(4)
	_, newStream := r.NewStream()
	_, newEvent := r.NewEvent()
	_, load := r.Load("test", []byte(testKernels))
	_, kernel := r.module.Kernel("plus", 0)
	_, free := r.FreeMemory()
	_, end := s.EndCapture()
	for i, later := range []error{
		s.Synchronize(), s.Launch(r.plus, add(p, p, p)), s.Fill(p, 0, 1), s.Record(e), s.Wait(e), e.Synchronize(), s.BeginCapture(),
		r.Free(p), allocate, allocateHost, newStream, newEvent, load, kernel, free, end,
	} {
		if later != err {
			t.Errorf("call %d after the fault returned %v", i, later)
		}
	}
	if err := r.Close(); err != nil {
		t.Errorf("Close repeats the fault: %v", err)
	}
	failing(t, s.Synchronize(), "the GPU is closed")
}

func TestClosingFindsWorkThatNobodyWaitedFor(t *testing.T) {
	r := newRig(t, Options{})
	s, p := r.stream(), r.words(1)
	r.do(s.Fill(p, 7, 1))
	failing(t, r.Close(), "closed while fill of 1 words")
	r = newRig(t, Options{})
	s, p = r.stream(), r.words(1)
	r.do(s.Fill(p, 7, 1), s.Synchronize(), r.Close())
}

func TestTwoGoroutinesAtATimeAreReported(t *testing.T) {
	r := newRig(t, Options{})
	r.busy.Lock()
	_, err := r.Allocate(4)
	failing(t, err, "two goroutines")
}

func TestCountersTellWhatEachKernelDid(t *testing.T) {
	r := newRig(t, Options{})
	s, p := r.stream(), r.words(1)
	r.do(s.Launch(r.plus, add(p, p, p)), s.Launch(r.plus, add(p, p, p)))
	if len(r.Counters()) != 0 {
		t.Error("a launch is counted that did not run")
	}
	r.do(s.Synchronize())
	first := r.Counters()["plus"]
	if first.Launches != 2 || first.Threads != 2 {
		t.Errorf("counted %v, expected 2 launches", first)
	}
	r.ResetCounters()
	r.do(s.Launch(r.plus, add(p, p, p)), s.Synchronize())
	if again := r.Counters()["plus"]; again.Launches != 1 || first.Launches != 2 {
		t.Errorf("%d launches after a reset and %d before, expected 1 and 2", again.Launches, first.Launches)
	}
}
