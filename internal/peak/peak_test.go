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
