package kernels_test

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"trainer/internal/cuda/kernels"
	"trainer/internal/ptx"
)

var (
	mutants     = flag.Int("mutants", 12, "slips in kernels that the tests are tried with, one after the other")
	mutantsSeed = flag.Uint64("mutants.seed", 1, "seed of their choice")
	asked       slip
)

func init() {
	flag.Var(&asked, "mutant", "run the tests with one slip: `kernel:number`, as a failure names it")
}

// caughtAtLeast is the share of the slips that do harm that the tests must find.
const caughtAtLeast = 0.95

// slip is a mutation of a kernel, by its number among those of the kernel's text.
type slip struct {
	kernel string
	number int
	ptx.Mutation
}

func (s *slip) String() string { return fmt.Sprintf("%s:%d", s.kernel, s.number) }

// Set is how package flag sets it.
func (s *slip) Set(text string) error {
	name, number, found := strings.Cut(text, ":")
	n, err := strconv.Atoi(number)
	if !found || err != nil {
		return errors.New("expected kernel:number")
	}
	*s = slip{kernel: name, number: n}
	return nil
}

// apply makes the slip in the text of a kernel, if it is one of that kernel.
func (s *slip) apply(kernel, text string) string {
	if s.kernel != kernel {
		return text
	}
	return ptx.Mutations(text)[s.number].Apply(text)
}

// isPTX says whether the kernel can be loaded with the slip.
func (s *slip) isPTX() bool {
	_, err := ptx.NewDevice(ptx.Options{}).Load(s.kernel, s.Apply(kernelText(records[s.kernel].source, s.kernel)))
	return err == nil
}

// slipsAreFound tries the tests with a sample of slips. Each slip is tried in a process of its own, on those tests alone that execute its
// line. Every kind of slip in every kernel is tried once before one is tried again.
func slipsAreFound() error {
	harmless, err := readHarmless()
	if err != nil {
		return err
	}
	tried := sample(*mutants)
	survivors := survive(tried)
	known := 0
	survivors = slices.DeleteFunc(survivors, func(s slip) bool {
		if harmless.has(s) {
			known++
			return true
		}
		return false
	})
	harmful := len(tried) - known
	caught := harmful - len(survivors)
	fmt.Printf("slips: %d tried, %d of them harmless; the tests find %d of the other %d\n", len(tried), known, caught, harmful)
	var missed []error
	for _, s := range survivors {
		missed = append(missed, fmt.Errorf("-mutant=%v of built/%s.ptx, %v; to list: %s | %s | %s |",
			&s, records[s.kernel].source, s.Mutation, s.kernel, s.Kind, s.meaning()))
	}
	allowed := max(1, int((1-caughtAtLeast)*float64(harmful))) // one of few says little
	if err := errors.Join(missed...); len(missed) > allowed {
		return fmt.Errorf("slips in kernels that no test finds; test what the lines do, or say in testdata/harmless.txt why they do no harm:\n%w",
			err)
	} else if err != nil {
		fmt.Println(err)
	}
	return nil
}

// sample draws slips without repetition: round after round, one of each kind from each kernel.
func sample(n int) []slip {
	groups := map[[2]string][]slip{}
	var names [][2]string
	for _, source := range kernels.Sources() {
		for _, kernel := range kernelNames(source) {
			for i, m := range ptx.Mutations(kernelText(source, kernel)) {
				name := [2]string{kernel, m.Kind}
				if groups[name] == nil {
					names = append(names, name)
				}
				groups[name] = append(groups[name], slip{kernel, i, m})
			}
		}
	}
	random := rand.New(rand.NewPCG(*mutantsSeed, 1))
	for _, name := range names {
		g := groups[name]
		random.Shuffle(len(g), func(i, j int) { g[i], g[j] = g[j], g[i] })
	}
	var drawn []slip
	for round := 0; len(drawn) < n; round++ {
		random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		more := false
		for _, name := range names {
			more = more || round < len(groups[name])
			if g := groups[name]; round < len(g) && len(drawn) < n && g[round].isPTX() {
				drawn = append(drawn, g[round])
			}
		}
		if !more {
			break
		}
	}
	return drawn
}

// survive returns the slips that no test finds.
func survive(all []slip) []slip {
	var (
		mutex     sync.Mutex
		wait      sync.WaitGroup
		next      int
		survivors []slip
	)
	for range runtime.NumCPU() {
		wait.Go(func() {
			for {
				mutex.Lock()
				i := next
				next++
				mutex.Unlock()
				if i >= len(all) {
					return
				}
				if !found(all[i]) {
					mutex.Lock()
					survivors = append(survivors, all[i])
					mutex.Unlock()
				}
			}
		})
	}
	wait.Wait()
	slices.SortFunc(survivors, func(a, b slip) int { return cmp.Or(cmp.Compare(a.kernel, b.kernel), a.number-b.number) })
	return survivors
}

// found says whether the tests fail with a slip: first the quickest of those that execute its line, then all of them.
func found(s slip) bool {
	var visits []*visit
	for _, v := range records[s.kernel].visits {
		if v.lines.has(s.Line) {
			visits = append(visits, v)
		}
	}
	slices.SortStableFunc(visits, func(a, b *visit) int { return cmp.Compare(a.cost, b.cost) })
	const quick = 4
	n := min(quick, len(visits))
	return fails(s, visits[:n]) || fails(s, visits[n:])
}

// fails runs tests with a slip.
func fails(s slip, visits []*visit) bool {
	if len(visits) == 0 {
		return false
	}
	const patience = 2 * time.Minute // a slip may make a kernel wait for what never comes
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return again(ctx, visits, "-mutant="+s.String()).Run() != nil
}

// again is this program, run on some tests.
func again(ctx context.Context, visits []*visit, flags ...string) *exec.Cmd {
	var names []string
	for _, v := range visits {
		parts := strings.Split(v.test, "/")
		for i, part := range parts {
			parts[i] = "^" + regexp.QuoteMeta(part) + "$"
		}
		names = append(names, strings.Join(parts, "/"))
	}
	slices.Sort(names)
	run := "-test.run=" + strings.Join(slices.Compact(names), "|")
	return exec.CommandContext(ctx, os.Args[0], append([]string{run, "-test.failfast", "-workers=1"}, flags...)...)
}
