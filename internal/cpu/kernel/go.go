package kernel

import "trainer/internal/ref"

// goSet is the table in plain Go: the arithmetic of package ref, but for the kernels whose cost decides a step.
var goSet = Set{
	Name:             "go",
	Precision:        "f32",
	Gemm:             gemmGo,
	GemmScratch:      gemmScratchGo,
	GemmBF16:         gemmBF16Go,
	GemmBF16Scratch:  gemmScratchBF16Go,
	Attention:        attentionGo,
	AttentionGrad:    attentionGradGo,
	AttentionScratch: attentionScratchGo,
	CachedAttention:  cachedAttentionGo,

	CachedAttentionScratch: cachedAttentionScratchGo,

	LayerNorm:        layerNormGo,
	LayerNormGrad:    layerNormGradGo,
	RMSNorm:          rmsNormGo,
	RMSNormGrad:      rmsNormGradGo,
	SumRows:          sumRowsGo,
	GELU:             ref.GELU[float32],
	GELUGrad:         ref.GELUGrad[float32],
	SwiGLU:           ref.SwiGLU[float32],
	SwiGLUGrad:       ref.SwiGLUGrad[float32],
	Add:              ref.Add[float32],
	Scale:            ref.Scale[float32],
	Dot:              ref.Dot[float32],
	SumSquares:       ref.SumSquares[float32],
	Gather:           ref.Gather[float32],
	ScatterAdd:       scatterAddGo,
	Dropout:          ref.Dropout[float32],
	Rotary:           rotaryGo,
	CrossEntropy:     ref.CrossEntropy[float32],
	CrossEntropyGrad: ref.CrossEntropyGrad[float32],
	AdamW:            func(a *ref.AdamW, p, m, v, g []float32) { a.Update(p, m, v, g) },
	SGD:              ref.SGD,
}

// Go returns the table in plain Go, which runs everywhere.
func Go() *Set { s := goSet; return &s }
