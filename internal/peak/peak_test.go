package peak

import (
	"testing"

	"trainer/internal/cpu/kernel"
)

func TestTheSpeedOfMatrixProductsIsThatOfAProcessor(t *testing.T) {
	// One operation a clock of 100 MHz, and 16 lanes of two fused multiply-adds at 10 GHz.
	const least, most = 1e8, 16 * 2 * 2 * 1e10
	if got := GEMM(1, kernel.Best()); got < least || got > most {
		t.Errorf("GEMM(1, best) = %.3g operations a second, want %.3g to %.3g", got, least, most)
	}
}

func TestTheSpeedOfReadingIsThatOfMemory(t *testing.T) {
	// A byte a clock of 100 MHz, and twelve channels of DDR5-8800, which is more than threads of one processor read.
	const least, most = 1e8, 12 * 8 * 8800e6
	if got := Read(1, kernel.Best()); got < least || got > most {
		t.Errorf("Read(1, best) = %.3g bytes a second, want %.3g to %.3g", got, least, most)
	}
}
