// Package verify compares the trainer's numbers with those that PyTorch computed for the same model: a folder with the model, the tokens and
// every result goes in, a Report with the deviation of every tensor comes out.
//
//	reference folder -> model.Load -> two paths -> numbers -> compared tensor by tensor -> Report
//
// One path is Gorgonia's: the model's graph, gorgonia.Grad, vm.Compile, a vm.VM as gorgonia.VM, and train.AdamW as gorgonia.Solver, or on a GPU
// cuda.Optimizer. The other is model.Executor, which training and generation use. Both run on a Machine, whose precision decides how near the
// numbers must be: see accuracyOf.
//
// A reference folder holds config.json and model.safetensors, or its shards, as transformers saves a GPT2LMHeadModel or a LlamaForCausalLM, and
// ref_f32.safetensors, ref_f64.safetensors or both, the same tensors computed in either precision:
//
//	x, y, y_masked           int64 [B, T], tokens and their targets; -100 is no target
//	logits                   [B, T, V] of x
//	loss, grad.NAME          mean cross-entropy of x and y, and its gradient by parameter
//	loss_masked, gradm.NAME  the same with y_masked; gradients of any of the parameters
//	loss_hf                  the loss that transformers computes itself with the labels x
//	xs, ys                   int64 [steps, B, T], batches of training steps with AdamW: learning rate 1e-3, betas 0.9 and 0.95, epsilon 1e-8, decay
//	                         0.1 of matrices (embeddings too), gradients clipped to norm 1
//	losses, gnorms           [steps] the loss and the norm of the gradient before clipping
//	after.NAME               the parameters after the steps
//	prompt, greedy           int64: a prompt, and the prompt with the likeliest next tokens behind it
//	margins                  by how much each of those was ahead in its logits
//
// Start at Run.
package verify

import (
	"math"

	"trainer/model"
)

// Row is the comparison of one tensor.
type Row struct {
	Group      string    // what was compared, and which path computed it
	Tensor     string    // its name in the reference, and "[without keys]" where these were left out
	Size       float64   // of the reference's tensor, by the measure
	Deviations []float64 // from each of Report.Precisions, by the measure; NaN where a number is
	Tolerance  float64   // relative to Size
}

// Worst is the largest deviation.
func (r *Row) Worst() float64 {
	worst := 0.0
	for _, d := range r.Deviations {
		worst = math.Max(worst, d) // NaN stays
	}
	return worst
}

// Relative is the largest deviation relative to the size of the tensor.
func (r *Row) Relative() float64 {
	if r.Worst() == 0 {
		return 0
	}
	return r.Worst() / r.Size
}

// OK says that the tensor is within its tolerance.
func (r *Row) OK() bool { return r.Relative() <= r.Tolerance }

// Report is the comparison of a model with a reference.
type Report struct {
	Dir        string
	Device     string
	Measure    string // of deviations and of the sizes of tensors: "largest" or "rms"
	Config     model.Config
	Precisions []string // of the references: "float32", "float64"
	Notes      []string // what to know about the rows
	Rows       []Row    // by group, the largest relative deviation first
}

// OK says that every tensor is within its tolerance.
func (r *Report) OK() bool { return len(r.Failed()) == 0 }

// Failed are the rows above their tolerance.
func (r *Report) Failed() []Row {
	var failed []Row
	for _, row := range r.Rows {
		if !row.OK() {
			failed = append(failed, row)
		}
	}
	return failed
}

// Run computes what the folder's reference holds, on a machine, and compares. An error of class data says what is wrong with the folder;
// deviations are no error.
func Run(dir string, on Machine) (*Report, error) {
	c, err := open(dir, on)
	if err != nil {
		return nil, err
	}
	defer closeAll(c.references)
	e := newExecutorPath(c.model, on, c.in)
	fromExecutor, err := compute(e, c.in, c.model)
	if err != nil {
		return nil, err
	}
	continuation, err := greedy(c.model, on.backend, c.in)
	if err != nil {
		return nil, err
	}
	g, err := newGraphPath(c.model, on, c.in)
	if err != nil {
		return nil, err
	}
	fromGraph, err := compute(g, c.in, c.model)
	if err != nil {
		return nil, err
	}
	// Last, since they change the weights.
	steps, err := newStepper(g, on)
	if err != nil {
		return nil, err
	}
	if err := g.train(steps, c.in, fromGraph); err != nil {
		return nil, err
	}
	if err := c.complete(fromGraph); err != nil {
		return nil, err
	}
	for _, part := range []struct {
		group int
		from  numbers
	}{{groupGraph, fromGraph}, {groupExecutor, fromExecutor}, {groupSteps, fromGraph}, {groupWeights, fromGraph}} {
		if err := c.compare(part.group, part.from); err != nil {
			return nil, err
		}
	}
	return c.report, c.compareGreedy(continuation)
}
