package kernels

// CrossEntropy weighs each row of logits [rows, vocab] against its target (ref.CrossEntropy): nll, lse, hit and targets are [rows].
func CrossEntropy(nll, lse, hit, logits, targets Pointer, rows, vocab int) Launch {
	return Launch{
		Source: "cross_entropy", Kernel: "cross_entropy", Grid: grid(rows, 1), Block: 256,
		Args: []any{nll, lse, hit, logits, targets, int32(vocab)},
	}
}

// CrossEntropyGrad computes dlogits [rows, vocab] (ref.CrossEntropyGrad) from the lse [rows] of CrossEntropy and dnll [rows]; dlogits
// may be logits.
func CrossEntropyGrad(dlogits, logits, lse, dnll, targets Pointer, rows, vocab int) Launch {
	return Launch{
		Source: "cross_entropy", Kernel: "cross_entropy_grad", Grid: grid(rows, 1), Block: 256,
		Args: []any{dlogits, logits, lse, dnll, targets, int32(vocab)},
	}
}
