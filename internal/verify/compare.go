package verify

import (
	"math"
	"path/filepath"
	"slices"
	"strings"

	"trainer/internal/fault"
	"trainer/internal/safetensors"
	"trainer/model"
)

// Notes of a report.
const (
	keysNote = "Of c_attn.bias the keys' third is left out of the weights after the steps: " +
		"its true gradient is zero, and Adam amplifies rounding errors."
	movementNote = "Weights are compared by how the steps moved them, without those whose gradient is smaller than its own tolerance."
)

// comparison collects the rows of a report.
type comparison struct {
	on         Machine
	accuracy   accuracy
	references []*reference
	in         *inputs
	model      *model.Model
	before     map[string][]float32 // by parameter: as it was loaded
	report     *Report
}

// open reads a reference folder, whose references the caller closes.
func open(dir string, on Machine) (*comparison, error) {
	references, err := openReferences(dir)
	if err != nil {
		return nil, err
	}
	c := &comparison{on: on, references: references, before: make(map[string][]float32)}
	if err := c.load(dir); err != nil {
		closeAll(references)
		return nil, err
	}
	return c, nil
}

// load reads the model and the tokens.
func (c *comparison) load(dir string) (err error) {
	if c.model, err = model.Load(dir); err != nil {
		return err
	}
	if c.in, err = commonInputs(c.references, c.model.Config); err != nil {
		return err
	}
	for i := range c.model.Parameters {
		p := &c.model.Parameters[i]
		c.before[p.Name] = slices.Clone(p.Value)
	}
	c.accuracy = accuracyOf(c.on.bf16)
	c.report = &Report{
		Dir: filepath.Clean(dir), Device: c.on.backend.Device(), Measure: c.accuracy.measure.name, Config: c.model.Config,
		Notes: []string{keysNote},
	}
	if c.accuracy.movement {
		c.report.Notes = append(c.report.Notes, movementNote)
	}
	for _, r := range c.references {
		c.report.Precisions = append(c.report.Precisions, r.precision)
	}
	return nil
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
func groupOf(name string) int {
	switch {
	case name == "losses" || name == "gnorms":
		return groupSteps
	case strings.HasPrefix(name, "after."):
		return groupWeights
	}
	return groupGraph
}

// compare adds the rows of a group.
func (c *comparison) compare(group int, n numbers) error {
	begin := len(c.report.Rows)
	for _, info := range c.references[0].results() {
		if of := groupOf(info.Name); of == group || of == groupGraph && group == groupExecutor {
			row, err := c.row(info.Name, n[info.Name])
			if err != nil {
				return err
			}
			row.Group = c.on.group(group)
			c.report.Rows = append(c.report.Rows, row)
		}
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

// row compares a tensor.
func (c *comparison) row(name string, got []float32) (Row, error) {
	row := Row{Tensor: name, Tolerance: c.accuracy.tolerance(name)}
	parameter, weights := strings.CutPrefix(name, "after.")
	if weights && isBiasWithKeys(parameter) {
		row.Tensor += " [without keys]"
	}
	for _, r := range c.references {
		want, err := r.lookup(name)
		if err != nil {
			return row, err
		}
		origin, left := make([]float32, len(want)), func(int) bool { return false }
		if weights {
			if left, err = c.withoutDirection(parameter, r); err != nil {
				return row, err
			}
			if c.accuracy.movement {
				origin = c.before[parameter]
			}
		}
		var deviation, size []float64
		for i, w := range want {
			if !left(i) {
				deviation, size = append(deviation, float64(got[i])-w), append(size, w-float64(origin[i]))
			}
		}
		row.Deviations = append(row.Deviations, c.accuracy.measure.of(deviation))
		row.Size = math.Max(row.Size, c.accuracy.measure.of(size))
	}
	return row, nil
}

// withoutDirection says which weights took steps in no direction that could be compared, since Adam has divided errors of their gradient by
// their own size: the keys' part of a bias, which has no gradient, as softmax is the same for scores that are all shifted; and with coarse
// numbers those with a gradient that is smaller than its errors.
func (c *comparison) withoutDirection(parameter string, r *reference) (func(i int) bool, error) {
	width, least := c.model.Config.Width, 0.0
	keys, gradient := isBiasWithKeys(parameter), []float64(nil)
	if c.accuracy.movement {
		var err error
		if gradient, err = r.lookup("grad." + parameter); err != nil {
			return nil, err
		}
		least = c.accuracy.tensor * c.accuracy.measure.of(gradient)
	}
	return func(i int) bool {
		return keys && i >= width && i < 2*width || gradient != nil && math.Abs(gradient[i]) < least
	}, nil
}

// isBiasWithKeys tells the bias of queries, keys and values, a third each.
func isBiasWithKeys(parameter string) bool { return strings.HasSuffix(parameter, ".attn.c_attn.bias") }

// compareGreedy adds the row of the greedy continuation: the number of tokens that are not the reference's. Where its best two tokens are
// nearer to each other than logits may deviate, either is right, and what follows cannot be compared.
func (c *comparison) compareGreedy(got []int32) error {
	in := c.in
	values, err := c.references[0].lookup("logits")
	if err != nil {
		return err
	}
	tie := 0.0
	for _, v := range values {
		tie = math.Max(tie, 2*c.accuracy.tolerance("logits")*math.Abs(v))
	}
	row := Row{Group: c.on.group(groupGreedy), Tensor: "tokens that differ", Size: float64(len(in.greedy) - len(in.prompt))}
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
