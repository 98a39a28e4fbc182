package ptx

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// mutation is a slip of the kind that people make in kernels, made in PTX text: what it finds in a line, and what stands there instead.
type mutation struct {
	name  string
	find  *regexp.Regexp
	write string
}

var mutations = []mutation{
	{"barrier removed", regexp.MustCompile(`^\s*bar\.(warp\.)?sync.*;`), ""},
	{"wait for copies removed", regexp.MustCompile(`^\s*cp\.async\.wait_group.*;`), ""},
	{"wait for one group too few", regexp.MustCompile(`cp\.async\.wait_group 1;`), "cp.async.wait_group 2;"},
	{"less turned to less or equal", regexp.MustCompile(`setp\.lt\.s32`), "setp.le.s32"},
	{"greater or equal turned to greater", regexp.MustCompile(`setp\.ge\.s32`), "setp.gt.s32"},
	{"global address 4 bytes on", regexp.MustCompile(`^(\s*(?:@\S+ )?(?:ld|st)\.global\S*\s.*)\[(%rd\d+)\]`), "${1}[${2}+4]"},
	{"shared address 4 bytes on", regexp.MustCompile(`^(\s*(?:ld|st)\.shared\S*\s.*)\[(%rd?\d+)\]`), "${1}[${2}+4]"},
	{"guard removed", regexp.MustCompile(`^\s*@!?%p\d+ (st|ld)`), "${1}"},
	{"shuffle distance changed", regexp.MustCompile(`^(\s*mov\.u32\s+%r\d+), (16|8|4);`), "${1}, 3;"},
	{"shuffle distance doubled", regexp.MustCompile(`^(\s*mov\.u32\s+%r\d+), (2|1);`), "${1}, 4;"},
	{"product added to nothing", regexp.MustCompile(`fma\.rn\.f32(\s+%f\d+, %f\d+, %f\d+), %f\d+`), "fma.rn.f32${1}, 0f00000000"},
}

// harmless says how many of a kind of slip leave a right kernel, and why.
var harmless = map[string]struct {
	times int
	why   string
}{
	"layer_norm: barrier removed":                  {1, "before the block's first sum nothing was read that it writes"},
	"softmax: product added to nothing":            {2, "the low part of log2(e) in expf changes less than the tolerance, in both loops"},
	"sgemm: less turned to less or equal":          {1, "one more tile along k holds nothing but zeros"},
	"mma_gemm: less turned to less or equal":       {1, "k = 1 is no multiple of 8"},
	"mma_gemm: greater or equal turned to greater": {1, "one more tile along k is fetched and not used"},
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
			lines := strings.Split(text, "\n")
			for _, m := range mutations {
				var missed []string
				for i, line := range lines {
					if !executed[i+1] || !m.find.MatchString(line) {
						continue
					}
					lines[i] = m.find.ReplaceAllString(line, m.write)
					if !anyFails(strings.Join(lines, "\n"), loads) {
						missed = append(missed, fmt.Sprintf("line %d: %s", i+1, strings.TrimSpace(line)))
					}
					lines[i] = line
				}
				if allowed := harmless[kernel+": "+m.name]; len(missed) != allowed.times {
					t.Errorf("%s: nothing was found in %d places, and %d are known to be harmless (%s):\n%s",
						m.name, len(missed), allowed.times, allowed.why, strings.Join(missed, "\n"))
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
		for i, tally := range c.tallies {
			if tally.lanes > 0 {
				executed[c.program.origins[i].line] = true
			}
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
