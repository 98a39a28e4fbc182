//go:build !noasm

package kernel

import "golang.org/x/sys/cpu"

// native returns the tables in assembly that this processor and operating system run, the fastest last.
func native() []*Set {
	var sets []*Set
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA && cpu.X86.HasBMI2 {
		sets = append(sets, avx2Set())
	}
	if cpu.X86.HasAVX512F && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512VL && cpu.X86.HasBMI2 && cpu.X86.HasFMA {
		sets = append(sets, avx512Set())
	}
	return sets
}

func avx2Set() *Set {
	s := Go()
	s.Name = "avx2"
	s.Gemm, s.GemmScratch = gemmAVX2, gemmScratchAVX2
	s.Attention, s.AttentionGrad, s.AttentionScratch = attentionAVX2, attentionGradAVX2, attentionScratchAVX2
	s.CachedAttention, s.CachedAttentionScratch = cachedAttentionAVX2, cachedAttentionScratchAVX2
	elementwiseAVX2.fill(s)
	return s
}

func avx512Set() *Set {
	s := Go()
	s.Name = "avx512"
	s.Gemm, s.GemmScratch = gemmAVX512, gemmScratchAVX512
	if cpu.X86.HasAVX512BF16 {
		s.GemmBF16, s.GemmBF16Scratch, s.FastBF16 = gemmBF16, gemmScratchBF16, true
	}
	s.Attention, s.AttentionGrad, s.AttentionScratch = attentionAVX512, attentionGradAVX512, attentionScratchAVX512
	s.CachedAttention, s.CachedAttentionScratch = cachedAttentionAVX512, cachedAttentionScratchAVX512
	elementwiseAVX512.fill(s)
	return s
}
