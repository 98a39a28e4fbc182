package ptx

import (
	"slices"
	"strings"
	"testing"
)

func TestMutationsAreTheSlipsOfEachLine(t *testing.T) {
	for line, want := range map[string][]string{
		"bar.sync 0;":                                        {""},
		"bar.warp.sync -1;":                                  {""},
		"bar.red.popc.u32 %r1, 0, %p1;":                      nil,
		"cp.async.wait_group 1;":                             {"", "cp.async.wait_group 2;"},
		"cp.async.wait_all;":                                 {""},
		"cp.async.commit_group;":                             {""},
		"setp.lt.s32 %p1, %r1, %r2;":                         {"setp.le.s32 %p1, %r1, %r2;", "setp.ge.s32 %p1, %r1, %r2;"},
		"setp.ge.u64 %p1, %rd1, 3;":                          {"setp.gt.u64 %p1, %rd1, 3;", "setp.lt.u64 %p1, %rd1, 3;"},
		"setp.lt.f32 %p1, %f1, %f2;":                         {"setp.ge.f32 %p1, %f1, %f2;"},
		"setp.neu.f32 %p1, %f1, %f2;":                        {"setp.equ.f32 %p1, %f1, %f2;"},
		"@%p1 st.global.f32 [%rd1], %f1;":                    {"@%p1 st.global.f32 [%rd1+4], %f1;", "st.global.f32 [%rd1], %f1;"},
		"ld.shared.v4.f32 {%f1, %f2, %f3, %f4}, [%r1];":      {"ld.shared.v4.f32 {%f1, %f2, %f3, %f4}, [%r1+4];"},
		"ld.global.nc.f32 %f1, [%rd1+8];":                    nil,
		"@!%p1 cp.async.cg.shared.global [%r1], [%rd1], 16;": {"cp.async.cg.shared.global [%r1], [%rd1], 16;"},
		"shfl.sync.bfly.b32 %r1|%p1, %r2, %r3, 31, -1;":      {"shfl.sync.bfly.b32 %r1|%p1, %r2, 0, 31, -1;"},
		"shfl.sync.idx.b32 %r1, %r2, %r3, 31, -1;":           {"shfl.sync.idx.b32 %r1, %r2, 1, 31, -1;"},
		"red.global.add.u32 [%rd1], 1;":                      nil,
		"@%p1 add.u32 %r1, %r2, 7;":                          {"@%p1 add.u32 %r1, %r2, 8;"},
		"mov.u32 %r1, %laneid;":                              {"mov.u32 %r1, %warpid;"},
		"sub.f32 %f1, %f2, %f3;":                             {"add.f32 %f1, %f2, %f3;", "sub.f32 %f1, %f3, %f2;"},
		"sub.f32 %f1, %f2, %f2;":                             {"add.f32 %f1, %f2, %f2;"},
		"shl.b32 %r1, %r2, 3;":                               {"shl.b32 %r1, 3, %r2;"},
		"shl.b64 %rd1, %rd2, 3;":                             nil, // the amount has 32 bits
		"selp.f32 %f1, %f2, 0f00000000, %p1;":                {"selp.f32 %f1, 0f00000000, %f2, %p1;"},
		"add.s32 %r1, %r2, -1;":                              {"add.s32 %r1, %r2, 0;"},
		"add.s64 %rd1, %rd2, %rd3;":                          {"sub.s64 %rd1, %rd2, %rd3;"},
		"ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%r1,%r2,%r3,%r4}, [%r5];": {
			"ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r1,%r2,%r3,%r4}, [%r5];",
		},
		"ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%r1,%r2}, [%r5];": {"ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%r1,%r2}, [%r5];"},
		"fma.rn.f32 %f1, %f2, %f3, %f4;":                             {"fma.rn.f32 %f1, %f2, %f4, %f3;", "fma.rn.f32 %f1, %f2, %f3, 0f00000000;"},
	} {
		const before, after = "ret;\n\t", "\n\tret;\n"
		var got []string
		for _, m := range Mutations(before + line + after) {
			if text := m.Apply(before + line + after); m.Line != 2 || m.Before != line || text != before+m.After+after {
				t.Errorf("%s: %v makes\n%s", line, m, text)
			}
			got = append(got, m.After)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s becomes %q, expected %q", line, got, want)
		}
	}
}

// harmless says how many slips of a kind leave a right kernel, and why.
var harmless = map[string]struct {
	times int
	why   string
}{
	"layer_norm: barrier removed":                 {1, "before the block's first sum nothing was read that it writes"},
	"layer_norm: comparison turned round":         {1, "all threads have the sum that one of them is to write"},
	"embedding_gradient: comparison turned round": {1, "however many lanes count a row, the workload does not look at the counts"},
	"softmax: addend for factor":                  {2, "where expf splits its argument does not change the product of the two powers of 2"},
	"layer_norm: operands swapped":                {1, "a difference that is squared"},
	"softmax: product added to nothing":           {2, "the low part of log2(e) in expf changes less than the tolerance, in both loops"},
	"softmax: constant off by one":                {1, "the largest of fewer numbers will do to scale by"},
	"sgemm: comparison off by one":                {3, "k is not 0, and no thread is 1023; one more tile along k holds nothing but zeros"},
	"mma_gemm: comparison off by one":             {4, "k is no 1, and no thread 255; one more tile along k is fetched and not used"},
	"mma_gemm: constant off by one":               {4, "places along k are compared that are multiples of 8, one bit of a sum is used, and a tile is fetched in vain"},
}

func TestEverySlipInARealKernelIsFound(t *testing.T) {
	byKernel := map[string][]workload{}
	for _, l := range workloads() {
		byKernel[l.kernel] = append(byKernel[l.kernel], l)
	}
	for kernel, loads := range byKernel {
		t.Run(kernel, func(t *testing.T) {
			t.Parallel()
			text := kernelText(t, kernel)
			executed := executedLines(t, text, loads)
			missed := map[string][]string{}
			for _, s := range slips {
				missed[s.kind] = nil // so that one too few is seen as well
			}
			for _, m := range Mutations(text) {
				if executed[m.Line] && !anyFails(m.Apply(text), loads) {
					missed[m.Kind] = append(missed[m.Kind], m.String())
				}
			}
			for kind, all := range missed {
				if allowed := harmless[kernel+": "+kind]; len(all) != allowed.times {
					t.Errorf("%s: nothing was found in %d places, and %d are known to be harmless (%s):\n%s",
						kind, len(all), allowed.times, allowed.why, strings.Join(all, "\n"))
				}
			}
		})
	}
}

// executedLines returns the lines that the workloads execute: slips elsewhere cannot be seen.
func executedLines(t *testing.T, text string, loads []workload) map[int]bool {
	executed := map[int]bool{}
	for _, l := range loads {
		c, err := l.run(text, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range c.Executed() {
			executed[line] = true
		}
	}
	return executed
}

func anyFails(text string, loads []workload) bool {
	for _, l := range loads {
		if _, err := l.run(text, Options{Seed: 3, Budget: 1 << 20}); err != nil {
			return true
		}
	}
	return false
}
