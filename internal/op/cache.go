package op

import (
	"fmt"

	"gorgonia.org/tensor"

	"trainer/internal/ref"
)

// Generation keeps the keys and values of the tokens it has seen. A cache of them is a matrix [2·KVHeads·L, D]: for each head of keys,
// then for each head of values, a row at each of L places. Which places a sequence has is the caller's choice; they follow each other.

// Append is a cache [2·KVHeads·L, D] with the keys and values of rows of qkv [N, (Heads + 2·KVHeads)·D] written at the given places [N]
// (see ref.Append). Rows with a negative place are left out; no place occurs twice. On our VMs the result lives in the memory of the cache,
// see Updates.
type Append struct{ Heads, KVHeads int }

func (Append) signature() signature {
	return signature{in: []value{floats(2), floats(2), ints(1)}, out: floats(2)}
}

func (k Append) shape(in []tensor.Shape) (tensor.Shape, error) {
	if err := checkCache(in, 1, 0, k.Heads, k.KVHeads); err != nil {
		return nil, err
	}
	if in[2][0] != in[1][0] {
		return nil, mismatch("a place for each row of qkv", in...)
	}
	return in[0].Clone(), nil
}

func (k Append) compute(out []float64, in operands) {
	copy(out, in.floats[0])
	ref.Append(out, in.floats[1], in.ints[2], k.Heads, k.KVHeads, in.shapes[0][1], Places(in.shapes[0], k.KVHeads))
}

func (Append) updates() int { return 0 }

// Places is the number L of places of a cache [2·kvHeads·L, D].
func Places(cache tensor.Shape, kvHeads int) int { return cache[0] / (2 * kvHeads) }

// CachedAttention is causal attention of the latest tokens of sequences with all that the sequences have in a cache (see
// ref.CachedAttention): one token each where texts are continued, many where a prompt is read, or a part of it. Inputs: qkv
// [N, (Heads + 2·KVHeads)·D], of which the queries are read, the cache [2·KVHeads·L, D] with these tokens in it, and of each sequence the
// offsets [S+1] of its rows, the first place starts [S] and the number of tokens lengths [S], at most Context. The result is
// [N, Heads·D].
type CachedAttention struct{ Heads, KVHeads, Context int }

func (CachedAttention) signature() signature {
	return signature{in: []value{floats(2), floats(2), ints(1), ints(1), ints(1)}, out: floats(2)}
}

func (k CachedAttention) shape(in []tensor.Shape) (tensor.Shape, error) {
	if err := checkCache(in, 0, 1, k.Heads, k.KVHeads); err != nil {
		return nil, err
	}
	if in[3][0] != in[4][0] || in[2][0] != in[3][0]+1 {
		return nil, mismatch("offsets [S+1], starts [S] and lengths [S]", in...)
	}
	return tensor.Shape{in[0][0], k.Heads * in[1][1]}, nil
}

func (k CachedAttention) compute(out []float64, in operands) {
	ref.CachedAttention(out, in.floats[0], in.floats[1], in.ints[2], in.ints[3], in.ints[4],
		in.shapes[0][0], k.Heads, k.KVHeads, in.shapes[1][1], Places(in.shapes[1], k.KVHeads))
}

// checkCache returns an error where a cache, an input, does not take the keys and values of qkv, another.
func checkCache(in []tensor.Shape, qkv, cache, heads, kvHeads int) error {
	if kvHeads < 1 || heads%kvHeads != 0 {
		return mismatch(fmt.Sprintf("KVHeads to be a divisor of the %d heads of queries", heads), in...)
	}
	if in[cache][0]%(2*kvHeads) != 0 || in[qkv][1] != qkvHeads(heads, kvHeads)*in[cache][1] {
		return mismatch(fmt.Sprintf("qkv [N, %d·D] and a cache [%d·L, D]", qkvHeads(heads, kvHeads), 2*kvHeads), in...)
	}
	return nil
}
