package model

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestExponentialsAreThoseOfTheLibraryWithinTwoUnitsInTheLastPlace(t *testing.T) {
	const largest = 7.5
	random := rand.New(rand.NewPCG(1, 2))
	x := []float32{largest, math.Nextafter32(largest, 0), 6, -700, -701, -702, -800, -1e30, float32(math.Inf(-1)), float32(math.NaN())}
	for range 100000 {
		x = append(x, largest-720*random.Float32(), largest-20*random.Float32(), largest-random.Float32()/64)
	}
	got := make([]float64, len(x))
	for _, factor := range []float64{1, 0.3, 5} {
		exponentials(got, x, largest, factor)
		for i, v := range x {
			want := math.Exp((float64(v) - largest) * factor)
			if d := math.Abs(got[i] - want); !(d <= 2*(math.Nextafter(want, math.Inf(1))-want)) && !(math.IsNaN(want) && math.IsNaN(got[i])) {
				t.Fatalf("e^((%v - %v)·%v) is %v, want %v", v, largest, factor, got[i], want)
			}
		}
		if got[0] != 1 {
			t.Errorf("of the largest it is %v, want 1", got[0])
		}
	}
}

// BenchmarkLikeliest is the greedy choice of a token among as many as GPT-2 has.
func BenchmarkLikeliest(b *testing.B) {
	random, logits := rand.New(rand.NewPCG(1, 2)), make([]float32, 50257)
	for i := range logits {
		logits[i] = float32(random.NormFloat64() * 3)
	}
	var m sampler
	for b.Loop() {
		if _, err := m.next(logits, Sampling{TopP: 1}, nil, nil, 0); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDraw samples a token in the usual ways.
func BenchmarkDraw(b *testing.B) {
	random, logits := rand.New(rand.NewPCG(1, 2)), make([]float32, 50257)
	for i := range logits {
		logits[i] = float32(random.NormFloat64() * 3)
	}
	for name, s := range map[string]Sampling{
		"temperature": {Temperature: 0.8, TopP: 1}, "top-k": {Temperature: 0.8, TopK: 50, TopP: 1}, "top-p": {Temperature: 0.8, TopP: 0.9},
	} {
		b.Run(name, func(b *testing.B) {
			var m sampler
			for b.Loop() {
				if _, err := m.next(logits, s, nil, random, 5); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
