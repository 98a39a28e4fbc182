package train

import (
	"math"
	"strings"
	"testing"
)

func TestOptionsNameWhatIsImpossible(t *testing.T) {
	for _, o := range []Options{quick(), Calculator()} {
		if err := o.Validate(); err != nil {
			t.Errorf("%+v is refused: %v", o, err)
		}
	}
	for want, change := range map[string]func(o *Options){
		"steps 0: expected at least 1":                        func(o *Options) { o.Steps = 0 },
		"steps 2147483648: expected at most 2147483647":       func(o *Options) { o.Steps = 1 << 31 },
		"batch -1: expected at least 1":                       func(o *Options) { o.Batch = -1 },
		"accumulate 0: expected at least 1":                   func(o *Options) { o.Accumulate = 0 },
		"threads 0: expected at least 1":                      func(o *Options) { o.Threads = 0 },
		"threads 1025: expected at most 1024":                 func(o *Options) { o.Threads = 1025 },
		"batch 16777217 and accumulate 1: expected at most":   func(o *Options) { o.Batch = 1<<24 + 1 },
		"batch 8 and accumulate 2147483647: expected at most": func(o *Options) { o.Accumulate = math.MaxInt32 },
		`optimizer "adam": expected adamw or sgd`:             func(o *Options) { o.Optimizer = "adam" },
		`loss "": expected answer or all`:                     func(o *Options) { o.Loss = "" },
		`schedule "": expected constant, cosine, linear`:      func(o *Options) { o.Schedule = "" },
		"learning_rate 0: expected a positive number":         func(o *Options) { o.LearningRate = 0 },
		"beta1 1: expected 0 or more and less than 1":         func(o *Options) { o.Beta1 = 1 },
		"beta2 NaN: expected 0 or more and less than 1":       func(o *Options) { o.Beta2 = math.NaN() },
		"weight_decay -0.1: expected 0 or more":               func(o *Options) { o.WeightDecay = -0.1 },
		"clip +Inf: expected 0 or more":                       func(o *Options) { o.Clip = math.Inf(1) },
		`repeats of "times" 0: expected 1 to 1000`:            func(o *Options) { o.Repeats = map[string]int{"times": 0} },
		`repeats of "plus" 1001: expected 1 to 1000`:          func(o *Options) { o.Repeats = map[string]int{"plus": 1001} },
	} {
		o := quick()
		change(&o)
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
}
