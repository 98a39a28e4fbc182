// Package verify compares the trainer's numbers with those that PyTorch computed for the same model: a folder with the model, the tokens and
// every result goes in, a Report with the deviation of every tensor comes out.
//
//	reference folder -> model.Load -> two paths -> numbers -> compared tensor by tensor -> Report
//
// One path is Gorgonia's: the model's graph, gorgonia.Grad, vm.Compile, a vm.VM as gorgonia.VM, and train.AdamW as gorgonia.Solver. The other
// is model.Executor, which training and generation use.
//
// A reference folder holds config.json and model.safetensors, or its shards, as transformers saves a GPT2LMHeadModel, and ref_f32.safetensors,
// ref_f64.safetensors or both, the same tensors computed in either precision:
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
	"path/filepath"
	"slices"
	"strings"

	"trainer/internal/cpu"
	"trainer/internal/cpu/kernel"
	"trainer/internal/fault"
	"trainer/internal/safetensors"
	"trainer/model"
)

// The largest deviations that pass, relative to the largest absolute value of the tensor. float32 sums in another order differ by about
// 1e-6 of it; a forgotten bias or a wrong mask by more than 1e-2.
const (
	Tolerance     = 1e-4
	LossTolerance = 1e-5
)

// Row is the comparison of one tensor.
type Row struct {
	Group      string    // what was compared, and which path computed it
	Tensor     string    // its name in the reference, and "[skipped d:2d]" where a part was left out
	Largest    float64   // largest absolute value in the reference
	Deviations []float64 // largest absolute deviation from each of Report.Precisions; NaN where a number is
	Tolerance  float64   // relative to Largest
}

// Worst is the largest deviation.
func (r *Row) Worst() float64 {
	worst := 0.0
	for _, d := range r.Deviations {
		worst = math.Max(worst, d) // NaN stays
	}
	return worst
}

// Relative is the largest deviation relative to the largest value.
func (r *Row) Relative() float64 {
	if r.Worst() == 0 {
		return 0
	}
	return r.Worst() / r.Largest
}

// OK says that the tensor is within its tolerance.
func (r *Row) OK() bool { return r.Relative() <= r.Tolerance }

// Report is the comparison of a model with a reference.
type Report struct {
	Dir        string
	Device     string
	Config     model.Config
	Precisions []string // of the references: "float32", "float64"
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

// The groups of rows, in order.
const (
	groupGraph    = "Forward and backward: model.Graph, gorgonia.Grad, vm.VM"
	groupExecutor = "Forward and backward: model.Executor"
	groupSteps    = "Training steps: train.AdamW as gorgonia.Solver on vm.VM"
	groupWeights  = "Weights after the steps"
	groupGreedy   = "Greedy continuation: model.Generator"
)

// Run computes what the folder's reference holds, on the CPU with the given kernels and number of threads, and compares. An error of class data
// says what is wrong with the folder; deviations are no error.
func Run(dir string, kernels *kernel.Set, threads int) (*Report, error) {
	references, err := openReferences(dir)
	if err != nil {
		return nil, err
	}
	defer closeAll(references)
	m, err := model.Load(dir)
	if err != nil {
		return nil, err
	}
	var in *inputs
	for i, r := range references {
		more, err := r.inputs(m.Config)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			in = more
		} else if err := sameInputs(in, more, r.path); err != nil {
			return nil, err
		}
	}
	b := cpu.New(threads, kernels)
	defer b.Close()

	c := &comparison{references: references, width: m.Config.Width, report: &Report{Dir: filepath.Clean(dir), Device: b.Device(), Config: m.Config}}
	for _, r := range references {
		c.report.Precisions = append(c.report.Precisions, r.precision)
	}
	e := &executorPath{model: m, executor: model.NewExecutor(m, b), length: in.length}
	fromExecutor, err := compute(e, in, m)
	if err != nil {
		return nil, err
	}
	continuation, err := greedy(m, b, in)
	if err != nil {
		return nil, err
	}
	g, err := newGraphPath(m, b, in)
	if err != nil {
		return nil, err
	}
	fromGraph, err := compute(g, in, m)
	if err != nil {
		return nil, err
	}
	// Last, since it changes the weights.
	if err := g.train(in, kernels, fromGraph); err != nil {
		return nil, err
	}
	if err := c.complete(fromGraph); err != nil {
		return nil, err
	}
	for _, part := range []struct {
		group string
		from  numbers
	}{{groupGraph, fromGraph}, {groupExecutor, fromExecutor}, {groupSteps, fromGraph}, {groupWeights, fromGraph}} {
		if err := c.compare(part.group, part.from); err != nil {
			return nil, err
		}
	}
	return c.report, c.compareGreedy(continuation, in)
}

// comparison collects the rows of a report.
type comparison struct {
	references []*reference
	width      int
	report     *Report
}

// complete is an error where the files lack a tensor that must be compared, have one that nothing computes, or one of another size.
func (c *comparison) complete(n numbers) error {
	for _, r := range c.references {
		for _, info := range r.results() {
			values, ok := n[info.Name]
			if !ok {
				return fault.Dataf("%s: tensor %q is no result of the model that %s describes", r.path, info.Name, model.ConfigFile)
			}
			if len(values) != elements(info.Shape) {
				return fault.Dataf("%s: tensor %q has shape %v: expected %d elements", r.path, info.Name, info.Shape, len(values))
			}
		}
		for name := range n {
			if _, ok := r.file.Lookup(name); !ok && !optional(name) {
				return fault.Dataf("%s: there is no tensor %q: expected every result of the model", r.path, name)
			}
		}
	}
	return nil
}

// optional are the tensors that a reference need not have.
func optional(name string) bool { return strings.HasPrefix(name, "gradm.") || name == "loss_hf" }

// groupOf is where a tensor is compared when it comes from the graph; single passes come from both paths.
func groupOf(name string) string {
	switch {
	case name == "losses" || name == "gnorms":
		return groupSteps
	case strings.HasPrefix(name, "after."):
		return groupWeights
	}
	return groupGraph
}

// compare adds the rows of a group.
func (c *comparison) compare(group string, n numbers) error {
	begin := len(c.report.Rows)
	for _, info := range c.references[0].results() {
		if of := groupOf(info.Name); of != group && !(of == groupGraph && group == groupExecutor) {
			continue
		}
		row := Row{Group: group, Tensor: info.Name, Tolerance: Tolerance}
		if strings.HasPrefix(info.Name, "loss") {
			row.Tolerance = LossTolerance
		}
		got := n[info.Name]
		// The keys' part of the bias has no gradient: softmax is the same for scores that are all shifted. Adam divides the rounding errors that are
		// there instead by their own size, so that these weights take steps in no direction that could be compared.
		skipped := strings.HasPrefix(info.Name, "after.") && strings.HasSuffix(info.Name, ".attn.c_attn.bias")
		if skipped {
			row.Tensor += " [without keys]"
		}
		for _, r := range c.references {
			from, _ := r.file.Lookup(info.Name)
			want, err := r.floats(from)
			if err != nil {
				return err
			}
			deviation := 0.0
			for i, w := range want {
				if skipped && i >= c.width && i < 2*c.width {
					continue
				}
				deviation = math.Max(deviation, math.Abs(float64(got[i])-w))
				row.Largest = math.Max(row.Largest, math.Abs(w))
			}
			row.Deviations = append(row.Deviations, deviation)
		}
		c.report.Rows = append(c.report.Rows, row)
	}
	slices.SortStableFunc(c.report.Rows[begin:], func(a, b Row) int {
		switch x, y := a.Relative(), b.Relative(); {
		case x > y || math.IsNaN(x):
			return -1
		case x < y:
			return 1
		}
		return 0
	})
	return nil
}

// compareGreedy adds the row of the greedy continuation: the number of tokens that are not the reference's. Where its best two tokens are nearer to
// each other than logits may deviate, either is right, and what follows cannot be compared.
func (c *comparison) compareGreedy(got []int32, in *inputs) error {
	logits, _ := c.references[0].file.Lookup("logits")
	values, err := c.references[0].floats(logits)
	if err != nil {
		return err
	}
	tie := 0.0
	for _, v := range values {
		tie = math.Max(tie, 2*Tolerance*math.Abs(v))
	}
	row := Row{Group: groupGreedy, Tensor: "tokens that differ", Largest: float64(len(in.greedy) - len(in.prompt))}
	for _, r := range c.references {
		margins, err := r.margins(len(in.greedy) - len(in.prompt))
		if err != nil {
			return err
		}
		differ := 0.0
		for i, margin := range margins {
			if margin < tie {
				break
			}
			if at := len(in.prompt) + i; got[at] != in.greedy[at] {
				differ++
			}
		}
		row.Deviations = append(row.Deviations, differ)
	}
	c.report.Rows = append(c.report.Rows, row)
	return nil
}

// margins are those of n greedy choices.
func (r *reference) margins(n int) ([]float64, error) {
	dtype := safetensors.F64
	if info, ok := r.file.Lookup("margins"); ok {
		dtype = info.DType
	}
	return r.floats(safetensors.Info{Name: "margins", DType: dtype, Shape: []int{n}})
}
