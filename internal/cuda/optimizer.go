package cuda

import (
	"errors"
	"fmt"
	"math"
	"unsafe"

	"trainer/internal/cuda/driver"
	"trainer/internal/cuda/kernels"
	"trainer/internal/vm"
)

// Rule says how an Optimizer moves weights: by AdamW (see ref.AdamW), or with SGD by w ← w - learning rate · gradient.
type Rule struct {
	SGD          bool
	Beta1, Beta2 float64
	Epsilon      float64
	WeightDecay  float64 // of matrices
	Clip         float64 // the largest norm of the gradient; 0 is no limit
}

// Parameter is a tensor in the vector of all weights.
type Parameter struct {
	Begin, Size int // elements
	Matrix      bool
}

// Optimizer moves the weights of a model where they are: on the device. A step is a graph of kernels: it squares the gradient, judges
// whether loss and gradient are finite, clips, moves the weights and refreshes their copies in bfloat16. The host is only told what came
// of it, whenever it asks:
//
//	Add (each micro-batch) -> Step -> Report, to be fetched
//
// Weights and moments are host memory that the backend has adopted: Backend.Fetch brings them back, for a checkpoint, and Backend.Push
// takes over what the host has changed, as when a run is resumed.
type Optimizer struct {
	backend    *Backend
	rule       Rule
	parameters []Parameter
	weights    *block
	moments    [2]*block // of AdamW

	gradient, loss *block // of the step to come: what Add was given, or the sum
	sum, lossSum   *block // over micro-batches; nil until there are several

	numbers   *block   // kernels.Numbers
	report    *block   // kernels.Outcome, the square of each stretch, and with other ranks the loss
	buckets   []Bucket // nil without other ranks
	pieces    []piece  // of all ranks
	stretches int      // parts of pieces that a block of threads each works on
	of        []int    // by stretch: the parameter
	own       [2]int   // the first stretch of this rank, and the one behind its last
	graphs    map[graphKey]*updateGraph
	changes   int // of the backend's copies, as the graphs know them
	steps     int
	squares   []float64 // of the latest Report
}

// Report is what came of a step.
type Report struct {
	Norm    float64   // of the gradient before it is clipped
	Failed  int       // 0, or the first step whose loss or gradient was not finite: since then no step has moved anything
	Squares []float64 // by parameter: the squared norm of its gradient
}

// NewOptimizer returns an optimizer of weights, a vector that holds the parameters. AdamW takes two moments as long as the weights, SGD none.
func (b *Backend) NewOptimizer(weights []float32, moments [][]float32, parameters []Parameter, rule Rule) (*Optimizer, error) {
	return b.NewShardedOptimizer(weights, moments, parameters, rule, nil)
}

// NewShardedOptimizer is NewOptimizer for a backend that has joined others: each rank moves its part of each bucket, with moments for these alone,
// one part behind the other (ZeRO stage 1, Rajbhandari et al. 2020, section 5.1). The last run of each step is taken by Reduce and AddReduced.
// Buckets begin and end at multiples of 16 elements, as their parts do.
func (b *Backend) NewShardedOptimizer(weights []float32, moments [][]float32, parameters []Parameter, rule Rule,
	buckets []Bucket) (*Optimizer, error) {
	want := 2
	if rule.SGD {
		want = 0
	}
	if len(moments) != want {
		panic(fmt.Sprintf("cuda: an optimizer with %d moments, expected %d", len(moments), want))
	}
	o := &Optimizer{
		backend: b, rule: rule, parameters: parameters, buckets: buckets, pieces: pieces(parameters, buckets),
		squares: make([]float64, len(parameters)), graphs: make(map[graphKey]*updateGraph),
	}
	var err error
	if o.weights, err = b.adopt(vm.Bytes(weights)); err != nil {
		return nil, fmt.Errorf("weights: %w", err)
	}
	for i, m := range moments {
		if o.moments[i], err = b.adopt(vm.Bytes(m)); err != nil {
			return nil, fmt.Errorf("moments of the optimizer: %w", err)
		}
	}
	for _, p := range o.pieces {
		for range kernels.Stretches(kernels.Stretch{}, p.size) {
			o.of = append(o.of, p.parameter)
		}
		switch rank := b.ranks.number(); {
		case p.rank < rank:
			o.own = [2]int{len(o.of), len(o.of)}
		case p.rank == rank:
			o.own[1] = len(o.of)
		}
	}
	o.stretches = len(o.of)
	if o.numbers, err = b.allocate(int(unsafe.Sizeof(kernels.Numbers{}))); err != nil {
		return nil, err
	}
	o.report, err = b.allocate(outcomeSize + 4*(o.stretches+1))
	return o, err
}

// squaresAt is where the squares of all stretches are.
func (o *Optimizer) squaresAt() driver.Pointer { return o.report.at + driver.Pointer(outcomeSize) }

const outcomeSize = int(unsafe.Sizeof(kernels.Outcome{}))

// SetSteps tells how many steps were taken before. It lets steps move weights again after one has failed.
func (o *Optimizer) SetSteps(n int) error {
	o.steps = n
	return o.report.slice(0, outcomeSize).Write(make([]byte, outcomeSize))
}

// Add takes the gradient of a run, in the layout of the weights, and its loss, as the first of a step or added to those before it.
// alone says that none follows in this step: then they stay where they are until Step.
func (o *Optimizer) Add(gradient, loss vm.Memory, first, alone bool) error {
	g, l := gradient.(*block).slice(0, o.weights.size), loss.(*block)
	if first && alone {
		o.gradient, o.loss = g, l
		return nil
	}
	b := o.backend
	if err := o.reserve(); err != nil {
		return err
	}
	o.gradient, o.loss = o.sum, o.lossSum
	if err := b.stage.flush(); err != nil {
		return err
	}
	if first {
		return errors.Join(b.compute.Copy(o.sum.at, g.at, g.size), b.compute.Copy(o.lossSum.at, l.at, l.size))
	}
	return errors.Join(b.launch(kernels.Add(o.sum.at, o.sum.at, g.at, g.size/4)), b.launch(kernels.Add(o.lossSum.at, o.lossSum.at, l.at, 1)))
}

// reserve makes room for the sums of micro-batches.
func (o *Optimizer) reserve() (err error) {
	if o.sum != nil {
		return nil
	}
	if o.sum, err = o.backend.allocate(o.weights.size); err != nil {
		return fmt.Errorf("the sum of the gradients of micro-batches: %w", err)
	}
	o.lossSum, err = o.backend.allocate(4)
	return err
}

// Step queues a step with what was added. Without move it only measures the gradient, whatever that is.
func (o *Optimizer) Step(learningRate float64, move bool) error {
	if move {
		o.steps++
	}
	n := kernels.Numbers{
		LearningRate: float32(learningRate),
		Beta1:        float32(o.rule.Beta1), Beta2: float32(o.rule.Beta2),
		Epsilon:     float32(o.rule.Epsilon),
		Correction1: float32(1 - math.Pow(o.rule.Beta1, float64(o.steps))),
		Correction2: float32(1 - math.Pow(o.rule.Beta2, float64(o.steps))),
		Clip:        float32(o.rule.Clip),
	}
	if move {
		n.Step = int32(o.steps) // what the report says has failed
	}
	if err := o.numbers.Write(bytesOf(&n)); err != nil {
		return err
	}
	g, err := o.graph(graphKey{o.gradient.at, o.loss.at, move})
	if err != nil {
		return err
	}
	if err := o.backend.stage.flush(); err != nil {
		return err
	}
	if o.buckets != nil {
		return o.stepTogether(g, move)
	}
	return g.update.replay(o.backend.compute)
}

// bytesOf views a value as memory.
func bytesOf[T any](v *T) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v)) }

// Outcome is where the latest step leaves what came of it, for a Fetch; Report reads it.
func (o *Optimizer) Outcome() vm.Memory { return o.report }

// Report decodes what a Fetch of Outcome has brought. Its Squares are overwritten by the next call.
func (o *Optimizer) Report(outcome []byte) Report {
	head := (*kernels.Outcome)(unsafe.Pointer(&outcome[0]))
	r := Report{Norm: head.Norm, Failed: int(head.Failed), Squares: o.squares}
	squares := vm.Float32s(outcome[outcomeSize:])
	clear(r.Squares)
	for i, of := range o.of {
		r.Squares[of] += float64(squares[i])
	}
	return r
}

// Gradient is that of the latest step, in the layout of the weights, until the next run or Add. With other ranks it is this one's part of it, until
// SpreadGradient.
func (o *Optimizer) Gradient() vm.Memory { return o.gradient }
