package ptx

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"testing"
)

func TestMemoryInstructionsReadAndWriteEverySpaceAndType(t *testing.T) {
	const shared8 = ".shared .align 16 .b8 tile[2048];\nmov.u32 %r2, tile; mad.lo.u32 %r3, %r0, 16, %r2;\n"
	runSnippets(t, []snippetTest{
		{"vectors of four", shared8 + "add.u32 %r4, %r0, 1; st.shared.v4.u32 [%r3], {%r0, %r4, %r0, %r4}; " +
			"ld.shared.v4.u32 {%r5, %r6, %r7, %r8}, [%r3]; add.u32 %r1, %r7, %r8;",
			0, func(i int) uint32 { return uint32(2*i + 1) }},
		{"vectors of two doubles", shared8 + "cvt.rn.f64.u32 %fd0, %r0; st.shared.v2.f64 [%r3], {%fd0, %fd0}; " +
			"ld.shared.v2.f64 {%fd1, %fd2}, [%r3]; cvt.rzi.u32.f64 %r1, %fd2;",
			0, func(i int) uint32 { return uint32(i) }},
		{"vectors of halves", shared8 + "cvt.u16.u32 %h0, %r0; mov.b16 %h1, 3; st.shared.v2.b16 [%r3], {%h0, %h1}; " +
			"ld.shared.u32 %r1, [%r3];",
			0, func(i int) uint32 { return uint32(i) | 3<<16 }},
		{"signed bytes are extended", shared8 + "st.shared.u32 [%r3], 0x80ff7f01; ld.shared.s8 %r1, [%r3+2];", 0, constantly(0xffffffff)},
		{"extension ends at the register", shared8 + "st.shared.u32 [%r3], -1; ld.shared.s8 %r4, [%r3]; " +
			"setp.eq.u32 %p0, %r4, -1; selp.b32 %r1, 1, 0, %p0;", 0, constantly(1)},
		{"bytes side by side are no race", shared8 + "add.u32 %r3, %r2, %r0; st.shared.u8 [%r3], %r0; bar.sync 0; " +
			"xor.b32 %r4, %r0, 33; add.u32 %r3, %r2, %r4; ld.shared.u8 %r1, [%r3];",
			64, func(i int) uint32 { return uint32(i ^ 33) }},
		{"unsigned bytes are not", shared8 + "st.shared.u32 [%r3], 0x80ff7f01; ld.shared.u8 %r1, [%r3+2];", 0, constantly(0xff)},
		{"signed halves are extended to 64 bits", shared8 + "st.shared.u32 [%r3], 0x80ff7f01; ld.shared.s16 %rd2, [%r3+2]; " +
			"shr.u64 %rd3, %rd2, 32; cvt.u32.u64 %r1, %rd3;",
			0, constantly(0xffffffff)},
		{"the low part of a wide register is stored", shared8 + "mov.b64 %rd2, 0x1122334455667788; st.shared.u32 [%r3], %rd2; " +
			"ld.shared.u32 %r1, [%r3];", 0, constantly(0x55667788)},
		{"volatile, cached and weak", shared8 + "st.volatile.shared.u32 [%r3], %r0; ld.volatile.shared.u32 %r4, [%r3]; " +
			"st.global.cg.u32 [%rd1], %r4; ld.global.ca.L2::128B.u32 %r5, [%rd1]; " +
			"ld.global.L1::evict_last.L2::64B.u32 %r5, [%rd1]; st.weak.global.wt.u32 [%rd1], %r5; ld.global.cv.u32 %r1, [%rd1];",
			0, func(i int) uint32 { return uint32(i) }},
		{"the read-only path", "ld.global.nc.L1::no_allocate.u32 %r4, [%rd1]; add.u32 %r1, %r4, 7;", 0, constantly(7)},
		{"generic addresses of shared memory", shared8 + "cvt.u64.u32 %rd2, %r3; cvta.shared.u64 %rd3, %rd2; " +
			"st.u32 [%rd3], %r0; isspacep.shared %p0, %rd3; cvta.to.shared.u64 %rd4, %rd3; @%p0 ld.shared.u32 %r1, [%rd4];",
			0, func(i int) uint32 { return uint32(i) }},
		{"generic addresses of global memory", "cvta.global.u64 %rd3, %rd1; st.u32 [%rd3], %r0; isspacep.global %p0, %rd3; " +
			"cvta.to.global.u64 %rd4, %rd3; @%p0 ld.global.u32 %r1, [%rd4];",
			0, func(i int) uint32 { return uint32(i) }},
		{"local memory is each thread's own", ".local .align 8 .b8 depot[64];\nmov.u64 %rd2, depot; " +
			"st.local.u32 [%rd2+60], %r0; cvta.local.u64 %rd3, %rd2; ld.u32 %r1, [%rd3+60]; isspacep.local %p0, %rd3; @!%p0 trap;",
			64, func(i int) uint32 { return uint32(i) }},
		{"constant memory", ".const .align 4 .b8 table[8] = {1, 2, 3, 4, 5};\n.const .f32 one = 0f3F800000;\n---ld.const.u32 %r2, [table+4]; mov.u64 %rd2, one; ld.const.u32 %r3, [%rd2]; add.u32 %r1, %r2, %r3;",
			0, constantly(5 + 0x3f800000)},
		{"global variables", ".global .align 4 .u32 numbers[2] = {7, 8};\n.visible .global .u32 nothing;\n---mov.u64 %rd2, numbers; ld.global.u32 %r2, [%rd2+4]; ld.global.u32 %r3, [nothing]; add.u32 %r1, %r2, %r3;",
			0, constantly(8)},
		{"shared memory declared outside the kernel", ".shared .align 4 .u32 cell;\n---setp.eq.u32 %p0, %r0, 0; " +
			"@%p0 st.shared.u32 [cell], 77; bar.sync 0; ld.shared.u32 %r1, [cell];", 64, constantly(77)},
		{"variables are aligned", ".const .b8 letters[3] = {1, 2, 3};\n.const .u32 number = 7;\n---" + `
.shared .b8 odd[3]; .shared .align 8 .b8 even[256]; .local .b8 little[3]; .local .align 8 .b8 large[8];
setp.eq.u32 %p0, %r0, 0;
@%p0 st.shared.u8 [odd], 1;
mov.u32 %r2, even; mad.lo.u32 %r2, %r0, 8, %r2;
st.shared.u64 [%r2], 1;
st.local.u8 [little], 1;
st.local.u64 [large], 1;
ld.const.u8 %r3, [letters+2];
ld.const.u32 %r4, [number];
add.u32 %r1, %r3, %r4;`, 0, constantly(10)},
		{"prefetch changes nothing", "prefetch.global.L2 [%rd1]; mov.u32 %r1, 1;", 0, constantly(1)},
	})
}

func TestAtomicsAddUpWhateverTheOrder(t *testing.T) {
	const cell = ".shared .align 8 .b8 cell[8];\nsetp.eq.u32 %p0, %r0, 0; @%p0 st.shared.u64 [cell], 0; bar.sync 0;\n"
	const read = "bar.sync 0; ld.shared.u32 %r1, [cell];"
	runSnippets(t, []snippetTest{
		{"add", cell + "atom.shared.add.u32 %r2, [cell], 2;" + read, 64, constantly(128)},
		{"red.add", cell + "red.relaxed.cta.shared::cta.add.u32 [cell], 2;" + read, 64, constantly(128)},
		{"add.f32", cell + "atom.shared.add.f32 %f1, [cell], 0f3F000000;" + read, 64, constantly(uint32(f(32)))},
		{"add.f64", cell + "red.shared.add.f64 [cell], 0d3FE0000000000000; bar.sync 0; ld.shared.f64 %fd1, [cell]; " +
			"cvt.rzi.u32.f64 %r1, %fd1;", 64, constantly(32)},
		{"add.f16x2", cell + "mov.b32 %r2, 0x3c004000; atom.shared.add.noftz.f16x2 %r3, [cell], %r2;" + read, 4, constantly(0x44004800)},
		{"add.u64", cell + "atom.shared.add.u64 %rd3, [cell], 3;" + read, 64, constantly(192)},
		{"max", cell + "atom.shared.max.s32 %r2, [cell], %r0;" + read, 64, constantly(63)},
		{"min of unsigned numbers", cell + "bar.sync 0; @%p0 st.shared.u32 [cell], -1; bar.sync 0; add.u32 %r3, %r0, 5; " +
			"red.shared.min.u32 [cell], %r3;" + read, 64, constantly(5)},
		{"or", cell + "shl.b32 %r3, 1, %r0; atom.shared.or.b32 %r2, [cell], %r3;" + read, 32, constantly(allLanes)},
		{"xor", cell + "red.shared.xor.b32 [cell], %r0;" + read, 32, constantly(0)},
		{"and", cell + "red.shared.and.b32 [cell], %r0;" + read, 32, constantly(0)},
		{"inc wraps", cell + "atom.shared.inc.u32 %r2, [cell], 9;" + read, 32, constantly(32 % 10)},
		{"dec wraps", cell + "atom.shared.dec.u32 %r2, [cell], 9;" + read, 32, constantly(10*4 - 32)},
		{"dec from above its limit", cell + "bar.sync 0; @%p0 st.shared.u32 [cell], 20; bar.sync 0; @%p0 red.shared.dec.u32 [cell], 9;" + read, 32, constantly(9)},
		{"cas lets one thread win", cell + "add.u32 %r3, %r0, 5; atom.shared.cas.b32 %r2, [cell], 0, %r3; " +
			"setp.eq.u32 %p1, %r2, 0; bar.red.popc.u32 %r1, 0, %p1;", 64, constantly(1)},
		{"exch returns what was there", cell + "mov.u32 %r1, 4; @%p0 atom.shared.exch.b32 %r1, [cell], 3; " +
			"@%p0 atom.shared.exch.b32 %r1, [cell], 9;", 0,
			func(i int) uint32 { return choose(i == 0, 3, 4) }},
		{"on global memory", ".global .u32 total;\n---atom.relaxed.gpu.global.add.u32 %r2, [total], 1; " +
			"mov.u32 %r1, 1;", 64, constantly(1)},
		{"by generic addresses", "atom.add.u32 %r2, [%rd1], 5; atom.add.u32 %r1, [%rd1], 5;", 0, constantly(5)},
	})
}

func TestAsynchronousCopiesArriveWhenTheyAreWaitedFor(t *testing.T) {
	// Each thread copies 16 bytes of the output, which holds zeros, and something written before.
	const begin = ".shared .align 16 .b8 tile[1024];\nmov.u32 %r2, tile; mad.lo.u32 %r3, %r0, 16, %r2; and.b32 %r4, %r0, 1; " +
		"mad.wide.u32 %rd2, %r4, 16, %rd0; and.b32 %r5, %r0, -4; st.global.u32 [%rd1], %r0; bar.sync 0;\n"
	first := func(i int) uint32 { return uint32(i % 2 * 4) }
	runSnippets(t, []snippetTest{
		{"wait_all", begin + "cp.async.ca.shared.global [%r3], [%rd2], 16; cp.async.wait_all; " +
			"ld.shared.u32 %r1, [%r3];bar.sync 0;", 0, first},
		{"wait_group", begin + "cp.async.cg.shared.global.L2::128B [%r3], [%rd2], 16; cp.async.commit_group; " +
			"cp.async.wait_group 0; ld.shared.u32 %r1, [%r3];bar.sync 0;", 0, first},
		{"8 bytes", begin + "cp.async.ca.shared.global [%r3+8], [%rd2+8], 8; cp.async.wait_all; " +
			"ld.shared.u32 %r1, [%r3+8];bar.sync 0;", 0,
			func(i int) uint32 { return first(i) + 2 }},
		{"4 bytes", begin + "cp.async.ca.shared.global [%r3+4], [%rd2+4], 4; cp.async.wait_all; " +
			"ld.shared.u32 %r1, [%r3+4];bar.sync 0;", 0,
			func(i int) uint32 { return first(i) + 1 }},
		{"what lies beyond the source size is zero and not read", begin + "mov.u64 %rd3, 16; " +
			"cp.async.cg.shared.global [%r3], [%rd3], 16, 0; cp.async.wait_all; ld.shared.u32 %r1, [%r3];bar.sync 0;", 0, constantly(0)},
		{"part of the source", begin + "cp.async.cg.shared.global [%r3], [%rd2], 16, 8; cp.async.wait_all; " +
			"ld.shared.v4.u32 {%r10, %r11, %r12, %r13}, [%r3]; add.u32 %r12, %r12, %r13; shl.b32 %r12, %r12, 16; " +
			"add.u32 %r1, %r11, %r12;bar.sync 0;", 0,
			func(i int) uint32 { return first(i) + 1 }},
		{"a source size of 7", begin + "cp.async.cg.shared.global [%r3], [%rd2], 16, 7; cp.async.wait_all; " +
			"ld.shared.u32 %r10, [%r3+4]; ld.shared.u32 %r11, [%r3+8]; add.u32 %r1, %r10, %r11; bar.sync 0;", 0,
			func(i int) uint32 { return first(i) + 1 }},
		{"an older group may be used while a newer one flies", begin + `
cp.async.cg.shared.global [%r3], [%rd2], 16; cp.async.commit_group;
cp.async.cg.shared.global [%r3+512], [%rd2], 16; cp.async.commit_group;
cp.async.wait_group 1; ld.shared.u32 %r1, [%r3];bar.sync 0;`, 0, first},
	})
}

func TestCallsRunTheFunction(t *testing.T) {
	const power = `
.func (.param .b32 result) power(.param .b32 base, .param .b32 exponent)
{
.reg .pred %p<2>; .reg .b32 %r<9>;
ld.param.u32 %r1, [base];
ld.param.u32 %r2, [exponent];
mov.u32 %r3, 1;
LOOP: setp.eq.u32 %p1, %r2, 0;
@%p1 bra DONE;
mul.lo.u32 %r3, %r3, %r1;
sub.u32 %r2, %r2, 1;
bra LOOP;
DONE: st.param.b32 [result+0], %r3;
ret;
}
---
`
	const call = `
{
.param .b32 p0; st.param.b32 [p0+0], %r0;
.param .b32 p1; st.param.b32 [p1+0], 3;
.param .b32 r0;
call.uni (r0), power, (p0, p1);
ld.param.b32 %r1, [r0+0];
}`
	runSnippets(t, []snippetTest{
		{"once", power + call, 0, func(i int) uint32 { return uint32(i * i * i) }},
		{"twice", power + call + "mov.u32 %r9, %r1;" + call + "sub.u32 %r1, %r1, %r9;", 0, constantly(0)},
	})
}

func TestParametersArriveWithTheirTypes(t *testing.T) {
	const text = header + `
.entry k(.param .u64 out, .param .align 8 .b8 pair[12], .param .f32 x, .param .u8 before, .param .f64 y, .param .u16 z)
{
.reg .b64 %rd<4>; .reg .b32 %r<4>; .reg .f64 %d; .reg .b16 %h; .reg .f32 %f;
ld.param.u64 %rd0, [out];
ld.param.v2.u32 {%r0, %r1}, [pair];
st.global.u32 [%rd0], %r1;
ld.param.u32 %r2, [pair+8];
st.global.u32 [%rd0+4], %r2;
ld.param.f32 %f, [x];
st.global.f32 [%rd0+8], %f;
ld.param.f64 %d, [y];
st.global.f64 [%rd0+16], %d;
ld.param.u16 %h, [z];
st.global.u16 [%rd0+12], %h;
}`
	pair := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32([]byte{1, 0, 0, 0}, 2), 3)
	out := launchText(t, text, Launch{Args: []any{pair, float32(1.5), []byte{9}, 2.5, []byte{7, 0}}}, 24)
	want := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, 2), 3)
	want = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(want, math.Float32bits(1.5)), 7)
	want = binary.LittleEndian.AppendUint64(want, math.Float64bits(2.5))
	if !bytes.Equal(out, want) {
		t.Errorf("the kernel saw % x, and % x is right", out, want)
	}
}

func TestEveryThreadKnowsItsPlace(t *testing.T) {
	const text = header + `
.entry k(.param .u64 out)
{
.reg .b64 %rd<9>; .reg .b32 %r<20>;
ld.param.u64 %rd0, [out];
mov.u32 %r0, %tid.x; mov.u32 %r1, %tid.y; mov.u32 %r2, %tid.z;
mov.u32 %r3, %ntid.x; mov.u32 %r4, %ntid.y; mov.u32 %r5, %ntid.z;
mov.u32 %r6, %ctaid.x; mov.u32 %r7, %ctaid.y; mov.u32 %r8, %ctaid.z;
mov.u32 %r9, %nctaid.x; mov.u32 %r10, %nctaid.y;
mad.lo.u32 %r11, %r2, %r4, %r1; mad.lo.u32 %r11, %r11, %r3, %r0;
mad.lo.u32 %r12, %r8, %r10, %r7; mad.lo.u32 %r12, %r12, %r9, %r6;
mul.lo.u32 %r13, %r3, %r4; mul.lo.u32 %r13, %r13, %r5;
mad.lo.u32 %r14, %r12, %r13, %r11;
mad.wide.u32 %rd1, %r14, 4, %rd0;
st.global.u32 [%rd1], %r14;
}`
	const n = 5 * 3 * 2 * 4 * 3 * 2
	out := launchText(t, text, Launch{Grid: [3]int{4, 3, 2}, Block: [3]int{5, 3, 2}}, 4*n)
	for i := range n {
		if got := binary.LittleEndian.Uint32(out[4*i:]); got != uint32(i) {
			t.Fatalf("thread %d of the grid writes %d", i, got)
		}
	}
}

func TestDynamicSharedMemoryFollowsTheStatic(t *testing.T) {
	text := snippet(".extern .shared .align 16 .b8 dynamic[];\n---.shared .align 4 .b8 fixed[20];\nmov.u32 %r2, dynamic; " +
		"mov.u32 %r3, fixed; sub.u32 %r1, %r2, %r3; st.shared.u32 [%r2+28], %r1;")
	out := launchText(t, text, Launch{Shared: 32}, 4)
	if got := binary.LittleEndian.Uint32(out); got != 32 {
		t.Errorf("dynamic shared memory begins %d bytes after 20 static ones, and 32 is right", got)
	}
	if _, _, err := tryText(text, Launch{Shared: 28}, 4); err == nil || !strings.Contains(err.Error(), "out of bounds") {
		t.Errorf("a write behind the dynamic shared memory gives %v", err)
	}
}
