package model

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gorgonia.org/gorgonia"

	"trainer/internal/fault"
	"trainer/internal/spelling"
)

// tap is a node of a Graph that has a name.
type tap struct {
	name string
	node *gorgonia.Node
	rows tapRows
}

// tapRows says what the rows of a node are.
type tapRows int

const (
	rowsTokens tapRows = iota // the tokens of the batch
	rowsWanted                // those of them that a prediction is wanted of
	rowsNone                  // a scalar
)

// tap gives the node a name.
func (b *builder) tap(name string, n *gorgonia.Node) *gorgonia.Node {
	b.graph.taps = append(b.graph.taps, tap{name, n, b.rows})
	return n
}

// blockTap is what the names of the taps of a layer begin with; people count blocks from 1.
func blockTap(layer int) string { return fmt.Sprintf("block %d/", layer+1) }

// Names of taps, for Executor.Trace.
const (
	TapEmbeddings = "embeddings" // [N, C]
	TapPositions  = "positions"  // [N, C], unless positions are rotary
	TapInput      = "input"      // [N, C] the residual stream ahead of the first block: the sum of these
	TapLogits     = "logits"     // [R, V]
	TapLoss       = "loss"       // scalar
)

// TapQKV, TapAttentionOut, TapMLPOut and TapResidual are the names of what a layer, from 0, has computed: the queries, keys and values of its
// heads, rotated where positions are rotary; what its two branches add to the residual stream; and the residual stream behind it.
func TapQKV(layer int) string          { return blockTap(layer) + "attention/qkv" }
func TapAttentionOut(layer int) string { return blockTap(layer) + "attention/out" }
func TapMLPOut(layer int) string       { return blockTap(layer) + "mlp/out" }
func TapResidual(layer int) string     { return blockTap(layer) + "residual" }

// gradientOf is what the name of the gradient of a tap or parameter begins with.
const gradientOf = "gradient of "

// GradientOf is the name of the loss's gradient by a tap or parameter.
func GradientOf(name string) string { return gradientOf + name }

// Taps lists the names of the values that Executor.Trace reads besides the parameters', in the order in which they are computed. N are the
// tokens, R the rows that a prediction is wanted of; of the last block what comes behind its attention has only the latter:
//
//	embeddings, positions, input        [N, C]  rows of the two tables (rotary positions have none), and their sum
//	block 1/attention/norm              [N, C]
//	block 1/attention/qkv               [N, (H + 2·K)·D]  queries of all H heads, keys and values of K, rotated where positions are rotary
//	block 1/attention/heads             [N, C]  what each head has read, side by side
//	block 1/attention/out               [N, C]  their projection, which is added to the residual stream
//	block 1/attention/residual          [N, C]  that sum
//	block 1/mlp/norm, in, activation    [N, C], [N, MLP inputs], [N, MLP width]
//	block 1/mlp/out                     [N, C]  what the MLP adds to the residual stream
//	block 1/residual                    [N, C]  that sum
//	norm, logits                        [R, C], [R, V]
//	nll, hits, loss                     [R], [R], scalar
func (m *Model) Taps() []string {
	g, err := sketch(m.Config).Graph(Shape{Rows: 1, Sequences: 1})
	if err != nil {
		panic(fmt.Sprintf("model: the graph of %+v: %v", m.Config, err)) // its configuration is valid
	}
	var names []string
	for _, t := range g.taps {
		names = append(names, t.name)
	}
	return names
}

// tap finds the tap of a name. Parameters are taps too, whose rows are their own.
func (g *Graph) tap(name string) (tap, error) {
	if i := slices.IndexFunc(g.taps, func(t tap) bool { return t.name == name }); i >= 0 {
		return g.taps[i], nil
	}
	if i := slices.IndexFunc(g.Parameters, func(n *gorgonia.Node) bool { return n.Name() == name }); i >= 0 {
		return tap{name, g.Parameters[i], rowsNone}, nil
	}
	var names []string
	for _, t := range g.taps {
		names = append(names, t.name)
	}
	for _, n := range g.Parameters {
		names = append(names, n.Name())
	}
	return tap{}, fault.Usagef("the model computes no value %q: %s", name, meant(name, names))
}

// meant lists the names that may have been meant.
func meant(name string, names []string) string {
	const most = 3
	var like []string
	if nearest := spelling.Nearest(name, names); nearest != "" {
		like = append(like, strconv.Quote(nearest))
	}
	// A part of a name, such as "qkv", is a way to ask too.
	last := name[strings.LastIndex(name, "/")+1:]
	for _, n := range names {
		if len(like) < most && last != "" && strings.HasSuffix(n, last) && !slices.Contains(like, strconv.Quote(n)) {
			like = append(like, strconv.Quote(n))
		}
	}
	if len(like) == 0 {
		return fmt.Sprintf("expected one of Model.Taps, such as %q, or of Model.Parameters", names[0])
	}
	return fmt.Sprintf("did you mean %s? Model.Taps and Model.Parameters have them all", strings.Join(like, " or "))
}
