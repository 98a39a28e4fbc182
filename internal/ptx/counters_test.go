package ptx

import (
	"maps"
	"strings"
	"testing"
)

// counted runs a snippet on a number of threads and returns its counters.
func counted(t *testing.T, body string, threads int) *Counters {
	t.Helper()
	_, c, err := tryText(snippet(body), Launch{Block: [3]int{threads}}, 16*threads)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestFLOPsAreCountedByUnit(t *testing.T) {
	c := counted(t, `
mov.f32 %f1, 0f3F800000; mov.b32 %r2, 0; cvt.f64.f32 %fd1, %f1; mov.u32 %r1, 0;
fma.rn.f32 %f2, %f1, %f1, %f1; add.f32 %f3, %f1, %f1; max.f32 %f3, %f1, %f1;
fma.rn.f64 %fd2, %fd1, %fd1, %fd1;
fma.rn.bf16x2 %r3, %r2, %r2, %r2;
ex2.approx.f32 %f4, %f1;
setp.lt.u32 %p1, %r0, 8;
@%p1 mul.f32 %f3, %f1, %f1;
mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%f5, %f6, %f7, %f8}, {%r2, %r2, %r2, %r2}, {%r2, %r2}, {%f1, %f1, %f1, %f1};`, 64)
	want := map[string]float64{"f32": 64*(2+1+1) + 8, "f64": 64 * 2, "f16": 64 * 4, "special": 64, "tensor": 2 * 2 * 16 * 8 * 16}
	if got := c.FLOPs(); !maps.Equal(got, want) {
		t.Errorf("FLOPs are %v, and %v is right", got, want)
	}
}

func TestSectorsBytesAndBankConflictsAreCounted(t *testing.T) {
	const words = ".shared .align 16 .b8 tile[16384];\nmov.u32 %r2, tile; mov.u32 %r1, 0;"
	for _, test := range []struct {
		name, body              string
		sectors                 float64 // of the store at the end (4) and one more request, on average
		wavefronts, conflicts   uint64
		globalBytes, sharedByte uint64
	}{
		{"lanes side by side", words + "mad.lo.u32 %r3, %r0, 4, %r2; st.shared.u32 [%r3], %r0;", 4, 1, 0, 128, 128},
		{"lanes two words apart", words + "mad.lo.u32 %r3, %r0, 8, %r2; st.shared.u32 [%r3], %r0;", 4, 2, 1, 128, 128},
		{"lanes in one bank", words + "mad.lo.u32 %r3, %r0, 128, %r2; st.shared.u32 [%r3], %r0;", 4, 32, 31, 128, 128},
		{"a padded column", words + "mad.lo.u32 %r3, %r0, 132, %r2; st.shared.u32 [%r3], %r0;", 4, 1, 0, 128, 128},
		{"vectors of four side by side", words + "mad.lo.u32 %r3, %r0, 16, %r2; " +
			"st.shared.v4.u32 [%r3], {%r0, %r0, %r0, %r0};", 4, 4, 0, 128, 512},
		{"vectors of four in the same banks", words + "mad.lo.u32 %r3, %r0, 128, %r2; " +
			"st.shared.v4.u32 [%r3], {%r0, %r0, %r0, %r0};", 4, 32, 28, 128, 512},
		{"one word for all", words + "setp.eq.u32 %p0, %r0, 0; @%p0 st.shared.u32 [%r2], %r0; bar.sync 0; " +
			"ld.shared.u32 %r4, [%r2];", 4, 2, 0, 128, 132},
		{"global words side by side", "ld.global.u32 %r1, [%rd1];", 4, 0, 0, 256, 0},
		{"global words 16 bytes apart", "mad.wide.u32 %rd2, %r0, 16, %rd0; ld.global.u32 %r1, [%rd2]; bar.sync 0;", 10, 0, 0, 256, 0},
		{"lanes that alternate between two sectors", "and.b32 %r3, %r0, 1; mad.wide.u32 %rd2, %r3, 64, %rd0; " +
			"ld.global.u32 %r1, [%rd2]; bar.sync 0;", 3, 0, 0, 256, 0},
		{"one global word for all", "ld.global.u32 %r1, [%rd0]; bar.sync 0;", 2.5, 0, 0, 256, 0},
	} {
		c := counted(t, test.body, 32)
		if got := c.SectorsPerRequest(); got != test.sectors {
			t.Errorf("%s: %g sectors a request, and %g are right", test.name, got, test.sectors)
		}
		waves, conflicts := c.BankConflicts()
		if waves != test.wavefronts || conflicts != test.conflicts {
			t.Errorf("%s: %d wavefronts and %d conflicts, and %d and %d are right", test.name, waves, conflicts, test.wavefronts, test.conflicts)
		}
		if b := c.Bytes(); b["global"] != test.globalBytes || b["shared"] != test.sharedByte {
			t.Errorf("%s: bytes are %v", test.name, b)
		}
	}
}

func TestBranchesOpcodesAndCoverageAreCounted(t *testing.T) {
	c := counted(t, `
setp.lt.u32 %p0, %r0, 40;
@%p0 bra LOW;
mov.u32 %r1, 1;
bra.uni DONE;
LOW: mov.u32 %r1, 2;
DONE: setp.gt.u32 %p1, %r0, 99;
@!%p1 bra END;
mov.u32 %r1, 3;
END:`, 64)
	if got := c.DivergentBranches(); got != 1 {
		t.Errorf("%d divergent branches, and 1 is right", got)
	}
	opcodes := c.Opcodes()
	if opcodes["mov.u32"] != 2+3 || opcodes["ret"] != 2 {
		t.Errorf("opcodes are %v", opcodes)
	}
	executed, total, missed := c.Coverage()
	if executed != total-1 || len(missed) != 1 || missed[0] != 19 {
		t.Errorf("%d of %d instructions were executed, not lines %v", executed, total, missed)
	}
	warps, lanes := c.Instructions()
	if warps >= lanes || lanes > 32*warps {
		t.Errorf("%d instructions of warps and %d of lanes", warps, lanes)
	}
	report := c.String()
	for _, part := range []string{"1 launches, 1 blocks, 64 threads", "1 divergent", "not lines [19]", "global 256", "4.00 sectors a request"} {
		if !strings.Contains(report, part) {
			t.Errorf("the report does not say %q:\n%s", part, report)
		}
	}
}

func TestCountersOfLaunchesAddUp(t *testing.T) {
	l := vectorAdd(200)
	text := kernelText(t, l.kernel)
	d := NewDevice(Options{})
	k := must[*Kernel](t)(must[*Module](t)(d.Load("k.ptx", text)).Kernel(l.kernel))
	launch := func(n int) *Counters {
		p := must[Address](t)(d.Alloc(4 * 64))
		if err := d.Fill(p, 0, 64); err != nil {
			t.Fatal(err)
		}
		out := must[Address](t)(d.Alloc(4 * 64))
		return must[*Counters](t)(d.Launch(k, Launch{Block: [3]int{32}, Args: []any{out, p, p, int32(n)}}))
	}
	none, some := launch(0), launch(33)
	_, total, _ := none.Coverage()
	before, _, _ := none.Coverage()
	none.Add(some)
	if after, _, _ := none.Coverage(); before >= after || after > total || none.Launches != 2 || none.FLOPs()["f32"] != 33 {
		t.Errorf("coverage %d becomes %d of %d; %d launches, %v", before, after, total, none.Launches, none.FLOPs())
	}
}
