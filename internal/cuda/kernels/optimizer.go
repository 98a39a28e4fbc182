package kernels

// Stretch is a part of a tensor of weights with what belongs to it, all of Count elements. Its layout, 48 bytes, is that of the kernels.
type Stretch struct {
	Weights, Moment1, Moment2 Pointer // float32; SGD reads no moments
	Gradient                  Pointer // float32
	Copy                      Pointer // bfloat16, the weights without gaps, or 0; MatMulBF16 takes them where columns are a multiple of 8
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
// replayed with new ones. Its layout, 28 bytes, is that of the kernels.
type Numbers struct {
	LearningRate, Beta1, Beta2, Epsilon, Correction1, Correction2, GradScale float32
}

// AdamW takes a step (ref.AdamW) on the weights of a table of stretches, with Numbers at numbers.
func AdamW(table, numbers Pointer, stretches int) Launch {
	return overTable("adamw", stretches, table, numbers)
}

// SGD takes a step p ← p - LearningRate·GradScale·g (ref.SGD) on the weights of a table of stretches, with Numbers at numbers.
func SGD(table, numbers Pointer, stretches int) Launch {
	return overTable("sgd", stretches, table, numbers)
}

// SumSquares is dst[b] = Σ g² (ref.SumSquares) over the gradient of stretch b: dst [stretches].
func SumSquares(dst, table Pointer, stretches int) Launch {
	return overTable("sum_squares", stretches, dst, table)
}

func overTable(kernel string, stretches int, args ...any) Launch {
	return Launch{Source: "optimizer", Kernel: kernel, Grid: grid(stretches, 1), Block: 256, Args: args}
}
