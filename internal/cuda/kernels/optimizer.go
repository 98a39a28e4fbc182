package kernels

// Stretch is a part of a tensor of weights with what belongs to it, all of Count elements. Its layout, 48 bytes, is that of the kernels.
type Stretch struct {
	Weights, Moment1, Moment2 Pointer // float32; SGD reads no moments
	Gradient                  Pointer // float32
	Copy                      Pointer // bfloat16, without gaps, or 0: only where columns are a multiple of 8; ToBF16 copies other matrices
	Count                     int32
	WeightDecay               float32
}

// stretchCount is the most elements of a stretch, 16 a thread.
const stretchCount = 16 * 256

// Stretches divides a tensor, given as one long Stretch of n elements, for a block of threads each.
func Stretches(tensor Stretch, n int) []Stretch {
	var table []Stretch
	for start := 0; start < n; start += stretchCount {
		s := tensor
		for _, p := range []*Pointer{&s.Weights, &s.Moment1, &s.Moment2, &s.Gradient} {
			if *p != 0 {
				*p += Pointer(4 * start)
			}
		}
		if s.Copy != 0 {
			s.Copy += Pointer(2 * start)
		}
		s.Count = int32(min(stretchCount, n-start))
		table = append(table, s)
	}
	return table
}

// Numbers are those of one step of an optimizer, named as in ref.AdamW. They lie in device memory, so that a captured launch can be
// replayed with new ones. Its layout, 32 bytes, is that of the kernels.
type Numbers struct {
	LearningRate, Beta1, Beta2, Epsilon, Correction1, Correction2 float32
	Clip                                                          float32 // the largest norm of the gradient; 0 is no limit
	Step                                                          int32   // from 1
}

// Outcome is what became of a step, written by JudgeStep. Its layout, 16 bytes, is that of the kernels.
type Outcome struct {
	Norm      float64 // of the gradient, before it is clipped
	GradScale float32 // what the gradient is multiplied by, at most 1
	// Failed is the Step of the first step whose loss or norm was not finite, or 0. While it is not 0, steps change neither weights nor
	// moments nor copies. The host sets it to 0 before the first step; no kernel does.
	Failed int32
}

// SumSquares is dst[b] = Σ g² (ref.SumSquares) over the gradient of stretch b: dst [stretches]. Those of a tensor add up to its share of the
// blame.
func SumSquares(dst, table Pointer, stretches int) Launch {
	return overTable("sum_squares", stretches, dst, table)
}

// JudgeStep fills in the Outcome at outcome from the squares [stretches] of SumSquares, the loss, a float32, or 0, and the Numbers at
// numbers.
func JudgeStep(outcome, squares, loss, numbers Pointer, stretches int) Launch {
	return Launch{
		Source: "optimizer", Kernel: "judge_step", Grid: grid(1, 1), Block: 512,
		Args: []any{outcome, squares, loss, numbers, int32(stretches)},
	}
}

// AdamW takes a step (ref.AdamW) on the weights of a table of stretches, with the Numbers and the Outcome of JudgeStep.
func AdamW(table, numbers, outcome Pointer, stretches int) Launch {
	return overTable("adamw", stretches, table, numbers, outcome)
}

// SGD takes a step p ← p - LearningRate·GradScale·g (ref.SGD) on the weights of a table of stretches, with the Numbers and the Outcome
// of JudgeStep.
func SGD(table, numbers, outcome Pointer, stretches int) Launch {
	return overTable("sgd", stretches, table, numbers, outcome)
}

func overTable(kernel string, stretches int, args ...any) Launch {
	return Launch{Source: "optimizer", Kernel: kernel, Grid: grid(stretches, 1), Block: 256, Args: args}
}
