package findings

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/mat"

	"trainer/internal/arithmetic"
	"trainer/internal/floor/api"
	"trainer/internal/ref"
)

// Numbers are the embeddings of the words for numbers.
type Numbers struct {
	Words      []string        `json:"words"`
	Values     []int           `json:"values"`
	PCA        [][2]api.Number `json:"pca"`        // of each word: where it lies along the two directions in which the embeddings differ the most
	Explained  [2]api.Number   `json:"explained"`  // share of the variance along each
	Similarity [][]api.Number  `json:"similarity"` // cosines
	Spearman   api.Number      `json:"spearman"`   // rank correlation of distance, 1 - cosine, with the difference in value, over all pairs
	Pearson    api.Number      `json:"pearson"`    // linear correlation of the two
	Axis       api.Number      `json:"axis"`       // rank correlation of value and place along the first direction, without its sign
}

// Neighbour is a token with those whose embeddings are most like its own.
type Neighbour struct {
	Token   string   `json:"token"`
	Nearest []Nearby `json:"nearest"`
}

// Nearby is a token with the cosine of the angle to another.
type Nearby struct {
	Text   string     `json:"text"`
	Cosine api.Number `json:"cosine"`
}

// numbersThreshold is the correlation from which on the order of numbers shows: of random embeddings of 28 words it is within 0.1 of 0.
const numbersThreshold = 0.3

func (l *lab) numbers(f *Findings) error {
	n := &Numbers{}
	var rows [][]float64
	for v := range arithmetic.MaxOperand + 1 {
		word := arithmetic.Number(v)
		if id, ok := l.Tokenizer.ID(word); ok && !strings.Contains(word, " ") {
			n.Words, n.Values = append(n.Words, word), append(n.Values, v)
			row := make([]float64, l.Model.Config.Width)
			for i, x := range l.embedding(id) {
				row[i] = float64(x)
			}
			rows = append(rows, row)
		}
	}
	const fewest = 4
	if len(rows) < fewest {
		f.skip("numbers", fmt.Sprintf("the vocabulary has %d words for numbers: expected %d or more", len(rows), fewest))
		f.Neighbours = l.neighbours()
		return nil
	}
	n.Similarity = make([][]api.Number, len(rows))
	var distances, differences []float64
	for i, x := range rows {
		for j, y := range rows {
			c := cosine(x, y)
			n.Similarity[i] = append(n.Similarity[i], api.Number(c))
			if j < i {
				distances = append(distances, 1-c)
				differences = append(differences, math.Abs(float64(n.Values[i]-n.Values[j])))
			}
		}
	}
	n.Spearman, n.Pearson = api.Number(spearman(distances, differences)), api.Number(pearson(distances, differences))
	var err error
	if n.PCA, n.Explained, err = principal(rows); err != nil {
		return err
	}
	first, values := make([]float64, len(rows)), make([]float64, len(rows))
	for i := range rows {
		first[i], values[i] = float64(n.PCA[i][0]), float64(n.Values[i])
	}
	n.Axis = api.Number(math.Abs(spearman(first, values)))
	f.Numbers = n
	f.claim(Claim{
		ID: "numbers", Claim: "The words for small numbers lie near each other, and far from those for large ones.",
		Measure: "Rank correlation (Spearman) of the distance between two embeddings, 1 - cosine, with the difference of the numbers, over all " +
			"pairs of words for numbers.",
		Value: n.Spearman, Threshold: numbersThreshold,
		Says: fmt.Sprintf("Over %d pairs of %d words, distance and difference correlate by %+.2f. The direction in which the embeddings differ the most "+
			"has %s of their variance, and its order is that of the numbers by %.2f.",
			len(distances), len(rows), float64(n.Spearman), percent(n.Explained[0]), float64(n.Axis)),
	})
	return nil
}

// embedding is the row [C] of a token in the table of embeddings, the first parameter.
func (l *lab) embedding(id int32) []float32 {
	p := &l.Model.Parameters[0]
	return p.Value[int(id)*p.Shape[1]:][:p.Shape[1]]
}

// neighbours looks at the first tokens of a text that are different.
func (l *lab) neighbours() []Neighbour {
	const tokens, nearest = 12, 5
	var list []Neighbour
	seen := make(map[int32]bool)
	read := l.passage
	for i := range l.questions {
		read = append(read, l.questions[i].IDs...)
	}
	for _, id := range read {
		if seen[id] || len(list) == tokens {
			continue
		}
		seen[id] = true
		n := Neighbour{Token: l.Tokenizer.Token(id)}
		own := l.embedding(id)
		for other := range int32(l.Model.Config.VocabSize) {
			if other != id {
				n.Nearest = append(n.Nearest, Nearby{l.Tokenizer.Token(other), api.Number(cosine(own, l.embedding(other)))})
			}
		}
		slices.SortStableFunc(n.Nearest, func(a, b Nearby) int { return cmp.Compare(b.Cosine, a.Cosine) })
		n.Nearest = slices.Clone(n.Nearest[:min(nearest, len(n.Nearest))])
		list = append(list, n)
	}
	return list
}

// cosine is x·y / (|x|·|y|) of vectors x, y [C], 0 where either is zero.
func cosine[F ref.Float](x, y []F) float64 {
	size := math.Sqrt(ref.SumSquares(x) * ref.SumSquares(y))
	if size == 0 {
		return 0
	}
	return float64(ref.Dot(x, y)) / size
}

// principal projects rows on their first two principal components, which are the eigenvectors of the Gram matrix of the centred rows, times the
// root of its eigenvalue (Jolliffe 2002, section 3.5). Of each the word of the largest number lies on the positive side.
func principal(rows [][]float64) (places [][2]api.Number, explained [2]api.Number, err error) {
	n, width := len(rows), len(rows[0])
	centred := make([][]float64, n)
	for i := range centred {
		centred[i] = slices.Clone(rows[i])
	}
	for j := range width {
		mean := 0.0
		for i := range n {
			mean += rows[i][j] / float64(n)
		}
		for i := range n {
			centred[i][j] -= mean
		}
	}
	gram := mat.NewSymDense(n, nil)
	for i := range n {
		for j := i; j < n; j++ {
			gram.SetSym(i, j, ref.Dot(centred[i], centred[j]))
		}
	}
	var e mat.EigenSym
	if !e.Factorize(gram, true) {
		return nil, explained, fmt.Errorf("the principal components of %d embeddings do not converge", n)
	}
	values := e.Values(nil) // ascending
	var vectors mat.Dense
	e.VectorsTo(&vectors)
	places = make([][2]api.Number, n)
	trace := mat.Trace(gram)
	for k := range 2 {
		column := n - 1 - k
		scale := math.Copysign(math.Sqrt(max(0, values[column])), vectors.At(n-1, column))
		for i := range n {
			places[i][k] = api.Number(scale * vectors.At(i, column))
		}
		if trace > 0 {
			explained[k] = api.Number(values[column] / trace)
		}
	}
	return places, explained, nil
}
