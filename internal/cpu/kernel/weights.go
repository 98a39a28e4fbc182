package kernel

import (
	"fmt"
	"math"
)

// WeightType is how Weights are stored.
type WeightType int

const (
	BF16 WeightType = iota // rounded to bfloat16: 2 bytes a weight
	Int8                   // an integer of -127 to 127 times the scale of a block of weightBlock of a column: 1 + 4/weightBlock bytes
)

func (t WeightType) String() string { return [...]string{"bf16", "int8"}[t] }

// Weights is a matrix op(B) [K, N] of a product in fewer bits, for products that read it again and again. It is packed as panels of WeightPanel
// columns, the last one filled up with zeros, each of them [K, WeightPanel] in one piece of memory, which a product of few rows reads from
// end to end. Integers of a row of a panel are in the order of the columns; for bfloat16 see bf16At.
type Weights struct {
	Type   WeightType
	K, N   int
	panels []byte
	scales []float32 // of Int8: [panels, blocks of K, WeightPanel]
}

// WeightPanel is the number of columns of a panel, whose weights an AVX-512 tile of four vectors takes: a row of a panel of Int8 is a cache line.
const WeightPanel = 64

// wholePanels rounds a number of columns up.
func wholePanels(n int) int { return ceilDiv(n, WeightPanel) * WeightPanel }

// weightBlock is the number of weights of a column that share a scale. Perplexity does not tell 32 from a whole column (docs/log.md); blocks keep
// a weight that is far larger than others from taking their bits, and cost 3 % of the memory.
const weightBlock = 128

// NewWeights returns room for a matrix [K, N], which Pack fills.
func NewWeights(t WeightType, k, n int) *Weights {
	w := &Weights{Type: t, K: k, N: n}
	w.panels = make([]byte, w.Panels()*w.panelBytes())
	w.scales = make([]float32, w.Panels()*w.panelScales())
	return w
}

// Panels is the number of panels.
func (w *Weights) Panels() int { return ceilDiv(w.N, WeightPanel) }

// Bytes is the memory that the matrix takes.
func (w *Weights) Bytes() int { return len(w.panels) + 4*len(w.scales) }

// rowBytes is the size of a row of a panel.
func (w *Weights) rowBytes() int {
	if w.Type == BF16 {
		return 2 * WeightPanel
	}
	return WeightPanel
}

func (w *Weights) panelBytes() int { return w.K * w.rowBytes() }

func (w *Weights) panelScales() int {
	if w.Type == BF16 {
		return 0
	}
	return ceilDiv(w.K, weightBlock) * WeightPanel
}

// Columns returns the columns lo to hi, which are whole panels, in the same memory.
func (w *Weights) Columns(lo, hi int) *Weights {
	if lo%WeightPanel != 0 && lo != w.N || hi%WeightPanel != 0 && hi != w.N || lo > hi || hi > w.N {
		panic(fmt.Sprintf("kernel: columns %d to %d of weights [%d, %d] are not panels of %d", lo, hi, w.K, w.N, WeightPanel))
	}
	part, first, end := *w, ceilDiv(lo, WeightPanel), ceilDiv(hi, WeightPanel)
	part.N = hi - lo
	part.panels = w.panels[first*w.panelBytes() : end*w.panelBytes()]
	part.scales = w.scales[first*w.panelScales() : end*w.panelScales()]
	return &part
}

// panel returns the rows from k on of the panel that begins with column j, and with Int8 their scales. k is a multiple of weightBlock.
func (w *Weights) panel(j, k int) (rows []byte, scales []float32) {
	j /= WeightPanel
	rows = w.panels[j*w.panelBytes() : (j+1)*w.panelBytes()][k*w.rowBytes():]
	scales = w.scales[j*w.panelScales() : (j+1)*w.panelScales()]
	return rows, scales[min(k/weightBlock*WeightPanel, len(scales)):]
}

// Pack stores the panels lo to hi of op(B), of which b is [K, N], or with trans [N, K], row-major without gaps. A block of Int8 with a number
// that is not finite becomes NaN, so that products with it show that the model is broken.
func (w *Weights) Pack(b []float32, trans bool, lo, hi int) {
	if len(b) != w.K*w.N {
		panic(fmt.Sprintf("kernel: %d weights for a matrix [%d, %d]", len(b), w.K, w.N))
	}
	for panel := lo; panel < hi; panel++ {
		for k := 0; k < w.K; k += weightBlock {
			w.packBlock(b, trans, panel*WeightPanel, k)
		}
	}
}

// packBlock stores a block of a panel, from column j and row k on.
func (w *Weights) packBlock(b []float32, trans bool, j, k int) {
	var block [weightBlock][WeightPanel]float32
	depth, columns := min(weightBlock, w.K-k), min(WeightPanel, w.N-j)
	for p := range depth {
		for i := range columns {
			if trans {
				block[p][i] = b[(j+i)*w.K+k+p]
			} else {
				block[p][i] = b[(k+p)*w.N+j+i]
			}
		}
	}
	rows, scales := w.panel(j, k)
	if w.Type == BF16 {
		for p := range depth {
			for i, x := range block[p] {
				at, bits := bf16At(p, i), toBF16(x)
				rows[at], rows[at+1] = byte(bits), byte(bits>>8)
			}
		}
		return
	}
	var largest, steps [WeightPanel]float64
	for p := range depth {
		for i, x := range block[p] {
			largest[i] = max(largest[i], math.Abs(float64(x))) // which NaN outlives
		}
	}
	for i, x := range largest {
		scales[i] = float32(x / 127)
		steps[i] = 1 / float64(scales[i])
		if math.IsInf(x, 0) {
			scales[i] = float32(math.NaN())
		}
	}
	for p := range depth {
		for i, x := range block[p] {
			rows[p*WeightPanel+i] = byte(toInt8(float64(x) * steps[i]))
		}
	}
}

// toInt8 rounds to the nearest integer, ties to even. What is no number is 0, times a scale that is NaN; what is too large comes from a scale
// that has no bits left.
func toInt8(x float64) int8 {
	if x != x {
		return 0
	}
	return int8(max(-127, min(math.RoundToEven(x), 127)))
}

// bf16At is where the two bytes of a bfloat16 in row k and column j of a panel begin. Columns 16 apart share a word, so that a vector of
// words becomes those of 16 columns and of the next 16 by a shift and a mask.
func bf16At(k, j int) int {
	word, upper := j/32*16+j%16, j/16%2
	return 2 * (k*WeightPanel + 2*word + upper)
}

// widenGo stores a row of a panel as floats. It is what the kernels do on the way from memory to the multiply-adds.
func (w *Weights) widenGo(dst *[WeightPanel]float32, row []byte, scales []float32) {
	for j := range dst {
		if w.Type == BF16 {
			at := bf16At(0, j)
			dst[j] = math.Float32frombits(uint32(row[at])<<16 | uint32(row[at+1])<<24)
		} else {
			dst[j] = float32(int8(row[j])) * scales[j]
		}
	}
}
