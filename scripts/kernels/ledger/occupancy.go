package main

import (
	"fmt"
	"regexp"
	"strconv"
)

// resources are what a kernel takes, as ptxas says for sm_90.
type resources struct {
	registers int // of a thread
	shared    int // bytes of a block that the kernel declares itself
}

// resourceRow is a row of the table that scripts/kernels/build.py writes.
var resourceRow = regexp.MustCompile("(?m)^\\| `\\w+\\.cu` \\| `(\\w+)` \\| \\d+ \\| (\\d+) \\| (\\d+) \\|$")

// readResources reads the table at the end of docs/kernels.md.
func readResources(page string) (map[string]resources, error) {
	all := map[string]resources{}
	for _, row := range resourceRow.FindAllStringSubmatch(page, -1) {
		registers, _ := strconv.Atoi(row[2])
		shared, _ := strconv.Atoi(row[3])
		all[row[1]] = resources{registers, shared}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("the table of registers that scripts/kernels/build.py writes is missing")
	}
	return all, nil
}

// occupancy is the share of a multiprocessor's 64 warps that can be resident at once on a GPU of compute capability 9.0 (CUDA C++
// Programming Guide, table "Technical Specifications per Compute Capability"; registers are given to warps in pieces of 256).
func occupancy(r resources, threads, dynamic int) float64 {
	const (
		mostWarps, mostBlocks = 64, 32
		registers, piece      = 65536, 256
		shared, reserved      = 228 << 10, 1 << 10 // bytes; of each block
		warp, granule         = 32, 128
	)
	up := func(n, to int) int { return (n + to - 1) / to * to }
	warps := up(threads, warp) / warp
	blocks := min(mostBlocks, mostWarps/warps)
	blocks = min(blocks, registers/up(r.registers*warp, piece)/warps)
	blocks = min(blocks, shared/(up(r.shared+dynamic, granule)+reserved))
	return float64(blocks*warps) / mostWarps
}
