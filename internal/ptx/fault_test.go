package ptx

import (
	"errors"
	"strings"
	"testing"
)

// tile declares shared memory of 512 bytes, its address in %r2 and the address of the thread's 4 bytes of it in %r3.
const tile = ".shared .align 16 .b8 tile[512];\nmov.u32 %r2, tile; mad.lo.u32 %r3, %r0, 4, %r2;\n"

func TestWrongKernelsAreStoppedWithTheReason(t *testing.T) {
	for _, test := range []struct {
		name, body string
		launch     Launch
		want       string // what the message says, see saysOne
	}{
		{"write beyond an allocation", "st.global.u32 [%rd0+128], %r0; " +
			"mov.u32 %r1, 0;", Launch{}, "lane 0|write of 4 bytes at global address 0x1000000080|out of bounds: 0 bytes behind the end of an allocation of 128"},
		{"write before an allocation", "st.global.u32 [%rd0+-4], %r0; " +
			"mov.u32 %r1, 0;", Launch{}, "out of bounds: 4 bytes before an allocation of 128"},
		{"a misaligned vector", "ld.global.v2.u32 {%r1, %r2}, [%rd0+124];", Launch{}, "must be a multiple of 8"},
		{"null pointer", "mov.u64 %rd2, 0; " +
			"ld.global.u32 %r1, [%rd2];", Launch{}, "read of 4 bytes at global address 0x0: no allocation is there"},
		{"a wild address", "ld.global.u32 %r4, [%rd1]; mov.u64 %rd2, -16; ld.global.u32 %r1, [%rd2];", Launch{}, "0xfffffffffffffff0: no allocation is there"},
		{"misaligned", "add.u64 %rd2, %rd0, 2; ld.global.u32 %r1, [%rd2];", Launch{}, "must be a multiple of 4"},
		{"shared memory out of bounds", tile + "ld.shared.u32 %r1, [%r2+512];", Launch{}, "shared address 0x200: out of bounds, there are 512 bytes"},
		{"a negative shared index", tile + "sub.u32 %r4, %r2, 4; ld.shared.u32 %r1, [%r4];", Launch{}, "out of bounds"},
		{"local memory out of bounds", ".local .align 4 .b8 depot[16];\nmov.u64 %rd2, depot; " +
			"ld.local.u32 %r1, [%rd2+16];", Launch{}, "local address 0x10: out of bounds, there are 16 bytes"},
		{"a parameter that is not there", "ld.param.u32 %r1, [out+8];", Launch{}, "param address 0x8: out of bounds, there are 8 bytes"},
		{"shared memory that was never written", tile + "st.shared.u16 [%r3], 1; " +
			"ld.shared.u32 %r1, [%r3];", Launch{}, "byte 2 was never written"},
		{"local memory that was never written", ".local .align 4 .b8 depot[16];\nmov.u64 %rd2, depot; " +
			"ld.local.u32 %r1, [%rd2];", Launch{}, "never written"},
		{"a race between warps", tile + "st.shared.u32 [%r3], %r0; xor.b32 %r4, %r3, 128; " +
			"ld.shared.u32 %r1, [%r4];", Launch{Block: [3]int{64}},
			"race: this read||never written"},
		{"a race of writes", tile + "st.shared.u32 [%r2], %r0; " +
			"mov.u32 %r1, 0;", Launch{}, "lane 1|race: this write|write at line 13 by warp 0, lane 0"},
		{"a write after others read", tile + "st.shared.u32 [%r3], %r0; bar.sync 0;\nxor.b32 %r4, %r3, 128; " +
			"ld.shared.u32 %r1, [%r4];\nst.shared.u32 [%r3], %r1;",
			Launch{Block: [3]int{64}}, "race: this write|read at line 14||race: this read|write at line 15"},
		{"a race in a warp", tile + "st.shared.u32 [%r3], %r0; xor.b32 %r4, %r3, 4; " +
			"ld.shared.u32 %r1, [%r4];", Launch{}, "race: this read|write at line 13 by warp 0, lane 1"},
		{"a shuffle orders nothing", tile + "st.shared.u32 [%r3], %r0; shfl.sync.bfly.b32 %r5, %r0, 1, 31, -1; " +
			"xor.b32 %r4, %r3, 4; ld.shared.u32 %r1, [%r4];", Launch{}, "race: this read"},
		{"bar.warp.sync of too few lanes", tile + "st.shared.u32 [%r3], %r0; setp.lt.u32 %p0, %r0, 16; " +
			"@%p0 bar.warp.sync 0xffff; xor.b32 %r4, %r3, 64; ld.shared.u32 %r1, [%r4];", Launch{}, "race: this read"},
		{"a barrier of too few warps", tile + "st.shared.u32 [%r3], %r0; setp.lt.u32 %p0, %r0, 64; @%p0 bar.sync 1, 64; " +
			"add.u32 %r4, %r0, 64; rem.u32 %r4, %r4, 96; mad.lo.u32 %r4, %r4, 4, %r2; ld.shared.u32 %r1, [%r4];",
			Launch{Block: [3]int{96}}, "race: this||never written"},
		{"a race of an atomic and a read", tile + "setp.eq.u32 %p0, %r0, 0; @%p0 st.shared.u32 [%r2], 0; bar.sync 0; " +
			"red.shared.add.u32 [%r2], 1; ld.shared.u32 %r1, [%r2];", Launch{}, "race: this read|atomic at line 13"},
		{"a write after a producer has arrived", tile + "mov.u32 %r1, 0; setp.ge.u32 %p0, %r0, 32; @%p0 bra CONSUMER; " +
			"bar.arrive 1, 64; st.shared.u32 [%r3], %r0; bra DONE;\nCONSUMER: bar.sync 1, 64; ld.shared.u32 %r1, [%r3+-128];\nDONE:",
			Launch{Block: [3]int{64}}, "race: this read||never written"},
		{"a race of blocks", ".reg .b32 %x; mov.u32 %x, %ctaid.x; st.global.u32 [%rd0], %x; " +
			"mov.u32 %r1, 0;", Launch{Grid: [3]int{2}, Block: [3]int{1}},
			"race: this write of 4 bytes at global address|by block ("},
		{"a block reads what another writes", ".reg .b32 %x; .reg .pred %q; mov.u32 %x, %ctaid.x; setp.eq.u32 %q, %x, 0; " +
			"@%q st.global.u32 [%rd0+64], 5; ld.global.u32 %r1, [%rd0+64]; @!%q ret;",
			Launch{Grid: [3]int{2}, Block: [3]int{1}}, "race: this"},
		{"a race in global memory within a block", "st.global.u32 [%rd1], %r0; xor.b32 %r4, %r0, 1; " +
			"mad.wide.u32 %rd2, %r4, 4, %rd0; ld.global.u32 %r1, [%rd2];", Launch{}, "race: this read"},
		{"a copy that was not waited for", tile + "st.global.u32 [%rd1], %r0; cp.async.ca.shared.global [%r3], [%rd1], 4; " +
			"cp.async.commit_group; ld.shared.u32 %r1, [%r3];", Launch{}, "cp.async that was not waited for"},
		{"a copy over data in use", tile + "st.shared.u32 [%r3], %r0; st.global.u32 [%rd1], %r0; " +
			"cp.async.ca.shared.global [%r3], [%rd1], 4; " +
			"ld.shared.u32 %r1, [%r3];", Launch{}, "a cp.async that was not waited for writes there"},
		{"a copy waited for by another thread alone", tile + "st.global.u32 [%rd1], %r0; " +
			"cp.async.ca.shared.global [%r3], [%rd1], 4; cp.async.wait_all; xor.b32 %r4, %r3, 4; " +
			"ld.shared.u32 %r1, [%r4];", Launch{}, "race: this read"},
		{"a copy that was never committed", tile + "st.global.u32 [%rd1], %r0; cp.async.ca.shared.global [%r3], [%rd1], 4; " +
			"cp.async.wait_group 0; ld.shared.u32 %r1, [%r3];", Launch{}, "cp.async that was not waited for"},
		{"a copy from a misaligned address", tile + "mad.lo.u32 %r3, %r0, 16, %r2; " +
			"cp.async.cg.shared.global [%r3], [%rd1], 16; mov.u32 %r1, 0;", Launch{}, "lane 1|must be a multiple of 16"},
		{"a source size above the size", tile + "mov.u32 %r4, 8; cp.async.ca.shared.global [%r3], [%rd1], 4, %r4; " +
			"mov.u32 %r1, 0;", Launch{}, "copies 8 bytes of 4"},
		{"a barrier that some lanes miss", "setp.lt.u32 %p0, %r0, 7; @%p0 bar.sync 0; mov.u32 %r1, 0; " +
			"", Launch{}, "lanes 0x7f execute the barrier and lanes 0xffffff80"},
		{"a barrier in a branch that some lanes take", "setp.lt.u32 %p0, %r0, 7; @%p0 bra SKIP; bar.sync 0; mov.u32 %r1, 0; " +
			"bra SKIP2; SKIP: bar.sync 0; SKIP2: mov.u32 %r1, 0;", Launch{}, "the warp has diverged"},
		{"a barrier that a warp misses", "setp.lt.u32 %p0, %r0, 32; @%p0 bar.sync 1, 64; bar.sync 0; " +
			"mov.u32 %r1, 0;", Launch{Block: [3]int{64}},
			"barrier divergence|warp 0 waits at line 11 for barrier 1|warp 1 waits at line 11 for barrier 0"},
		{"warps at two barriers", "setp.lt.u32 %p0, %r0, 32; @%p0 bra LOW; bar.sync 0; " +
			"bra DONE;\nLOW: bar.sync 0;\nDONE: mov.u32 %r1, 0;", Launch{Block: [3]int{64}}, "barrier divergence: warp"},
		{"a barrier of 33 threads", "bar.sync 1, 33; mov.u32 %r1, 0;", Launch{Block: [3]int{64}}, "33 threads cannot meet"},
		{"a barrier that does not exist", "bar.sync 16; mov.u32 %r1, 0;", Launch{}, "barrier 16 does not exist"},
		{"a shuffle from a lane outside the mask", "setp.lt.u32 %p0, %r0, 16; " +
			"@%p0 shfl.sync.idx.b32 %r1, %r0, 20, 31, 0xffff; " +
			"@!%p0 mov.u32 %r1, 0;", Launch{}, "reads lane 20, which does not take part"},
		{"a membermask without the lane", "shfl.sync.idx.b32 %r1, %r0, 0, 31, 0xffff;", Launch{}, "membermask 0xffff"},
		{"lanes with different membermasks", "setp.lt.u32 %p0, %r0, 16; selp.b32 %r4, -1, 0xffff0000, %p0; " +
			"shfl.sync.idx.b32 %r1, %r0, 0, 31, %r4;", Launch{}, "all lanes must give the same"},
		{"a shuffle that some named lanes do not reach", "setp.lt.u32 %p0, %r0, 16; mov.u32 %r1, 0; " +
			"@%p0 shfl.sync.idx.b32 %r1, %r0, 0, 31, -1; @!%p0 bar.sync 0;", Launch{}, "the warp has diverged"},
		{"ldmatrix in a warp of 16", tile + "ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r1}, [%r2];", Launch{Block: [3]int{16}}, "all 32 lanes of a warp must execute it"},
		{"ldmatrix of a misaligned row", tile + "mov.u32 %r4, 0; st.shared.v4.u32 [%r2], {%r4, %r4, %r4, %r4}; bar.sync 0; " +
			"ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r1}, [%r3];", Launch{}, "lane 1|must be a multiple of 16"},
		{"an endless loop", "LOOP: bra LOOP; mov.u32 %r1, 0;", Launch{}, "an endless loop, or Options.Budget is too small"},
		{"trap", "mov.u32 %r1, 0; trap;", Launch{}, "stopped itself by trap"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.launch.Block[0] == 0 {
				test.launch.Block[0] = 32
			}
			text := snippet(test.body)
			keepText(t, text)
			_, _, err := tryText(text, test.launch, 128*((test.launch.Block[0]+31)/32))
			var fault *Fault
			if !errors.As(err, &fault) {
				t.Fatalf("got %v, and not a fault", err)
			}
			if !saysOne(err.Error(), test.want) {
				t.Errorf("got %q, which does not say %q", err, test.want)
			}
		})
	}
}

// saysOne reports whether a message has all the parts, separated by |, of one of the choices, separated by ||.
func saysOne(message, choices string) bool {
	for _, choice := range strings.Split(choices, "||") {
		all := true
		for _, part := range strings.Split(choice, "|") {
			all = all && strings.Contains(message, part)
		}
		if all {
			return true
		}
	}
	return false
}

func TestARaceIsFoundWhicheverComesFirst(t *testing.T) {
	for _, test := range []struct {
		name, body string
		launch     Launch
		want       []string // messages of which each must come with some seed
	}{
		{"a warp reads what another writes", tile + `
st.shared.u32 [%r3], %r0;
mov.u32 %r1, 0;
bar.sync 0;
setp.lt.u32 %p0, %r0, 32;
@%p0 ld.shared.u32 %r1, [%r3+128];
@!%p0 st.shared.u32 [%r3], %r1;`, Launch{Block: [3]int{64}}, []string{"race: this read", "race: this write"}},
		{"a warp outside a named barrier", tile + `
st.shared.u32 [%r3], %r0;
mov.u32 %r1, 0;
bar.sync 0;
setp.lt.u32 %p0, %r0, 64;
@%p0 st.shared.u32 [%r3], %r1;
@%p0 bar.sync 1, 64;
@!%p0 ld.shared.u32 %r1, [%r3+-256];`, Launch{Block: [3]int{96}}, []string{"race: this read", "race: this write"}},
		{"two blocks read and one writes", `
mov.u32 %r2, %ctaid.x;
ld.global.u32 %r1, [%rd0+128];
setp.eq.u32 %p0, %r2, 1;
@%p0 st.global.u32 [%rd0+128], %r1;
ret;`, Launch{Grid: [3]int{3}, Block: [3]int{1}}, []string{"race: this read", "race: this write"}},
	} {
		said := make([]bool, len(test.want))
		for seed := range uint64(20) {
			_, _, err := tryTextOn(NewDevice(Options{Seed: seed, Workers: 1}), snippet(test.body), test.launch, 4*96)
			if err == nil {
				t.Errorf("%s: nothing was found with seed %d", test.name, seed)
				continue
			}
			for i, want := range test.want {
				said[i] = said[i] || strings.Contains(err.Error(), want)
			}
		}
		for i, want := range test.want {
			if !said[i] {
				t.Errorf("%s: no seed gives %q", test.name, want)
			}
		}
	}
}

func TestABlockInheritsNothingOfTheOneBeforeIt(t *testing.T) {
	const even = "mov.u32 %r20, %ctaid.x; and.b32 %r20, %r20, 1; setp.eq.u32 %p7, %r20, 0;\n"
	for name, body := range map[string]string{
		"shared memory": tile + even + "@%p7 st.shared.u32 [%r3], 1; @%p7 ret; ld.shared.u32 %r1, [%r3];",
		"local memory": ".local .align 4 .b8 depot[4];\n" + even + "mov.u64 %rd2, depot; " +
			"@%p7 st.local.u32 [%rd2], 1; @%p7 ret; ld.local.u32 %r1, [%rd2];",
		"copies": tile + even + "@%p7 cp.async.ca.shared.global [%r3], [%rd0], 4; @%p7 ret; cp.async.wait_all; ld.shared.u32 %r1, [%r3];",
	} {
		for seed := range uint64(6) {
			_, _, err := tryTextOn(NewDevice(Options{Seed: seed, Workers: 1}), snippet(body), Launch{Grid: [3]int{4}, Block: [3]int{32}}, 128)
			if err == nil || !strings.Contains(err.Error(), "never written") {
				t.Errorf("%s with seed %d: got %v", name, seed, err)
			}
		}
	}
}

func TestLanesThatStoreTheSameValueTogetherAreNoRace(t *testing.T) {
	runSnippets(t, []snippetTest{{"one instruction", tile + "st.shared.u32 [%r2], 7; bar.sync 0; " +
		"ld.shared.u32 %r1, [%r2];", 0, constantly(7)}})
}
