package ptx

import (
	"encoding/binary"
	"strings"
	"testing"
)

// snippet returns a kernel around a few instructions: %r0 is the thread's number in the block, %rd0 the output's address, %rd1 the
// address of the thread's 4 bytes of it, and what stands in %r1 at the end is written there. Declarations come before a line "---".
func snippet(body string) string {
	outside, inside, found := strings.Cut(body, "---")
	if !found {
		outside, inside = "", body
	}
	return header + outside + `
.visible .entry snippet(.param .u64 out)
{
.reg .pred %p<9>; .reg .b16 %h<9>; .reg .b32 %r<40>; .reg .b64 %rd<20>; .reg .f32 %f<20>; .reg .f64 %fd<4>;
mov.u32 %r0, %tid.x;
ld.param.u64 %rd0, [out];
mad.wide.u32 %rd1, %r0, 4, %rd0;
` + inside + `
st.global.b32 [%rd1], %r1;
ret;
}
`
}

// snippetTest is a snippet and what each thread must write.
type snippetTest struct {
	name    string
	body    string
	threads int // 0 means 32
	want    func(thread int) uint32
}

func runSnippets(t *testing.T, tests []snippetTest) {
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.threads == 0 {
				test.threads = 32
			}
			out := launchText(t, snippet(test.body), Launch{Block: [3]int{test.threads}}, 4*test.threads)
			for i := range test.threads {
				if got, want := binary.LittleEndian.Uint32(out[4*i:]), test.want(i); got != want {
					t.Errorf("thread %d writes %#x, and %#x is right", i, got, want)
				}
			}
		})
	}
}

func constantly(x uint32) func(int) uint32 { return func(int) uint32 { return x } }

func choose(condition bool, a, b uint32) uint32 {
	if condition {
		return a
	}
	return b
}

func TestLanesExchangeValues(t *testing.T) {
	runSnippets(t, []snippetTest{
		{"shfl.up", "shfl.sync.up.b32 %r1, %r0, 3, 0, -1;", 0, func(i int) uint32 { return uint32(choose(i < 3, uint32(i), uint32(i-3))) }},
		{"shfl.up says who read another", "shfl.sync.up.b32 %r2|%p0, %r0, 3, 0, -1; selp.b32 %r1, 1, 0, %p0;", 0,
			func(i int) uint32 { return choose(i >= 3, 1, 0) }},
		{"shfl.down", "shfl.sync.down.b32 %r1|%p0, %r0, 3, 31, -1;", 0, func(i int) uint32 { return choose(i > 28, uint32(i), uint32(i+3)) }},
		{"shfl.bfly", "shfl.sync.bfly.b32 %r1, %r0, 5, 31, -1;", 0, func(i int) uint32 { return uint32(i ^ 5) }},
		{"shfl.idx", "shfl.sync.idx.b32 %r1, %r0, 7, 31, -1;", 0, constantly(7)},
		{"shfl.up in segments of 8", "shfl.sync.up.b32 %r1, %r0, 1, 0x1800, -1;", 0,
			func(i int) uint32 { return choose(i%8 == 0, uint32(i), uint32(i-1)) }},
		{"shfl.idx in segments of 8", "shfl.sync.idx.b32 %r1, %r0, 9, 0x181f, -1;", 0, func(i int) uint32 { return uint32(i&^7 | 1) }},
		{"shfl.down in segments of 8", "shfl.sync.down.b32 %r1, %r0, 1, 0x181f, -1;", 0,
			func(i int) uint32 { return choose(i%8 == 7, uint32(i), uint32(i+1)) }},
		{"vote.ballot", "and.b32 %r2, %r0, 1; setp.eq.u32 %p0, %r2, 1; vote.sync.ballot.b32 %r1, %p0, -1;", 0, constantly(0xaaaaaaaa)},
		{"vote.any", "setp.eq.u32 %p0, %r0, 31; vote.sync.any.pred %p1, %p0, -1; selp.b32 %r1, 1, 0, %p1;", 0, constantly(1)},
		{"vote.all", "setp.eq.u32 %p0, %r0, 31; vote.sync.all.pred %p1, !%p0, -1; selp.b32 %r1, 1, 0, %p1;", 0, constantly(0)},
		{"vote.uni", "setp.gt.u32 %p0, %r0, 77; vote.sync.uni.pred %p1, %p0, -1; selp.b32 %r1, 1, 0, %p1;", 0, constantly(1)},
		{"match.any", "and.b32 %r2, %r0, 3; match.any.sync.b32 %r1, %r2, -1;", 0, func(i int) uint32 { return 0x11111111 << (i % 4) }},
		{"match.all of equals", "mov.b64 %rd2, 5; match.all.sync.b64 %r2|%p0, %rd2, -1; " +
			"selp.b32 %r1, %r2, 0, %p0;", 0, constantly(allLanes)},
		{"match.all of others", "match.all.sync.b32 %r2|%p0, %r0, -1; selp.b32 %r1, 1, %r2, %p0;", 0, constantly(0)},
		{"redux.add", "redux.sync.add.u32 %r1, %r0, -1;", 0, constantly(31 * 16)},
		{"redux.min of signed numbers", "sub.s32 %r2, %r0, 5; redux.sync.min.s32 %r1, %r2, -1;", 0, constantly(uint32(i32(-5)))},
		{"redux.max", "redux.sync.max.u32 %r1, %r0, -1;", 0, constantly(31)},
		{"redux.or", "redux.sync.or.b32 %r1, %r0, -1;", 0, constantly(31)},
		{"redux.xor", "redux.sync.xor.b32 %r1, %r0, -1;", 0, constantly(0)},
		{"redux.and", "or.b32 %r2, %r0, 64; redux.sync.and.b32 %r1, %r2, -1;", 0, constantly(64)},
		{"activemask of a short warp", "activemask.b32 %r1;", 20, constantly(1<<20 - 1)},
		{"setp of pairs compares both", "mov.b32 %r2, 0x40003c00; mov.b32 %r3, 0x3c003c00; setp.gt.f16x2 %p0|%p1, %r2, %r3; " +
			"selp.b32 %r4, 1, 0, %p0; selp.b32 %r5, 2, 0, %p1; add.u32 %r1, %r4, %r5;", 0, constantly(2)},
		{"lane masks", "mov.u32 %r2, %lanemask_lt; mov.u32 %r3, %lanemask_ge; xor.b32 %r1, %r2, %r3;", 0, constantly(allLanes)},
		{"lane and warp", "mov.u32 %r2, %laneid; mov.u32 %r3, %warpid; " +
			"mad.lo.u32 %r1, %r3, 32, %r2;", 64, func(i int) uint32 { return uint32(i) }},
		{"half of a warp shuffles, the other half shuffles elsewhere", `
setp.lt.u32 %p0, %r0, 16;
@%p0 bra LOW;
shfl.sync.bfly.b32 %r1, %r0, 1, 31, 0xffff0000;
bra DONE;
LOW: shfl.sync.bfly.b32 %r1, %r0, 2, 31, 0xffff;
DONE:`, 0, func(i int) uint32 { return choose(i < 16, uint32(i^2), uint32(i^1)) }},
	})
}

func TestLanesThatPartMeetAgain(t *testing.T) {
	runSnippets(t, []snippetTest{
		{"after an if", `
setp.lt.u32 %p0, %r0, 7;
@%p0 bra THEN;
mov.u32 %r2, 1;
bra.uni JOIN;
THEN: mov.u32 %r2, 2;
JOIN: activemask.b32 %r3;
add.u32 %r1, %r3, %r2;`, 0, func(i int) uint32 { return choose(i < 7, 1, 0) }},
		{"after loops of different lengths", `
mov.u32 %r2, 0;
LOOP: add.u32 %r2, %r2, 1;
setp.lt.u32 %p0, %r2, %r0;
@%p0 bra LOOP;
activemask.b32 %r3;
sub.u32 %r1, %r3, %r2;`, 0, func(i int) uint32 { return allLanes - uint32(max(i, 1)) }},
		{"when some have exited", `
setp.lt.u32 %p0, %r0, 4;
mov.u32 %r1, 9;
@%p0 st.global.b32 [%rd1], %r1;
@%p0 exit;
activemask.b32 %r1;`, 0, func(i int) uint32 { return choose(i < 4, 9, 0xfffffff0) }},
		{"at a barrier that lies before where some of them wait", `
setp.lt.u32 %p0, %r0, 4;
@%p0 bra FAR;
MEET: bar.sync 0;
activemask.b32 %r1;
bra DONE;
FAR: mov.u32 %r5, 1;
bra MEET;
DONE:`, 0, constantly(allLanes)},
		{"in a guard without a branch", `
mov.u32 %r1, 1;
setp.lt.u32 %p0, %r0, 4;
@!%p0 mov.u32 %r1, 2;`, 0, func(i int) uint32 { return choose(i < 4, 1, 2) }},
	})
}

func TestWarpsMeetAtBarriers(t *testing.T) {
	runSnippets(t, []snippetTest{
		{"bar.sync orders shared memory", `
.shared .align 4 .b8 tile[512];
mov.u32 %r2, tile; mad.lo.u32 %r3, %r0, 4, %r2; st.shared.u32 [%r3], %r0;
bar.sync 0;
sub.u32 %r4, 127, %r0; mad.lo.u32 %r3, %r4, 4, %r2; ld.shared.u32 %r1, [%r3];`, 128, func(i int) uint32 { return uint32(127 - i) }},
		{"bar.red.popc counts", "setp.lt.u32 %p0, %r0, 40; bar.red.popc.u32 %r1, 0, %p0;", 96, constantly(40)},
		{"bar.red.and", "setp.lt.u32 %p0, %r0, 40; bar.red.and.pred %p1, 0, %p0; selp.b32 %r1, 1, 2, %p1;", 96, constantly(2)},
		{"bar.red.or of a negation", "setp.lt.u32 %p0, %r0, 95; barrier.cta.red.or.aligned.pred %p1, 0, !%p0; " +
			"selp.b32 %r1, 1, 2, %p1;", 96, constantly(1)},
		{"bar.red.and of a negation", "setp.gt.u32 %p0, %r0, 200; bar.red.and.pred %p1, 0, !%p0; selp.b32 %r1, 1, 2, %p1;", 96, constantly(1)},
		{"a named barrier of two warps orders them", `
.shared .align 4 .b8 tile[384];
mov.u32 %r1, 5;
setp.ge.u32 %p0, %r0, 64;
@%p0 bra DONE;
mov.u32 %r2, tile; mad.lo.u32 %r3, %r0, 4, %r2; st.shared.u32 [%r3], %r0;
bar.sync 3, 64;
xor.b32 %r4, %r0, 63; mad.lo.u32 %r3, %r4, 4, %r2; ld.shared.u32 %r1, [%r3];
xor.b32 %r4, %r0, 1; mad.lo.u32 %r3, %r4, 4, %r2; ld.shared.u32 %r5, [%r3]; mad.lo.u32 %r1, %r5, 256, %r1;
DONE:`, 96, func(i int) uint32 { return choose(i < 64, uint32(i^63)+uint32(i^1)<<8, 5) }},
		{"a producer arrives and a consumer waits", `
.shared .align 4 .b8 tile[128];
mov.u32 %r2, tile; and.b32 %r5, %r0, 31; mad.lo.u32 %r3, %r5, 4, %r2;
setp.ge.u32 %p0, %r0, 32;
@%p0 bra CONSUMER;
st.shared.u32 [%r3], %r0;
bar.arrive 1, 64;
mov.u32 %r1, 7;
bra DONE;
CONSUMER: bar.sync 1, 64;
ld.shared.u32 %r1, [%r3];
DONE:`, 64, func(i int) uint32 { return choose(i < 32, 7, uint32(i-32)) }},
		{"a block whose other warps have exited", `
mov.u32 %r1, 3;
setp.ge.u32 %p0, %r0, 32;
@%p0 st.global.b32 [%rd1], %r1;
@%p0 ret;
bar.sync 0;`, 64, constantly(3)},
		{"bar.warp.sync orders a read before another lane's read and write", `
.shared .align 4 .b8 cell[4];
setp.eq.u32 %p0, %r0, 0; setp.eq.u32 %p1, %r0, 1;
mov.u32 %r1, 0;
@%p0 st.shared.u32 [cell], 5;
@%p0 ld.shared.u32 %r1, [cell];
bar.warp.sync -1;
@%p1 ld.shared.u32 %r1, [cell];
@%p1 st.shared.u32 [cell], 6;`, 0, func(i int) uint32 { return choose(i < 2, 5, 0) }},
		{"bar.warp.sync orders half a warp", `
.shared .align 4 .b8 tile[128];
mov.u32 %r1, 5;
setp.ge.u32 %p0, %r0, 16;
@%p0 bra DONE;
mov.u32 %r2, tile; mad.lo.u32 %r3, %r0, 4, %r2; st.shared.u32 [%r3], %r0;
bar.warp.sync 0xffff;
xor.b32 %r4, %r0, 15; mad.lo.u32 %r3, %r4, 4, %r2; ld.shared.u32 %r1, [%r3];
DONE:`, 0, func(i int) uint32 { return choose(i < 16, uint32(i^15), 5) }},
	})
}
