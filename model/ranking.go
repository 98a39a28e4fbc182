package model

import (
	"math"
	"slices"
)

// ranking is the order in which a model finds tokens likely, the likeliest first and of equals the one with the lower id. To sort a
// vocabulary of 50,000 tokens takes longer than a small model takes to decode one, and what is asked for are a few tokens or a sum up to
// one of them: quickselect (Hoare 1961) sorts only around that place.
type ranking struct {
	logits    []float32 // by token
	weights   []float64 // by token, relative to the likeliest: exp(logit - largest logit)
	sum       float64   // of weights
	likeliest int32

	tokens []int32   // for everyToken
	heated []float64 // for tempered
}

// read takes the logits [V] of a position, which stay as they are until the next read. The error says that they are not numbers.
func (r *ranking) read(logits []float32) error {
	r.logits, r.likeliest = logits, 0
	for i, v := range logits {
		if v > logits[r.likeliest] {
			r.likeliest = int32(i)
		}
	}
	r.weights = slices.Grow(r.weights[:0], len(logits))[:len(logits)]
	r.sum = exponentials(r.weights, logits, float64(logits[r.likeliest]), 1)
	if math.IsNaN(r.sum) {
		return ErrNotNumbers
	}
	return nil
}

// candidate is a token with its probability.
func (r *ranking) candidate(token int32) Candidate { return Candidate{token, r.weights[token] / r.sum} }

// choice is a token with the likeliest n beside it.
func (r *ranking) choice(token int32, n int) Choice {
	c := Choice{Candidate: r.candidate(token)}
	if n == 0 {
		return c
	}
	tokens := r.everyToken()
	tokens = tokens[:r.first(tokens, min(n, len(tokens)))]
	slices.SortFunc(tokens, r.compare)
	for _, t := range tokens {
		c.Top = append(c.Top, r.candidate(t))
	}
	return c
}

// everyToken lists the vocabulary.
func (r *ranking) everyToken() []int32 {
	r.tokens = slices.Grow(r.tokens[:0], len(r.weights))[:len(r.weights)]
	for i := range r.tokens {
		r.tokens[i] = int32(i)
	}
	return r.tokens
}

// before says that token a ranks before token b.
func (r *ranking) before(a, b int32) bool {
	wa, wb := r.weights[a], r.weights[b]
	return wa > wb || wa == wb && a < b
}

func (r *ranking) compare(a, b int32) int {
	if r.before(a, b) {
		return -1
	}
	return 1
}

// tempered returns the weights at a temperature, by token.
func (r *ranking) tempered(temperature float64) []float64 {
	if temperature == 1 {
		return r.weights
	}
	r.heated = slices.Grow(r.heated[:0], len(r.logits))[:len(r.logits)]
	exponentials(r.heated, r.logits, float64(r.logits[r.likeliest]), 1/temperature)
	return r.heated
}

func sumOf(weights []float64, tokens []int32) (sum float64) {
	for _, t := range tokens {
		sum += weights[t]
	}
	return sum
}

// first moves the first n tokens by rank to the front and returns n.
func (r *ranking) first(tokens []int32, n int) int {
	return r.selectBy(tokens, func(int32) float64 { return 1 }, float64(n)-0.5)
}

// reaches moves the fewest tokens by rank whose weights come to more than a sum to the front, the last of them behind the others, and
// returns how many they are: all where they do not come to it.
func (r *ranking) reaches(tokens []int32, weights []float64, sum float64) int {
	return r.selectBy(tokens, func(t int32) float64 { return weights[t] }, sum)
}

// atLeast moves the tokens of at least a weight to the front and returns how many they are; the likeliest always is.
func (r *ranking) atLeast(tokens []int32, weights []float64, least float64) int {
	n := 0
	for i, t := range tokens {
		if weights[t] >= least || t == r.likeliest {
			tokens[i], tokens[n] = tokens[n], t
			n++
		}
	}
	return n
}

// few is how many tokens are sorted rather than divided: about where quickselect stops gaining.
const few = 32

// selectBy is quickselect by a running sum: it moves the tokens by rank up to the first at which the sum of their amounts exceeds a goal to
// the front, that one behind the others, and returns how many they are, all where the goal is not exceeded.
func (r *ranking) selectBy(tokens []int32, amount func(token int32) float64, goal float64) int {
	lo, hi := 0, len(tokens)
	for hi-lo > few {
		middle := lo + r.divide(tokens[lo:hi])
		var sum float64
		for _, t := range tokens[lo:middle] {
			sum += amount(t)
		}
		if sum > goal {
			hi = middle
		} else {
			goal -= sum
			lo = middle
		}
	}
	slices.SortFunc(tokens[lo:hi], r.compare)
	for i, t := range tokens[lo:hi] {
		if goal -= amount(t); goal < 0 {
			return lo + i + 1
		}
	}
	return hi
}

// divide moves the tokens that rank before one of them to the front and returns their number, which is neither none nor all: the one is the
// median of three.
func (r *ranking) divide(tokens []int32) int {
	last := len(tokens) - 1
	first, pivot, third := tokens[0], tokens[last/2], tokens[last]
	if r.before(pivot, first) {
		first, pivot = pivot, first
	}
	if r.before(third, pivot) {
		pivot = third
		if r.before(pivot, first) {
			pivot = first
		}
	}
	n := 0
	for i, t := range tokens {
		if r.before(t, pivot) {
			tokens[i], tokens[n] = tokens[n], t
			n++
		}
	}
	return n
}
