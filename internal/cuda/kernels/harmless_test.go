package kernels_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// harmlessSlips are slips that change nothing that a test could find, as testdata/harmless.txt lists them.
type harmlessSlips []harmlessSlip

type harmlessSlip struct{ kernel, kind, meaning *regexp.Regexp }

// has says whether a slip is listed.
func (h harmlessSlips) has(s slip) bool {
	meaning := s.meaning()
	return slices.ContainsFunc(h, func(l harmlessSlip) bool {
		return l.kernel.MatchString(s.kernel) && l.kind.MatchString(s.Kind) && l.meaning.MatchString(meaning)
	})
}

// readHarmless reads testdata/harmless.txt, which says itself how it is written.
func readHarmless() (harmlessSlips, error) {
	const path = "testdata/harmless.txt"
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var all harmlessSlips
	for i, line := range strings.Split(string(text), "\n") {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(line, " | ")
		if len(fields) != 4 {
			return nil, fmt.Errorf("%s:%d: %d fields, expected kernels | kind of slip | instruction | reason", path, i+1, len(fields))
		}
		var patterns [3]*regexp.Regexp
		for j := range patterns {
			patterns[j] = regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSpace(fields[j])), `\*`, ".*") + "$")
		}
		all = append(all, harmlessSlip{patterns[0], patterns[1], patterns[2]})
	}
	return all, nil
}

// meaning is the instruction of a slip with what its registers hold in place of their numbers, which change with every build.
func (s *slip) meaning() string {
	lines := strings.Split(kernelText(records[s.kernel].source, s.kernel), "\n")
	return newMeanings(lines).of(s.Before)
}

// meanings knows how each register of a kernel is computed.
type meanings map[string][]string // the instructions that write a register

var (
	instruction = regexp.MustCompile(`^(?:@!?%\w+\s+)?([a-z][\w.]*)\s+(.*);`)
	register    = regexp.MustCompile(`%[a-z]+\d+`)
	parameter   = regexp.MustCompile(`\[\w+_param_(\d+)\]`)
)

func newMeanings(lines []string) meanings {
	m := meanings{}
	for _, line := range lines {
		for _, r := range m.written(line) {
			m[r] = append(m[r], line)
		}
	}
	return m
}

// written returns the registers that an instruction writes.
func (meanings) written(line string) []string {
	found := instruction.FindStringSubmatch(strings.TrimSpace(line))
	if found == nil || strings.HasPrefix(found[1], "st.") || strings.HasPrefix(found[1], "cp.") {
		return nil
	}
	to, _, _ := strings.Cut(found[2], ",")
	if strings.HasPrefix(to, "{") {
		to, _, _ = strings.Cut(found[2], "}")
	}
	return register.FindAllString(to, -1)
}

// of is an instruction with its registers, but for those that it writes, as what they hold.
func (m meanings) of(line string) string {
	const depth = 2
	found := instruction.FindStringSubmatch(strings.TrimSpace(line))
	if found == nil {
		return line
	}
	written := m.written(line)
	operands := register.ReplaceAllStringFunc(found[2], func(r string) string {
		if slices.Contains(written, r) {
			return "%"
		}
		return m.held(r, depth)
	})
	return found[1] + " " + operands
}

// held is what a register holds: a constant, a parameter or an expression, whose operands are % where they lie too deep, or are variables.
func (m meanings) held(r string, depth int) string {
	if len(m[r]) != 1 {
		return "%"
	}
	found := instruction.FindStringSubmatch(strings.TrimSpace(m[r][0]))
	if found == nil {
		return "%"
	}
	if p := parameter.FindStringSubmatch(found[2]); p != nil {
		return "param" + p[1]
	}
	_, from, _ := strings.Cut(found[2], ",")
	if strings.HasPrefix(found[2], "{") {
		_, from, _ = strings.Cut(found[2], "},")
	}
	from = strings.TrimSpace(from)
	moved := strings.HasPrefix(found[1], "mov.")
	if moved && !register.MatchString(from) {
		return from
	}
	if depth == 0 {
		return "%"
	}
	from = register.ReplaceAllStringFunc(from, func(r string) string { return m.held(r, depth-1) })
	if moved {
		return from
	}
	return strings.SplitN(found[1], ".", 2)[0] + "(" + from + ")"
}

func TestTheMeaningOfAnInstructionHasNoNumbersOfRegisters(t *testing.T) {
	m := newMeanings(strings.Split(`
		ld.param.u32 %r1, [some_kernel_param_3];
		mov.u32 %r2, %tid.x;
		mov.f32 %f1, 0f3F000000;
		shl.b32 %r3, %r2, 2;
		add.s32 %r4, %r3, %r1;
		mul.lo.s32 %r5, %r4, 3;
		ld.global.v2.f32 {%f2, %f3}, [%rd1+8];
		add.s32 %r6, %r6, 1;
		mov.u32 %r6, 0;`, "\n"))
	for line, want := range map[string]string{
		"@%p1 setp.ge.s32 \t%p2, %r4, %r1;": "setp.ge.s32 %, add(shl(%tid.x, 2), param3), param3",
		"fma.rn.f32 %f9, %f3, %f1, %f9;":    "fma.rn.f32 %, ld([%+8]), 0f3F000000, %",
		"sub.s32 %r7, %r5, %r6;":            "sub.s32 %, mul(add(%, param3), 3), %",
		"bar.sync 0;":                       "bar.sync 0",
	} {
		if got := m.of(line); got != want {
			t.Errorf("%s means %q, expected %q", line, got, want)
		}
	}
}
