package train

import (
	"math"
	"slices"
	"strings"

	"trainer/internal/fault"
)

// Schedule gives the learning rate of each step.
type Schedule struct {
	Kind    string  // of ScheduleKinds
	Peak    float64 // the rate after the warm-up
	Floor   float64 // the rate that all kinds but constant end at
	WarmUp  int     // steps over which the rate rises linearly from 0 to Peak
	Horizon int     // the step at which Floor is reached
	Decay   float64 // share of the steps behind the warm-up in which wsd falls
}

// ScheduleKinds are the kinds of schedule; wsd is warm-up, stable, decay.
var ScheduleKinds = []string{"constant", "cosine", "linear", "wsd"}

// At returns the learning rate of a step, which counts from 0. Behind the warm-up, with p the part done of the steps that remain:
// constant is Peak, linear Floor + (Peak-Floor)(1-p), cosine Floor + ½(Peak-Floor)(1+cos πp) (Loshchilov and Hutter 2017, equation 5), wsd
// Peak until p = 1-Decay and then linear (Hu et al. 2024, section 4).
func (s Schedule) At(step int) float64 {
	if step < s.WarmUp {
		return s.Peak * float64(step+1) / float64(s.WarmUp)
	}
	part := min(1, float64(step-s.WarmUp)/float64(max(1, s.Horizon-s.WarmUp)))
	switch s.Kind {
	case "cosine":
		return s.Floor + (s.Peak-s.Floor)*(1+math.Cos(math.Pi*part))/2
	case "linear":
		return s.Floor + (s.Peak-s.Floor)*(1-part)
	case "wsd":
		return s.Floor + (s.Peak-s.Floor)*min(1, (1-part)/s.Decay)
	default:
		return s.Peak
	}
}

func (s Schedule) validate() error {
	if !slices.Contains(ScheduleKinds, s.Kind) {
		return fault.Optionf("%s %q: expected %s", fault.Option("schedule"), s.Kind, strings.Join(ScheduleKinds, ", "))
	}
	if !(s.Peak > 0 && s.Peak < math.MaxFloat32) {
		return fault.Optionf("%s %g: expected a positive number, such as 0.003", fault.Option("learning_rate"), s.Peak)
	}
	if !(s.Floor >= 0 && s.Floor <= s.Peak) {
		return fault.Optionf("%s %g: expected 0 to %s %g", fault.Option("final_learning_rate"), s.Floor, fault.Option("learning_rate"), s.Peak)
	}
	if !(s.Decay > 0 && s.Decay <= 1) {
		return fault.Optionf("%s %g: expected a share of more than 0 and at most 1, such as 0.2", fault.Option("decay_share"), s.Decay)
	}
	if s.WarmUp < 0 {
		return fault.Optionf("%s %d: expected 0 steps or more", fault.Option("warm_up"), s.WarmUp)
	}
	return nil
}
