package kernels

import "fmt"

// CrossEntropy weighs each row of logits [rows, vocab] against its target (ref.CrossEntropy): nll, lse, hit and targets are [rows].
func CrossEntropy(nll, lse, hit Pointer, logits Floats, targets Pointer, rows, vocab int) Launch {
	return crossEntropy("", rows, vocab, logits, nll, lse, hit, logits.At, targets, int32(vocab))
}

// CrossEntropyGrad computes dlogits [rows, vocab] (ref.CrossEntropyGrad) from the lse [rows] of CrossEntropy and dnll [rows]; dlogits
// has the type of logits and may be logits.
func CrossEntropyGrad(dlogits, logits Floats, lse, dnll, targets Pointer, rows, vocab int) Launch {
	sameType("CrossEntropyGrad", dlogits, logits)
	return crossEntropy("grad_", rows, vocab, logits, dlogits.At, logits.At, lse, dnll, targets, int32(vocab))
}

// CrossEntropyWithGrad is CrossEntropy and CrossEntropyGrad in one, which reads the logits once: dlogits may be logits.
func CrossEntropyWithGrad(nll, lse, hit Pointer, dlogits, logits Floats, dnll, targets Pointer, rows, vocab int) Launch {
	sameType("CrossEntropyWithGrad", dlogits, logits)
	// What is kept of a row in shared memory ends with a whole piece. A block of any GPU since capability 8.0 has 99 KiB, of which the
	// kernel takes 384 bytes for itself: a row in bfloat16 of GPT-2's 50257 logits fits.
	const room = 99<<10 - 384
	size := logits.size()
	piece := crossEntropyPiece(logits, vocab)
	kept := min(vocab, room/size) / piece * piece
	l := crossEntropy("with_grad_", rows, vocab, logits, nll, lse, hit, dlogits.At, logits.At, dnll, targets, int32(vocab), int32(kept))
	l.Shared = kept * size
	return l
}

// crossEntropyPiece is how many logits a thread reads at a time.
func crossEntropyPiece(logits Floats, vocab int) int {
	switch {
	case logits.BF16:
		return 8
	case vocab%4 == 0:
		return 4
	}
	return 1
}

func crossEntropy(kernel string, rows, vocab int, logits Floats, args ...any) Launch {
	form := ""
	piece := crossEntropyPiece(logits, vocab)
	if piece == 1 {
		form = "_any"
	}
	return Launch{
		Source: "cross_entropy", Kernel: "cross_entropy_" + kernel + logits.name() + form, Grid: grid(rows, 1),
		Block: min(ceilDiv(vocab, 32*piece)*32, 1024), Args: args,
	}
}

// sameType panics where a kernel that does not convert is asked to.
func sameType(kernel string, dst, src Floats) {
	if dst.BF16 != src.BF16 {
		panic(fmt.Sprintf("kernels.%s: from %s to %s: both must be of one type", kernel, src.name(), dst.name()))
	}
}
