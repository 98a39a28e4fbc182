package ptx

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// header begins every PTX text of the tests.
const header = ".version 8.8\n.target sm_80\n.address_size 64\n"

// form is one instruction with cases. kinds names the register of each operand, the result first: h has 16 bits, r 32, d 64, and p is
// a predicate, 0 or 1. A case is the result and the operands.
type form struct {
	text  string // add.s32 alone, or with $0, $1 ... for the operands where they are not "result, a, b, c"
	kinds string
	cases [][]uint64
}

var registerTypes = map[byte]string{'h': "b16", 'r': "b32", 'd': "b64", 'p': "pred"}

// ptx returns a kernel that does the instruction on operands from memory, 8 bytes each; thread i does case i.
func (f form) ptx() string {
	var s strings.Builder
	s.WriteString(header + ".visible .entry form(.param .u64 out, .param .u64 in)\n{\n.reg .b64 %addr, %to, %thread, %wide;\n.reg .b32 %t;\n.reg .b16 %half;\n.reg .b32 %word;\n")
	fmt.Fprintf(&s, "mov.u32 %%t, %%tid.x;\ncvt.u64.u32 %%thread, %%t;\nld.param.u64 %%to, [out];\nmad.lo.s64 %%to, %%thread, 8, %%to;\n")
	fmt.Fprintf(&s, "ld.param.u64 %%addr, [in];\nmad.lo.s64 %%addr, %%thread, %d, %%addr;\n", 8*(len(f.kinds)-1))
	for i := range f.kinds {
		fmt.Fprintf(&s, ".reg .%s %%x%d;\n", registerTypes[f.kinds[i]], i)
		if i == 0 {
			continue
		}
		switch at := 8 * (i - 1); f.kinds[i] {
		case 'h':
			fmt.Fprintf(&s, "ld.global.b16 %%x%d, [%%addr+%d];\n", i, at)
		case 'r':
			fmt.Fprintf(&s, "ld.global.b32 %%x%d, [%%addr+%d];\n", i, at)
		case 'd':
			fmt.Fprintf(&s, "ld.global.b64 %%x%d, [%%addr+%d];\n", i, at)
		case 'p':
			fmt.Fprintf(&s, "ld.global.b64 %%wide, [%%addr+%d];\nsetp.ne.u64 %%x%d, %%wide, 0;\n", at, i)
		}
	}
	text := f.text
	if !strings.Contains(text, "$") {
		for i := range f.kinds {
			text += []string{" ", ", "}[min(i, 1)] + fmt.Sprintf("$%d", i)
		}
	}
	s.WriteString(strings.ReplaceAll(text, "$", "%x") + ";\n")
	switch f.kinds[0] {
	case 'h':
		s.WriteString("cvt.u64.u16 %wide, %x0;\n")
	case 'r':
		s.WriteString("cvt.u64.u32 %wide, %x0;\n")
	case 'd':
		s.WriteString("mov.b64 %wide, %x0;\n")
	case 'p':
		s.WriteString("selp.b64 %wide, 1, 0, %x0;\n")
	}
	s.WriteString("st.global.b64 [%to], %wide;\nret;\n}\n")
	return s.String()
}

// run returns the results of the cases.
func (f form) run(t *testing.T) []uint64 {
	t.Helper()
	text := f.ptx()
	var in []byte
	for _, c := range f.cases {
		for _, operand := range c[1:] {
			in = binary.LittleEndian.AppendUint64(in, operand)
		}
	}
	out := launchText(t, text, Launch{Block: [3]int{len(f.cases)}}, 8*len(f.cases), in)
	results := make([]uint64, len(f.cases))
	for i := range results {
		results[i] = binary.LittleEndian.Uint64(out[8*i:])
	}
	return results
}

// launchText runs the only kernel of a text with an output of n zero bytes and inputs as arguments, and returns the output.
func launchText(t *testing.T, text string, l Launch, n int, inputs ...[]byte) []byte {
	t.Helper()
	keepText(t, text)
	out, _, err := tryText(text, l, n, inputs...)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return out
}

// keepText writes the text to the folder that PTX_TEXTS names, where it is set: to have ptxas look at what the tests run.
func keepText(t *testing.T, text string) {
	folder := os.Getenv("PTX_TEXTS")
	if folder == "" {
		return
	}
	name := fmt.Sprintf("%s-%08x.ptx", strings.ReplaceAll(t.Name(), "/", "-"), crc32.ChecksumIEEE([]byte(text)))
	if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

func tryText(text string, l Launch, n int, inputs ...[]byte) ([]byte, *Counters, error) {
	return tryTextOn(NewDevice(Options{Workers: 2, Budget: 1 << 16}), text, l, n, inputs...)
}

func tryTextOn(d *Device, text string, l Launch, n int, inputs ...[]byte) ([]byte, *Counters, error) {
	m, err := d.Load("test.ptx", text)
	if err != nil {
		return nil, nil, err
	}
	k := slices.Collect(maps.Values(m.Kernels()))[0]
	for i, in := range append([][]byte{make([]byte, n)}, inputs...) {
		if len(in) == 0 {
			continue
		}
		p, err := d.Alloc(len(in))
		if err != nil {
			return nil, nil, err
		}
		if err := d.CopyIn(p, in); err != nil {
			return nil, nil, err
		}
		if i == 0 {
			l.Args = append([]any{p}, l.Args...)
		} else {
			l.Args = append(l.Args, p)
		}
	}
	c, err := d.Launch(k, l)
	if err != nil {
		return nil, c, err
	}
	out := make([]byte, n)
	return out, c, d.CopyOut(out, l.Args[0].(Address))
}

// bits of numbers that the tables need.
func f(x float64) uint64          { return uint64(math.Float32bits(float32(x))) }
func g(x float64) uint64          { return math.Float64bits(x) }
func i32(x int32) uint64          { return uint64(uint32(x)) }
func i16(x int16) uint64          { return uint64(uint16(x)) }
func i64(x int64) uint64          { return uint64(x) }
func c(x ...uint64) []uint64      { return x }
func cs(x ...[]uint64) [][]uint64 { return x }

const (
	fNaN = 0x7fffffff // the NaN that f32 instructions give
	hNaN = 0x7fff     // and those of halves
	inf  = 0x7f800000
)

// forms are instructions with results worked out by hand from the PTX ISA's descriptions.
var forms = []form{
	{"add.s32", "rrr", cs(c(i32(-1), 1, i32(-2)), c(i32(math.MinInt32), i32(math.MaxInt32), 1))},
	{"add.u16", "hhh", cs(c(1, 0xffff, 2))},
	{"add.s64", "ddd", cs(c(0, 1, i64(-1)))},
	{"add.sat.s32", "rrr", cs(c(i32(math.MaxInt32), i32(math.MaxInt32), 1), c(i32(math.MinInt32), i32(math.MinInt32), i32(-1)), c(3, 1, 2))},
	{"sub.s32", "rrr", cs(c(i32(-1), 1, 2))},
	{"sub.u64", "ddd", cs(c(i64(-1), 1, 2))},
	{"sub.sat.s32", "rrr", cs(c(i32(math.MinInt32), i32(math.MinInt32), 1))},
	{"mul.lo.s32", "rrr", cs(c(i32(-6), 2, i32(-3)), c(0xfffe0001, 0xffff, 0xffff))},
	{"mul.lo.u64", "ddd", cs(c(1<<63, 1<<62, 2))},
	{"mul.hi.u32", "rrr", cs(c(0xfffffffe, 0xffffffff, 0xffffffff))},
	{"mul.hi.s32", "rrr", cs(c(0, i32(-1), i32(-1)), c(i32(-1), i32(-1), 1))},
	{"mul.hi.u64", "ddd", cs(c(math.MaxUint64-1, math.MaxUint64, math.MaxUint64))},
	{"mul.hi.s64", "ddd", cs(c(0, i64(-1), i64(-1)), c(i64(-1), i64(-1), 1), c(1<<62, i64(math.MinInt64), i64(math.MinInt64)))},
	{"mul.wide.s32", "drr", cs(c(i64(-6), 2, i32(-3)))},
	{"mul.wide.u32", "drr", cs(c(0xfffffffe00000001, 0xffffffff, 0xffffffff))},
	{"mul.wide.u16", "rhh", cs(c(0xfffe0001, 0xffff, 0xffff))},
	{"mul.wide.s16", "rhh", cs(c(i32(-6), 2, i16(-3)))},
	{"mad.lo.s32", "rrrr", cs(c(i32(-5), 2, i32(-3), 1))},
	{"mad.lo.u16", "hhhh", cs(c(0x0002, 0xffff, 0xffff, 1))},
	{"mad.hi.u32", "rrrr", cs(c(0xffffffff, 0xffffffff, 0xffffffff, 1))},
	{"mad.wide.s32", "drrd", cs(c(i64(-5), 2, i32(-3), 1))},
	{"mad.wide.u32", "drrd", cs(c(0xfffffffe00000002, 0xffffffff, 0xffffffff, 1))},
	{"mul24.lo.s32", "rrr", cs(c(i32(-2), 0xffffff, 2))},
	{"mul24.lo.u32", "rrr", cs(c(0x1fffffe, 0x1ffffff, 2))},
	{"mad24.lo.u32", "rrrr", cs(c(0x1ffffff, 0x1ffffff, 2, 1))},
	{"dp4a.s32.s32", "rrrr", cs(c(i32(10-1*1+2*-2+3*3), 0xff020300, 0x01fe0300, 10))},
	{"dp4a.u32.u32", "rrrr", cs(c(255*255*4, 0xffffffff, 0xffffffff, 0))},
	{"dp4a.u32.s32", "rrrr", cs(c(i32(-255*4), 0xffffffff, 0xffffffff, 0))},
	{"sad.s32", "rrrr", cs(c(6, i32(-2), 3, 1))},
	{"sad.u32", "rrrr", cs(c(6, 3, 8, 1))},
	{"div.s32", "rrr", cs(c(i32(-3), i32(-7), 2), c(i32(-1), 5, 0))},
	{"div.u32", "rrr", cs(c(0x7ffffffc, i32(-7), 2))},
	{"div.s64", "ddd", cs(c(i64(-3), i64(-7), 2))},
	{"div.u64", "ddd", cs(c(1, math.MaxUint64, math.MaxUint64))},
	{"rem.s32", "rrr", cs(c(i32(-1), i32(-7), 2))},
	{"rem.u32", "rrr", cs(c(1, 7, 2))},
	{"rem.u64", "ddd", cs(c(1, 1<<63+1, 2))},
	{"min.s32", "rrr", cs(c(i32(-1), i32(-1), 1))},
	{"min.u32", "rrr", cs(c(1, i32(-1), 1))},
	{"max.s32", "rrr", cs(c(1, i32(-1), 1))},
	{"max.u64", "ddd", cs(c(i64(-1), i64(-1), 1))},
	{"max.s16", "hhh", cs(c(1, i16(-1), 1))},
	{"neg.s32", "rr", cs(c(i32(-5), 5), c(5, i32(-5)))},
	{"neg.s64", "dd", cs(c(i64(-5), 5))},
	{"abs.s32", "rr", cs(c(5, i32(-5)), c(5, 5))},
	{"abs.s16", "hh", cs(c(5, i16(-5)))},

	{"and.b32", "rrr", cs(c(0x0f00, 0xff00, 0x0ff0))},
	{"or.b64", "ddd", cs(c(0xff00ff, 0xff0000, 0x0000ff))},
	{"xor.b16", "hhh", cs(c(0x0ff0, 0xff00, 0xf0f0))},
	{"not.b32", "rr", cs(c(0xffff0000, 0x0000ffff))},
	{"not.b16", "hh", cs(c(0xff00, 0x00ff))},
	{"cnot.b32", "rr", cs(c(1, 0), c(0, 7))},
	{"and.pred", "ppp", cs(c(1, 1, 1), c(0, 1, 0))},
	{"or.pred", "ppp", cs(c(1, 1, 0), c(0, 0, 0))},
	{"xor.pred", "ppp", cs(c(0, 1, 1), c(1, 1, 0))},
	{"not.pred", "pp", cs(c(0, 1), c(1, 0))},
	{"mov.pred", "pp", cs(c(1, 1), c(0, 0))},
	{"shl.b32", "rrr", cs(c(0x10, 1, 4), c(0, 1, 32), c(0, 1, 0xffffffff))},
	{"shl.b64", "ddr", cs(c(1<<40, 1, 40))},
	{"shl.b16", "hhr", cs(c(0, 1, 16))},
	{"shr.u32", "rrr", cs(c(0x0fffffff, 0xffffffff, 4), c(0, 1, 32))},
	{"shr.s32", "rrr", cs(c(i32(-1), i32(-16), 4), c(i32(-1), i32(-16), 77))},
	{"shr.s64", "ddr", cs(c(i64(-1), i64(-16), 4))},
	{"shr.b16", "hhr", cs(c(0x0fff, 0xffff, 4))},
	{"shf.l.wrap.b32", "rrrr", cs(c(0x55667711, 0x11223344, 0x44556677, 8), c(0x44556677, 0x11223344, 0x44556677, 32))},
	{"shf.l.clamp.b32", "rrrr", cs(c(0x11223344, 0x11223344, 0x44556677, 40))},
	{"shf.r.wrap.b32", "rrrr", cs(c(0x77112233, 0x11223344, 0x44556677, 8))},
	{"shf.r.clamp.b32", "rrrr", cs(c(0x44556677, 0x11223344, 0x44556677, 32))},
	{"lop3.b32 $0, $1, $2, $3, 0x96", "rrrr", cs(c(0xff^0xf0^0x3c, 0xff, 0xf0, 0x3c))},
	{"lop3.b32 $0, $1, $2, $3, 0xca", "rrrr", cs(c(0xf0&0xaa|0x0f&0x33, 0xf0, 0xaa, 0x33))},
	{"bfe.u32", "rrrr", cs(c(0xbc, 0xabcdef, 4+8, 8), c(0, 5, 32, 8), c(0x5, 5, 0, 64), c(0, 5, 0, 0), c(0xbc, 0xabcdef, 0x100+12, 0x308))},
	{"bfe.s32", "rrrr", cs(c(i32(-4), 0xabcdef, 12, 8-4+0), c(i32(-1), 0x80000000, 31, 5), c(0, 0x80000000, 31, 0))},
	{"bfe.u64", "ddrr", cs(c(0xff, 0xff<<40, 40, 20))},
	{"bfi.b32", "rrrrr", cs(c(0xabcd12ef, 0x12, 0xabcdeeef&^0xff00|0xee00, 8, 8), c(7, 1, 7, 3, 0))},
	{"bfi.b64", "dddrr", cs(c(5<<40|1, 5, 1, 40, 3), c(5<<40|1, 5, 1, 0x128, 0x103))},
	{"prmt.b32", "rrrr", cs(c(0x44332211, 0x44332211, 0x88776655, 0x3210), c(0x55118844, 0x44332211, 0x88776655, 0x4073), c(0xff, 0x88000000, 0, 0x000b|0x1110))},
	{"bfind.u32", "rr", cs(c(4, 0x10), c(i32(-1), 0))},
	{"bfind.s32", "rr", cs(c(0, i32(-2)), c(i32(-1), i32(-1)))},
	{"bfind.shiftamt.u32", "rr", cs(c(27, 0x10))},
	{"bfind.u64", "rd", cs(c(40, 1<<40))},
	{"popc.b32", "rr", cs(c(8, 0xff))},
	{"popc.b64", "rd", cs(c(9, 0x80000000000000ff))},
	{"clz.b32", "rr", cs(c(24, 0xff), c(32, 0))},
	{"clz.b64", "rd", cs(c(56, 0xff))},
	{"brev.b32", "rr", cs(c(0x80000000, 1))},
	{"brev.b64", "dd", cs(c(1<<63, 1))},

	{"setp.lt.s32", "prr", cs(c(1, i32(-1), 1), c(0, 1, 1))},
	{"setp.lo.u32", "prr", cs(c(0, i32(-1), 1))},
	{"setp.lt.u32", "prr", cs(c(0, i32(-1), 1))},
	{"setp.ge.s64", "pdd", cs(c(0, i64(-1), 1), c(1, 1, 1))},
	{"setp.eq.b16", "phh", cs(c(1, 7, 7))},
	{"setp.hs.u64", "pdd", cs(c(1, 7, 7))},
	{"setp.gt.s16", "phh", cs(c(0, i16(-1), 0))},
	{"setp.lt.f32", "prr", cs(c(1, f(-1), f(1)), c(0, fNaN, f(1)))},
	{"setp.ne.f32", "prr", cs(c(0, fNaN, f(1)), c(1, f(2), f(1)), c(0, f(math.Copysign(0, -1)), 0))},
	{"setp.ltu.f32", "prr", cs(c(1, fNaN, f(1)), c(0, f(1), f(1)))},
	{"setp.neu.f32", "prr", cs(c(1, fNaN, fNaN))},
	{"setp.equ.f32", "prr", cs(c(1, fNaN, 0), c(0, f(1), f(2)))},
	{"setp.num.f32", "prr", cs(c(1, f(1), f(2)), c(0, fNaN, f(2)))},
	{"setp.nan.f32", "prr", cs(c(0, f(1), f(2)), c(1, fNaN, f(2)))},
	{"setp.eq.ftz.f32", "prr", cs(c(1, 1, 0))},
	{"setp.eq.f32", "prr", cs(c(0, 1, 0))},
	{"setp.gtu.f64", "pdd", cs(c(1, g(2), g(1)), c(1, g(math.NaN()), g(1)))},
	{"setp.leu.f16", "phh", cs(c(1, 0x3c00, 0x4000), c(1, 0x7e00, 0))},
	{"setp.lt.and.s32", "prrp", cs(c(1, 1, 2, 1), c(0, 1, 2, 0), c(0, 2, 1, 1))},
	{"setp.lt.or.s32 $0, $1, $2, !$3", "prrp", cs(c(1, 2, 1, 0), c(0, 2, 1, 1))},
	{"setp.eq.xor.f32", "prrp", cs(c(0, f(1), f(1), 1), c(1, f(1), f(2), 1))},
	{"setp.lt.s32 _|$0, $1, $2", "prr", cs(c(0, 1, 2), c(1, 2, 1))},
	{"set.eq.u32.f32", "rrr", cs(c(0xffffffff, f(1), f(1)), c(0, f(1), f(2)))},
	{"set.lt.f32.s32", "rrr", cs(c(f(1), i32(-1), 0), c(0, 0, 0))},
	{"set.eq.f16.f16", "hhh", cs(c(0x3c00, 0x4000, 0x4000))},
	{"set.gt.f16x2.f16x2", "rrr", cs(c(0x3c000000, 0x40003c00, 0x3c003c00))},
	{"set.gt.and.u32.u32", "rrrp", cs(c(0xffffffff, 2, 1, 1), c(0, 2, 1, 0))},
	{"selp.b32", "rrrp", cs(c(1, 1, 2, 1), c(2, 1, 2, 0))},
	{"selp.f64", "dddp", cs(c(2, 1, 2, 0))},
	{"slct.s32.s32", "rrrr", cs(c(1, 1, 2, 0), c(2, 1, 2, i32(-1)))},
	{"slct.f32.f32", "rrrr", cs(c(1, 1, 2, f(0)), c(2, 1, 2, fNaN), c(1, 1, 2, 0x80000000))},

	{"mov.b32", "rr", cs(c(7, 7))},
	{"mov.u64", "dd", cs(c(7, 7))},
	{"mov.b32 $0, {$1, $2}", "rhh", cs(c(0x00020001, 1, 2))},
	{"mov.b64 $0, {$1, $2}", "drr", cs(c(2<<32|1, 1, 2))},
	{"mov.b64 $0, {$1, $2, $3, $4}", "dhhhh", cs(c(4<<48|3<<32|2<<16|1, 1, 2, 3, 4))},
	{"mov.b64 {_, $0}, $1", "rd", cs(c(2, 2<<32|1))},
	{"mov.b32 {$0, _}, $1", "hr", cs(c(1, 0x20001))},
	{"mov.u32 $0, -5", "rr", cs(c(i32(-5), 0))},
	{"mov.f32 $0, 0f3F800000", "rr", cs(c(f(1), 0))},
	{"mov.f64 $0, 0d3FF0000000000000", "dd", cs(c(g(1), 0))},
	{"mov.u32 $0, WARP_SZ", "rr", cs(c(32, 0))},
	{"isspacep.global", "pd", cs(c(1, firstAddress), c(0, sharedWindow+4))},
	{"isspacep.shared", "pd", cs(c(0, firstAddress), c(1, sharedWindow+4))},

	{"cvt.u32.u64", "rd", cs(c(0x55667788, 0x1122334455667788))},
	{"cvt.s64.s32", "dr", cs(c(i64(-5), i32(-5)))},
	{"cvt.u64.u32", "dr", cs(c(0xfffffffb, i32(-5)))},
	{"cvt.s32.s8", "rr", cs(c(i32(-1), 0x12ff))},
	{"cvt.u32.u8", "rr", cs(c(0xff, 0x12ff))},
	{"cvt.u16.u32", "hr", cs(c(0x7788, 0x55667788))},
	{"cvt.s8.s32", "rr", cs(c(i32(-128), 0x180))},
	{"cvt.sat.u8.s32", "rr", cs(c(255, 300), c(0, i32(-3)), c(7, 7))},
	{"cvt.sat.s8.s32", "rr", cs(c(127, 300), c(i32(-128), i32(-300)))},
	{"cvt.sat.s32.u32", "rr", cs(c(math.MaxInt32, 0xffffffff))},
	{"cvt.rn.f32.s32", "rr", cs(c(f(-5), i32(-5)), c(f(16777216), 16777217))},
	{"cvt.rz.f32.u32", "rr", cs(c(f(16777218), 16777219))},
	{"cvt.rp.f32.s32", "rr", cs(c(f(16777220), 16777219), c(f(-16777218), i32(-16777219)))},
	{"cvt.rm.f32.s32", "rr", cs(c(f(-16777220), i32(-16777219)))},
	{"cvt.rn.f32.u64", "rd", cs(c(f(1<<63), 1<<63+1), c(f(1<<63+1<<40), 1<<63+1<<39+1))},
	{"cvt.rn.f32.s64", "rd", cs(c(f(-(1 << 62)), i64(-(1 << 62))))},
	{"cvt.rn.f32.u16", "rh", cs(c(f(65535), 65535))},
	{"cvt.rn.f64.s32", "dr", cs(c(g(-5), i32(-5)))},
	{"cvt.rn.f64.u64", "dd", cs(c(g(1<<63), 1<<63+1))},
	{"cvt.rp.f64.u64", "dd", cs(c(g(1<<63+2048), 1<<63+1))},
	{"cvt.rm.f64.s64", "dd", cs(c(g(-(1<<62)-1024), i64(-(1<<62)-1)))},
	{"cvt.rn.f16.s32", "hr", cs(c(0x7c00, 65520), c(0x7bff, 65519))},
	{"cvt.rzi.s32.f32", "rr", cs(c(i32(-2), f(-2.7)), c(math.MaxInt32, f(3e9)), c(i32(math.MinInt32), f(-3e9)), c(0, fNaN))},
	{"cvt.rni.s32.f32", "rr", cs(c(2, f(2.5)), c(4, f(3.5)))},
	{"cvt.rmi.s32.f32", "rr", cs(c(i32(-3), f(-2.5)))},
	{"cvt.rpi.s32.f32", "rr", cs(c(i32(-2), f(-2.5)))},
	{"cvt.rzi.u32.f32", "rr", cs(c(0, f(-2)), c(0xffffffff, inf), c(3000000000, f(3e9)))},
	{"cvt.rzi.s64.f32", "dr", cs(c(i64(-2), f(-2.5)), c(1<<63, fNaN), c(math.MaxInt64, inf))},
	{"cvt.rzi.u64.f64", "dd", cs(c(math.MaxUint64, g(1e30)), c(1<<63, g(1<<63)))},
	{"cvt.rzi.s32.f64", "rd", cs(c(i32(-2), g(-2.9)), c(0x80000000, g(math.NaN())))},
	{"cvt.rzi.u16.f32", "hr", cs(c(65535, f(1e6)))},
	{"cvt.rni.f32.f32", "rr", cs(c(f(2), f(2.5)), c(f(math.Copysign(0, -1)), f(-0.2)))},
	{"cvt.rmi.f32.f32", "rr", cs(c(f(-3), f(-2.5)))},
	{"cvt.rpi.f64.f64", "dd", cs(c(g(3), g(2.1)))},
	{"cvt.rzi.ftz.f32.f32", "rr", cs(c(f(2), f(2.9)), c(0x80000000, 0x80000001))},
	{"cvt.sat.f32.f32", "rr", cs(c(0, f(-2)), c(f(1), f(2)), c(0, fNaN), c(f(0.5), f(0.5)))},
	{"cvt.f64.f32", "dr", cs(c(g(1.5), f(1.5)))},
	{"cvt.rn.f32.f64", "rd", cs(c(f(1), g(1+1e-9)), c(inf, g(1e300)))},
	{"cvt.rp.f32.f64", "rd", cs(c(0x3f800001, g(1+1e-9)))},
	{"cvt.rz.f32.f64", "rd", cs(c(0x7f7fffff, g(1e300)))},
	{"cvt.f32.f16", "rh", cs(c(f(1), 0x3c00), c(f(0x1p-24), 1), c(inf, 0x7c00), c(fNaN, 0x7c01))},
	{"cvt.rn.f16.f32", "hr", cs(c(0x3c00, f(1)), c(0x3c00, f(1+0x1p-11)), c(0x3c02, f(1+0x3p-11)), c(1, f(0x1p-24)), c(0, f(0x1p-25)), c(0x7c00, f(65520)), c(hNaN, fNaN))},
	{"cvt.rz.f16.f32", "hr", cs(c(0x7bff, f(1e6)), c(0x3c00, f(1.0009)))},
	{"cvt.rn.bf16.f32", "hr", cs(c(0x3f80, f(1)), c(0x3f80, 0x3f808000), c(0x3f82, 0x3f818000), c(0x7f80, 0x7f7fffff), c(hNaN, fNaN), c(0x0001, 0x00010000))},
	{"cvt.rz.bf16.f32", "hr", cs(c(0x3f81, 0x3f81ffff))},
	{"cvt.rn.relu.bf16.f32", "hr", cs(c(0, f(-1)), c(0x3f80, f(1)))},
	{"cvt.rna.tf32.f32", "rr", cs(c(0x3f802000, 0x3f801000), c(0x3f800000, 0x3f800fff))},
	{"cvt.rn.f16x2.f32", "rrr", cs(c(0x3c004000, f(1), f(2)))},
	{"cvt.rn.bf16x2.f32", "rrr", cs(c(0x3f804000, f(1), f(2)))},
	{"cvt.rz.bf16x2.f32", "rrr", cs(c(0x3f813f80, 0x3f81ffff, 0x3f80ffff))},
	{"cvt.rn.relu.f16x2.f32", "rrr", cs(c(0x3c000000, f(1), f(-2)))},
	{"cvt.sat.f16.f16", "hh", cs(c(0x3c00, 0x4000))},

	{"add.f32", "rrr", cs(c(f(3), f(1), f(2)), c(fNaN, inf, inf|1<<31), c(2, 1, 1))},
	{"add.ftz.f32", "rrr", cs(c(0, 1, 1), c(0x80000000, 0x80000001, 0x80000001))},
	{"add.sat.f32", "rrr", cs(c(f(1), f(1), f(2)), c(0, f(-1), f(-2)))},
	{"add.rm.f32", "rrr", cs(c(0x80000000, f(1), f(-1)))},
	{"sub.f32", "rrr", cs(c(f(-1), f(1), f(2)))},
	{"mul.f32", "rrr", cs(c(f(6), f(3), f(2)))},
	{"mul.ftz.f32", "rrr", cs(c(0, f(0x1p-100), f(0x1p-40)))},
	{"add.f64", "ddd", cs(c(g(3), g(1), g(2)))},
	{"add.rp.f64", "ddd", cs(c(g(1)+1, g(1), g(1e-30)), c(g(math.MaxFloat64), g(math.MaxFloat64), g(-1)))},
	{"sub.rz.f64", "ddd", cs(c(g(1)-1, g(1), g(1e-30)))},
	{"mul.rz.f64", "ddd", cs(c(g(math.MaxFloat64), g(1e200), g(1e200)), c(0, 1, g(0.5)))},
	{"mul.rp.f64", "ddd", cs(c(1, 1, g(0.5)))},
	{"fma.rn.f64", "dddd", cs(c(g(math.FMA(0.1, 0.3, -0.03)), g(0.1), g(0.3), g(-0.03)))},
	{"fma.rm.f64", "dddd", cs(c(g(1)-1, g(1), g(1), g(-1e-40)))},
	{"mad.rn.f32", "rrrr", cs(c(f(7), f(2), f(3), f(1)))},
	{"fma.rn.f32", "rrrr", cs(c(f(7), f(2), f(3), f(1)), c(f(0x1p-24), 0x3f800800, 0x3f800800, f(-(1+0x1p-11))), c(0, f(2), f(3), f(-6)),
		// Just above and below a tie, by less than float64 shows; and below one of subnormal numbers.
		c(0x3f801001, 0x3f800800, 0x3f800800, f(0x1p-60)), c(0x3f801000, 0x3f800800, 0x3f800800, f(-0x1p-60)),
		c(f(0x1p-130+0x1p-149), f(0x1.000002p-75), f(0x1.fffffcp-76), f(0x1p-130+0x1p-149)))},
	{"fma.rn.sat.f32", "rrrr", cs(c(f(1), f(2), f(3), f(1)))},
	{"fma.rn.ftz.f32", "rrrr", cs(c(f(1), 1, f(3), f(1)))},
	{"div.rn.f64", "ddd", cs(c(g(1.0/3.0), g(1), g(3)))},
	{"div.rp.f64", "ddd", cs(c(g(1.0/3.0)+1, g(1), g(3)), c(g(-1.0/3.0), g(-1), g(3)))},
	{"div.rz.f64", "ddd", cs(c(g(math.Inf(1)), g(math.Inf(1)), g(1)), c(g(math.MaxFloat64), g(1e300), g(1e-300)))},
	{"rcp.rn.f64", "dd", cs(c(g(0.5), g(2)))},
	{"sqrt.rn.f64", "dd", cs(c(g(math.Sqrt2), g(2)))},
	{"sqrt.rm.f64", "dd", cs(c(g(math.Sqrt2)-1, g(2)))},
	{"div.rn.f32", "rrr", cs(c(f(1.0/3), f(1), f(3)), c(inf, f(1), 0), c(fNaN, 0, 0))},
	{"div.approx.f32", "rrr", cs(c(f(0.5), f(1), f(2)))},
	{"div.full.f32", "rrr", cs(c(f(0.5), f(1), f(2)))},
	{"div.approx.ftz.f32", "rrr", cs(c(0, 1, f(1)))},
	{"rcp.rn.f32", "rr", cs(c(f(1.0/3), f(3)))},
	{"rcp.approx.ftz.f32", "rr", cs(c(f(0.5), f(2)), c(inf, 1))},
	{"sqrt.rn.f32", "rr", cs(c(f(math.Sqrt2), f(2)), c(fNaN, f(-1)), c(0x80000000, 0x80000000))},
	{"sqrt.approx.f32", "rr", cs(c(f(3), f(9)))},
	{"rsqrt.approx.f32", "rr", cs(c(f(0.5), f(4)), c(inf, 0))},
	{"ex2.approx.f32", "rr", cs(c(f(8), f(3)), c(0, inf|1<<31))},
	{"ex2.approx.ftz.f32", "rr", cs(c(0, f(-130)))},
	{"ex2.approx.f16", "hh", cs(c(0x4000, 0x3c00))},
	{"lg2.approx.f32", "rr", cs(c(f(3), f(8)), c(fNaN, f(-1)), c(inf|1<<31, 0))},
	{"sin.approx.f32", "rr", cs(c(f(math.Sin(1)), f(1)))},
	{"cos.approx.f32", "rr", cs(c(f(math.Cos(1)), f(1)))},
	{"tanh.approx.f32", "rr", cs(c(f(math.Tanh(1)), f(1)), c(f(1), inf))},
	{"tanh.approx.f16x2", "rr", cs(c(0x3c000000, 0x7c000000))},
	{"min.f32", "rrr", cs(c(f(1), f(1), f(2)), c(f(2), fNaN, f(2)), c(0x80000000, 0, 0x80000000), c(fNaN, 0x7f800001, fNaN))},
	{"max.f32", "rrr", cs(c(f(2), f(1), f(2)), c(f(2), f(2), fNaN), c(0, 0, 0x80000000))},
	{"max.NaN.f32", "rrr", cs(c(fNaN, f(1), fNaN))},
	{"min.f64", "ddd", cs(c(g(1), g(1), g(math.NaN())))},
	{"max.bf16x2", "rrr", cs(c(0x40003f80, 0x3f803f80, 0x40000000))},
	{"min.NaN.f16", "hhh", cs(c(hNaN, 0x7e00, 0x3c00))},
	{"neg.f32", "rr", cs(c(f(-1), f(1)), c(0x80000000, 0))},
	{"neg.ftz.f32", "rr", cs(c(0x80000000, 1))},
	{"neg.bf16x2", "rr", cs(c(0xbf803f80, 0x3f80bf80))},
	{"abs.f32", "rr", cs(c(f(1), f(-1)))},
	{"abs.f64", "dd", cs(c(g(1), g(-1)))},
	{"abs.f16x2", "rr", cs(c(0x3c003c00, 0xbc00bc00))},
	{"copysign.f32", "rrr", cs(c(f(-2), f(-1), f(2)))},
	{"testp.finite.f32", "pr", cs(c(1, f(1)), c(0, inf), c(0, fNaN))},
	{"testp.infinite.f32", "pr", cs(c(0, f(1)), c(1, inf))},
	{"testp.number.f32", "pr", cs(c(1, inf), c(0, fNaN))},
	{"testp.notanumber.f64", "pd", cs(c(1, g(math.NaN())), c(0, g(1)))},
	{"testp.normal.f32", "pr", cs(c(1, f(1)), c(0, 1))},
	{"testp.subnormal.f32", "pr", cs(c(0, f(1)), c(1, 1), c(0, 0))},
	{"add.f16", "hhh", cs(c(0x4200, 0x3c00, 0x4000))},
	{"add.rn.f16x2", "rrr", cs(c(0x42003c00, 0x3c003c00, 0x40000000))},
	{"sub.f16x2", "rrr", cs(c(0xbc003c00, 0x3c003c00, 0x40000000))},
	{"mul.f16", "hhh", cs(c(0x4600, 0x4200, 0x4000))},
	{"mul.sat.f16", "hhh", cs(c(0x3c00, 0x4200, 0x4000))},
	{"fma.rn.f16", "hhhh", cs(c(0x4700, 0x4200, 0x4000, 0x3c00))},
	{"fma.rn.bf16", "hhhh", cs(c(0x40e0, 0x4040, 0x4000, 0x3f80))},
	{"fma.rn.bf16x2", "rrrr", cs(c(0x40e00000, 0x40400000, 0x40000000, 0x3f800000))},
	{"fma.rn.relu.bf16x2", "rrrr", cs(c(0x40e00000, 0x40403f80, 0x40000000, 0x3f80bf80))},
	{"nanosleep.u32 10; mov.b32 $0, $1", "rr", cs(c(1, 1))},
	{"membar.gl; fence.acq_rel.gpu; mov.b32 $0, $1", "rr", cs(c(1, 1))},
}

func TestInstructionsGiveWhatTheManualSays(t *testing.T) {
	for _, form := range forms {
		for i, got := range form.run(t) {
			if want := form.cases[i][0]; got != want {
				t.Errorf("%s of %#x = %#x, and %#x is right", form.text, form.cases[i][1:], got, want)
			}
		}
	}
}
