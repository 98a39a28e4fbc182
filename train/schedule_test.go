package train

import (
	"math"
	"strings"
	"testing"
)

func TestScheduleValues(t *testing.T) {
	const peak, floor = 0.5, 0.1
	for _, test := range []struct {
		kind string
		step int
		want float64
	}{
		{"constant", 0, peak / 10}, {"constant", 4, peak / 2}, {"constant", 9, peak}, {"constant", 10, peak}, {"constant", 200, peak},
		{"linear", 0, peak / 10}, {"linear", 9, peak}, {"linear", 10, peak}, {"linear", 60, 0.3}, {"linear", 85, 0.2}, {"linear", 110, floor},
		{"linear", 1000, floor},
		{"cosine", 0, peak / 10}, {"cosine", 9, peak}, {"cosine", 10, peak}, {"cosine", 35, 0.3 + 0.2*math.Sqrt2/2}, {"cosine", 60, 0.3},
		{"cosine", 110, floor}, {"cosine", 1000, floor},
		{"wsd", 4, peak / 2}, {"wsd", 10, peak}, {"wsd", 80, peak}, {"wsd", 95, (peak + floor) / 2}, {"wsd", 110, floor}, {"wsd", 1000, floor},
	} {
		s := Schedule{Kind: test.kind, Peak: peak, Floor: floor, WarmUp: 10, Horizon: 110, Decay: 0.3}
		if got := s.At(test.step); math.Abs(got-test.want) > 1e-12 {
			t.Errorf("%s at step %d is %g, want %g", test.kind, test.step, got, test.want)
		}
	}
}

func TestScheduleIsContinuousAndStaysInItsRange(t *testing.T) {
	for _, kind := range ScheduleKinds {
		for _, horizon := range []int{1, 2, 7, 100, 1000} {
			for _, warmUp := range []int{0, 1, 10, 100, 2000} {
				s := Schedule{Kind: kind, Peak: 1, Floor: 0.05, WarmUp: warmUp, Horizon: horizon, Decay: 0.5}
				// The steepest that a rate may go in a step: up in the warm-up, down by 2 of a line's slope, as wsd does here.
				slope := max(1/float64(max(1, warmUp)), 2/float64(max(1, horizon-warmUp)))
				for step := range 2500 {
					rate := s.At(step)
					if !(rate > 0 && rate <= 1) || step >= warmUp && rate < 0.05 {
						t.Fatalf("%+v at step %d is %g, want more than 0 and at most the peak", s, step, rate)
					}
					if jump := math.Abs(s.At(step+1) - rate); jump > slope+1e-9 {
						t.Fatalf("%+v jumps by %g at step %d, want at most %g", s, jump, step, slope)
					}
				}
			}
		}
	}
}

func TestScheduleRefusesImpossibleRates(t *testing.T) {
	good := Schedule{Kind: "linear", Peak: 1, Floor: 1, WarmUp: 0, Horizon: 1, Decay: 0.2}
	if err := good.validate(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(s *Schedule){
		`schedule "step": expected constant, cosine, linear, wsd`: func(s *Schedule) { s.Kind = "step" },
		"learning_rate 0: expected a positive number":             func(s *Schedule) { s.Peak = 0 },
		"learning_rate NaN":                    func(s *Schedule) { s.Peak = math.NaN() },
		"learning_rate +Inf":                   func(s *Schedule) { s.Peak = math.Inf(1) },
		"final_learning_rate 2: expected 0 to": func(s *Schedule) { s.Floor = 2 },
		"final_learning_rate -1":               func(s *Schedule) { s.Floor = -1 },
		"final_learning_rate NaN":              func(s *Schedule) { s.Floor = math.NaN() },
		"warm_up -1: expected 0 steps or more": func(s *Schedule) { s.WarmUp = -1 },
	} {
		s := good
		change(&s)
		if err := s.validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
}
