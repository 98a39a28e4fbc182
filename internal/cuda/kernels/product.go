package kernels

// Product is the shape of a matrix product: op(a) [M, K] times op(b) [K, N], where op(a) is a [M, K] or with TransA the transpose of
// a [K, M], and op(b) likewise.
type Product struct {
	M, N, K        int
	TransA, TransB bool
}

// suffix names the transpositions as kernels do: n or t for a, then for b.
func (p Product) suffix() string {
	letter := map[bool]string{false: "n", true: "t"}
	return letter[p.TransA] + letter[p.TransB]
}

// largeTileBlocks is the number of blocks from which on the product is made in tiles of 128 x 128, which read memory half as often as those
// of 64 x 64: a GPU of some hundred multiprocessors is then busy with them.
const largeTileBlocks = 128

// tile is the side of the tiles of c that blocks make.
func (p Product) tile() int {
	const large, small = 128, 64
	if ceilDiv(p.M, large)*ceilDiv(p.N, large) < largeTileBlocks {
		return small
	}
	return large
}
