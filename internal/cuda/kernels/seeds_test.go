package kernels_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

var (
	seeds      = flag.Int("seeds", 3, "schedules that must give the same bits")
	digestFile = flag.String("digests", "", "file to write the digests of all results to")
)

// digests are those of what each test downloaded. The order of downloads does not matter.
var digests = map[string]uint64{}

// digest notes results.
func digest(t testing.TB, raw []byte) {
	h := fnv.New64a()
	h.Write(raw)
	digests[t.Name()] += h.Sum64()
}

func writeDigests() error {
	if *digestFile == "" {
		return nil
	}
	var text bytes.Buffer
	for _, test := range slices.Sorted(maps.Keys(digests)) {
		fmt.Fprintf(&text, "%016x %s\n", digests[test], test)
	}
	return os.WriteFile(*digestFile, text.Bytes(), 0o666)
}

// schedulesAgree runs tests that together execute nearly every instruction under several schedules, that is orders of blocks and warps and
// numbers of workers, and compares the bits of all results.
func schedulesAgree() error {
	visits := fewTests()
	folder, err := os.MkdirTemp("", "digests")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	var wrong []error
	for i := range *seeds {
		path := fmt.Sprintf("%s/%d", folder, i)
		run := again(context.Background(), visits, fmt.Sprintf("-seed=%d", i+2), fmt.Sprintf("-workers=%d", 1+i%4), "-digests="+path)
		if output, err := run.CombinedOutput(); err != nil {
			return fmt.Errorf("seed %d: %w\n%s", i+2, err, output)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
			if sum, test, _ := strings.Cut(line, " "); sum != fmt.Sprintf("%016x", digests[test]) {
				wrong = append(wrong, fmt.Errorf("%s: -seed=%d gives other bits than -seed=%d", test, i+2, *seed))
			}
		}
	}
	return errors.Join(wrong...)
}

// fewTests chooses quick tests: for each kernel the quickest that executes nearly as many instructions as any.
func fewTests() []*visit {
	const nearly = 0.65
	var few []*visit
	for _, kernel := range slices.Sorted(maps.Keys(records)) {
		most := 0
		for _, v := range records[kernel].visits {
			most = max(most, v.lines.count())
		}
		var quickest *visit
		for _, v := range records[kernel].visits {
			if float64(v.lines.count()) >= nearly*float64(most) && (quickest == nil || v.cost < quickest.cost) {
				quickest = v
			}
		}
		few = append(few, quickest)
	}
	return few
}
