package ptx

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Mutation is a slip in PTX text, of a kind that people make in kernels. A kernel's tests that pass with it do not test what the line
// does; or the slip does no harm.
type Mutation struct {
	Kind   string // "barrier removed"
	Line   int    // of the text, from 1
	Before string // the line as it was, without the space around it
	After  string // and as it becomes; empty where it is gone
}

func (m Mutation) String() string {
	return fmt.Sprintf("line %d, %s: %q became %q", m.Line, m.Kind, m.Before, m.After)
}

// Apply returns the text, of which Mutations has returned m, with the slip in it.
func (m Mutation) Apply(text string) string {
	lines := strings.SplitAfter(text, "\n")
	lines[m.Line-1] = strings.Replace(lines[m.Line-1], m.Before, m.After, 1)
	return strings.Join(lines, "")
}

// Mutations returns the slips of PTX text as NVRTC writes it, an instruction a line, from the first line to the last. Each is to be made
// alone, and in a line that the tests execute (Counters.Executed): it cannot be seen elsewhere.
func Mutations(text string) []Mutation {
	var all []Mutation
	for i, line := range strings.Split(text, "\n") {
		before := strings.TrimSpace(line)
		for _, s := range slips {
			after := s.find.ReplaceAllStringFunc(before, func(match string) string { return s.write(s.find.FindStringSubmatch(match)) })
			if after != before {
				all = append(all, Mutation{Kind: s.kind, Line: i + 1, Before: before, After: after})
			}
		}
	}
	return all
}

// slip is a kind of mutation: what it finds in a line, and what it writes instead, given the match and its groups.
type slip struct {
	kind  string
	find  *regexp.Regexp
	write func(groups []string) string
}

var slips = []slip{
	{"barrier removed", regexp.MustCompile(`bar\.(?:warp\.)?sync[^;]*;`), nothing},
	{"wait for copies removed", regexp.MustCompile(`cp\.async\.wait_(?:group|all)[^;]*;`), nothing},
	{"group of copies not ended", regexp.MustCompile(`cp\.async\.commit_group;`), nothing},
	{"wait for one group too few", regexp.MustCompile(`(cp\.async\.wait_group\s+)(\d+)`), oneMore},
	{"comparison off by one", regexp.MustCompile(`(setp)\.(lt|le|gt|ge)(\.[su]\d+)`), func(g []string) string {
		return g[1] + "." + offByOne[g[2]] + g[3]
	}},
	{"comparison turned round", regexp.MustCompile(`(setp)\.(eq|ne|lt|le|gt|ge)(u?\.\w\d+)`), func(g []string) string {
		return g[1] + "." + opposite[g[2]] + g[3]
	}},
	{"sum for difference", regexp.MustCompile(`\bsub(\.(?:rn\.)?[fsu]\d+\s)`), func(g []string) string { return "add" + g[1] }},
	// Not of 32-bit integers, which are added to round quotients of what is negative and never is.
	{"difference for sum", regexp.MustCompile(`\badd(\.(?:rn\.)?(?:f32|f64|s64)\s)`), func(g []string) string { return "sub" + g[1] }},
	{"global address 4 bytes on", regexp.MustCompile(`((?:ld|st)\.global[^;]*\[%\w+)\]`), ending("+4]")},
	{"shared address 4 bytes on", regexp.MustCompile(`((?:ld|st)\.shared[^;]*\[%\w+)\]`), ending("+4]")},
	{"guard removed", regexp.MustCompile(`@!?%\w+\s+((?:ld|st|atom|red|cp)\.)`), ending("")},
	{"wrong lane", regexp.MustCompile(`(shfl\.sync\.(?:bfly|up|down)\.b32\s+[^,]+,\s*[^,]+,\s*)[^,]+`), ending("0")},
	{"wrong lane", regexp.MustCompile(`(shfl\.sync\.idx\.b32\s+[^,]+,\s*[^,]+,\s*)[^,]+`), ending("1")},
	{"warp for lane", regexp.MustCompile(`()%laneid`), ending("%warpid")},
	{"operands swapped", regexp.MustCompile(`((?:sub|div|rem)\.\S+\s+[^,;]+,\s*)([^,;]+),\s*([^,;]+)`), swap},
	{"operands swapped", regexp.MustCompile(`(shl\.b32\s+[^,;]+,\s*)([^,;]+),\s*([^,;]+)`), swap},
	{"operands swapped", regexp.MustCompile(`(selp\.\S+\s+[^,;]+,\s*)([^,;]+),\s*([^,;]+)`), swap},
	{"constant off by one", regexp.MustCompile(`^((?:@!?%\w+\s+)?add\.[su]\d+\s+[^,;]+,\s*[^,;]+,\s*)(-?\d+)`), oneMore},
	{"addend for factor", regexp.MustCompile(`(fma\.rn\.f32\s+[^,;]+,\s*[^,;]+,\s*)([^,;]+),\s*([^,;]+)`), swap},
	{"matrix turned round", regexp.MustCompile(`(ldmatrix\S*)\.trans(\S*)`), func(g []string) string { return g[1] + g[2] }},
	{"matrix turned round", regexp.MustCompile(`(ldmatrix\.sync\.aligned\.m8n8\.x[124])(\.shared\.b16)`), func(g []string) string {
		return g[1] + ".trans" + g[2]
	}},
	{"product added to nothing", regexp.MustCompile(`(fma\.rn\.f32\s+[^,;]+,\s*[^,;]+,\s*[^,;]+,\s*)[^,;]+`), ending("0f00000000")},
}

// offByOne is the comparison that differs for equal numbers alone.
var offByOne = map[string]string{"lt": "le", "le": "lt", "gt": "ge", "ge": "gt"}

// opposite is the comparison that holds where the other does not.
var opposite = map[string]string{"eq": "ne", "ne": "eq", "lt": "ge", "ge": "lt", "gt": "le", "le": "gt"}

func nothing([]string) string { return "" }

// ending writes the first group and another ending.
func ending(text string) func(groups []string) string {
	return func(groups []string) string { return groups[1] + text }
}

// swap writes the second group after the third.
func swap(groups []string) string { return groups[1] + groups[3] + ", " + groups[2] }

// oneMore writes the number of the second group plus 1.
func oneMore(groups []string) string {
	n, err := strconv.ParseInt(groups[2], 10, 64)
	if err != nil {
		return groups[0] // it has more than 64 bits
	}
	return groups[1] + strconv.FormatInt(n+1, 10)
}
