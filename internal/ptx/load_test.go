package ptx

import (
	"strings"
	"testing"
)

func TestWhatIsNotSupportedIsRefusedWithItsLine(t *testing.T) {
	const line = "line 11: "
	for _, test := range []struct{ body, want string }{
		{"frobnicate.s32 %r1, %r2;", line + "unknown instruction frobnicate.s32"},
		{"add.s33 %r1, %r2, %r3;", line + "add.s33: modifier .s33 is unknown, or not supported here"},
		{"add.cc.u32 %r1, %r2, %r3;", line + "add.cc.u32: modifier .cc is unknown"},
		{"add.s32.foo %r1, %r2, %r3;", line + "add.s32.foo: modifier .foo is unknown"},
		{"add.rn.s32 %r1, %r2, %r3;", "modifier .rn is unknown"},
		{"add.s32 %r1, %r2;", "3 operands expected, found 2"},
		{"add.s32 %r1, %r2, %nothing;", "%nothing is not declared"},
		{"add.s32 %r1, %r2, %r99;", "%r99 is not declared"},
		{"add.s32 %r1, %r2, %rd1;", "register %rd1 is .b64, and .s32 is expected"},
		{"add.s32 %f1, %r2, %r3;", "register %f1 is .f32, and .s32 is expected"},
		{".reg .s32 %whole; add.f32 %f1, %f2, %whole;", "register %whole is .s32, and .f32 is expected"},
		{"add.s32 %r1, %r2, %p1;", "%p1 is a predicate"},
		{"add.s32 5, %r2, %r3;", "a register expected for a result"},
		{"add.s32 %r1, %r2, 0x100000000;", "does not fit"},
		{"add.f32 %f1, %f2, 1;", "is no number of type .f32"},
		{"add.f32 %f1, %f2, 0d3FF0000000000000;", "is no number of type .f32"},
		{"mov.f32 %f1, 1.5;", `"1.5" is not a number`},
		{"fma.f32 %f1, %f2, %f3, %f4;", "a rounding expected"},
		{"fma.rz.f16 %h1, %h2, %h3, %h4;", "can be rounded to nearest"},
		{"add.ftz.f64 %fd1, %fd2, %fd3;", ".ftz is not for .f64"},
		{"add.bf16 %h1, %h2, %h3;", "one of .f32, .f64, .f16, .f16x2 expected, found .bf16"},
		{"ex2.f32 %f1, %f2;", "a rounding expected"},
		{"rcp.approx.ftz.f64 %fd1, %fd2;", ".approx is not for .f64||.ftz is not for .f64"},
		{"min.xorsign.abs.f32 %f1, %f2, %f3;", "xorsign"},
		{"setp.lt.b32 %p1, %r1, %r2;", ".lt is no comparison of .b32"},
		{"setp.lo.s32 %p1, %r1, %r2;", ".lo is no comparison of .s32"},
		{"setp.ltu.s32 %p1, %r1, %r2;", ".ltu is no comparison of .s32"},
		{"cvt.s32.f32 %r1, %f1;", "a conversion to an integer needs"},
		{"cvt.f32.s32 %f1, %r1;", "a rounding (.rn, .rz, .rm or .rp) expected"},
		{"cvt.f16.f32 %h1, %f1;", "a rounding"},
		{"cvt.rn.f64.f32 %fd1, %f1;", "no rounding expected"},
		{"cvt.rn.s32.u32 %r1, %r2;", "no rounding expected"},
		{"cvt.rn.satfinite.e4m3x2.f32 %h1, %f1, %f2;", "one of .u8"},
		{"cvt.pack.sat.u16.s32 %r1, %r2, %r3;", "one of .u8"},
		{"cvt.rna.f16.f32 %h1, %f1;", ".rna is for .tf32 alone"},
		{"ld.global.u32 %r1, [%r2];", "cannot hold a global address"},
		{"ld.shared.u32 %r1, [%f1];", "cannot hold a shared address"},
		{"ld.acquire.gpu.global.u32 %r1, [%rd1];", "acquire"},
		{"ld.global.u32 %r1, [%rd1-4];", "an address expected: [name], [name+offset] or [offset]"},
		{"ld.global.v2.u32 %r1, [%rd1];", "a list of 2 registers expected"},
		{"ld.global.v4.f64 {%fd1, %fd2, %fd3, %fd0}, [%rd1];", "more than 16 bytes"},
		{"ld.global.u64 %r1, [%rd1];", "register %r1 is .b32, and .u64 is expected"},
		{"st.const.u32 [%rd1], %r1;", "one of .b8"},
		{"st.param.u32 [out], %r1;", "cannot be written"},
		{"atom.global.add.noftz.bf16 %h1, [%rd1], %h2;", "bf16"},
		{"atom.global.and.u32 %r1, [%rd1], %r2;", "one of .b32, .b64 expected, found .u32"},
		{"atom.acquire.gpu.global.add.u32 %r1, [%rd1], 1;", "acquire"},
		{"cp.async.cg.shared.global [%r1], [%rd1], 8;", "a copy of 8 bytes"},
		{"cp.async.bulk.wait_group 0;", "only .ca, .cg"},
		{"mbarrier.init.shared.b64 [%rd1], 1;", "unknown instruction mbarrier"},
		{"wgmma.fence.sync.aligned;", "unknown instruction wgmma"},
		{"tex.2d.v4.f32.s32 {%f1, %f2, %f3, %f4}, [%rd1, {%r1, %r2}];", "an address expected"},
		{"mma.sync.aligned.m8n8k4.row.col.f32.f16.f16.f32 {%f0}, {%r0}, {%r0}, {%f0};", "one of .m16n8k16"},
		{"mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16 {%r0, %r1}, {%r0, %r1, %r2, %r3}, {%r4, %r5}, {%r6, %r7};", "one of .f32 expected, found .f16"},
		{"mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%r0}, {%r0}, {%r0}, {%r0};", "one of .m16n8k16"},
		{"mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%f0, %f1, %f2}, {%r0, %r1, %r2, %r3}, {%r4, %r5}, {%f0, %f1, %f2, %f3};", "operand 0 must be a list of 4 registers"},
		{"ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%r1}, [%r2];", "a list of 2 registers"},
		{"shfl.up.b32 %r1, %r2, 1, 0;", "one of .sync"},
		{"bra NOWHERE;", "label NOWHERE is not defined"},
		{"bra %r1;", "label %r1 is not defined"},
		{"brx.idx %r1, targets;", "unknown instruction brx"},
		{"@%r1 mov.u32 %r2, 1;", "%r1 is not a predicate register"},
		{"call.uni vprintf, (p);", "not a function that is defined here"},
		{"mov.u64 %rd2, %clock64;", "%clock64 is not declared"},
		{"prmt.b32.f4e %r1, %r2, %r3, %r4;", "modifier .f4e"},
		{".reg .b128 %q;", `unknown register type ".b128"`},
		{".reg .b32 %tid.x;", "PTX defines it"},
		{".reg .b32 %a; .reg .b32 %a;", "already declared"},
		{".section .debug_str { }", `unknown directive ".section"`},
		{"L: mov.u32 %r1, 1; L: mov.u32 %r1, 2;", "label L is already defined"},
		{"mov.u32 %r1 1;", `"," expected, found "1"`},
		{"mov.u32 %r1, #;", `unexpected character '#'`},
		{"/* never ends", "a comment that does not end"},
		{`.pragma "something";`, "unknown pragma"},
		{".shared .align 3 .b8 t[4];", "not a power of 2"},
		{".shared .b8 t[];", "has no size"},
	} {
		_, err := NewDevice(Options{}).Load("test.ptx", snippet(test.body))
		if err == nil {
			t.Errorf("%s is accepted", test.body)
		} else if !saysOne(err.Error(), test.want) || !strings.Contains(err.Error(), "test.ptx") || !strings.Contains(err.Error(), "line ") {
			t.Errorf("%s: the error is %q, and does not say %q", test.body, err, test.want)
		}
	}
}

func TestTextsThatAreNoModulesAreRefused(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"", `".version" expected, found the end of the text`},
		{".version 9.0\n.target sm_80\n.address_size 64\n", "line 1: PTX version 9.0 is not supported"},
		{".version 8.8\n.target sm_90a\n.address_size 64\n", "line 2: target sm_90a is not supported"},
		{".version 8.8\n.target sm_80\n.address_size 32\n", `line 3: "64" expected`},
		{header + ".texref t;\n", `line 4: unknown directive ".texref"`},
		{header + ".entry k() { ret;", "line 4"},
		{header + ".extern .global .u32 elsewhere;\n", "modules are not linked"},
		{header + ".global .u32 a; .global .u32 a;\n", "already defined"},
		{header + ".global .u16 a[2] = {1, 2, 3};\n", "at most 2 numbers"},
		{header + ".const .b8 big[65537];\n", "constant memory has 65536"},
		{header + ".entry k() { ret; }\n.entry k() { ret; }\n", "line 5: function k is already defined at line 4"},
		{header + ".entry k(.param .align 8 .b8 p[5000]) { ret; }\n", "the parameters take 5000 bytes"},
		{header + ".func f() { call.uni f; }\n.entry k() { call.uni f; ret; }\n", "recursion is not supported"},
		{header + ".func f(.param .b32 x) { ret; }\n.entry k() { call.uni f; ret; }\n", "0 results and 1 parameters expected"},
	} {
		if _, err := NewDevice(Options{}).Load("test.ptx", test.text); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: the error is %v, and does not say %q", test.text, err, test.want)
		}
	}
}

func TestEveryOperationHasAForm(t *testing.T) {
	// Those that are tried in snippets.
	tried := map[string]bool{}
	for _, name := range strings.Fields(`ld st prefetch cvta cp atom red bra ret exit trap bar barrier shfl vote match redux activemask ldmatrix mma`) {
		tried[name] = true
	}
	for _, form := range forms {
		for _, part := range strings.Split(form.text, ";") {
			base, _, _ := strings.Cut(strings.TrimSpace(part), ".")
			tried[base] = true
		}
	}
	for name := range operations {
		if !tried[name] {
			t.Errorf("no test runs %s", name)
		}
	}
}

func TestLineNumbersOfTheSourceAndCommentsChangeNothing(t *testing.T) {
	runSnippets(t, []snippetTest{{"comments", `
.file 1 "kernel.cu"
---
.loc 1 5 0
/* over
two lines */ mov.u32 %r1, 3; // to the end
.pragma "nounroll";
.reg.b32 glued, names;
mov.b32 glued, 3;`, 0, constantly(3)}})
}
