package verify

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"trainer/internal/fault"
	"trainer/internal/safetensors"
	"trainer/model"
)

// masked is the target that PyTorch's cross-entropy ignores.
const masked = -100

// precisions are the files of a reference folder, and the precision that each was computed in.
var precisions = []struct{ file, name string }{{"ref_f32.safetensors", "float32"}, {"ref_f64.safetensors", "float64"}}

// reference is what the other implementation computed, in one precision.
type reference struct {
	precision string
	path      string
	file      *safetensors.File
}

// openReferences opens the reference files of a folder that exist, at least one.
func openReferences(dir string) ([]*reference, error) {
	var list []*reference
	for _, p := range precisions {
		path := filepath.Join(dir, p.file)
		if _, err := os.Stat(path); os.IsNotExist(err) {
			continue
		}
		file, err := safetensors.Open(path)
		if err != nil {
			closeAll(list)
			return nil, err
		}
		list = append(list, &reference{p.name, path, file})
	}
	if len(list) == 0 {
		return nil, fault.Dataf("%s: there is neither %s nor %s: expected a reference folder, such as model/testdata/reference",
			dir, precisions[0].file, precisions[1].file)
	}
	return list, nil
}

func closeAll(list []*reference) {
	for _, r := range list {
		r.file.Close()
	}
}

// lookup reads a tensor by its name.
func (r *reference) lookup(name string) ([]float64, error) {
	info, ok := r.file.Lookup(name)
	if !ok {
		return nil, fault.Dataf("%s: there is no tensor %q", r.path, name)
	}
	return r.floats(info)
}

// floats reads a tensor of either precision.
func (r *reference) floats(info safetensors.Info) ([]float64, error) {
	values := make([]float64, elements(info.Shape))
	if info.DType != safetensors.F32 {
		return values, safetensors.Read(r.file, info.Name, values, info.Shape...)
	}
	single := make([]float32, len(values))
	if err := safetensors.Read(r.file, info.Name, single, info.Shape...); err != nil {
		return nil, err
	}
	for i, v := range single {
		values[i] = float64(v)
	}
	return values, nil
}

func elements(shape []int) int {
	n := 1
	for _, size := range shape {
		n *= size
	}
	return n
}

// inputs are the tokens that the reference was computed on. Sequences of one batch lie end to end.
type inputs struct {
	sequences, length int
	x, y, yMasked     []int32 // [sequences·length]; targets are -1 where no prediction is wanted
	steps             int
	xs, ys            []int32 // [steps·sequences·length]
	prompt, greedy    []int32 // greedy begins with prompt
}

// batch returns the tokens and targets of a training step.
func (in *inputs) batch(step int) (tokens, targets []int32) {
	size := in.sequences * in.length
	return in.xs[step*size : (step+1)*size], in.ys[step*size : (step+1)*size]
}

// shifted are the targets of transformers' own loss: the next token of x, none for the last of a sequence.
func (in *inputs) shifted() []int32 {
	targets := make([]int32, len(in.x))
	for i := range targets {
		targets[i] = -1
		if (i+1)%in.length != 0 {
			targets[i] = in.x[i+1]
		}
	}
	return targets
}

// inputs reads the tokens and checks that a model of this configuration takes them.
func (r *reference) inputs(c model.Config) (*inputs, error) {
	in := &inputs{}
	x, ok := r.file.Lookup("x")
	if !ok || len(x.Shape) != 2 || elements(x.Shape) == 0 {
		return nil, fault.Dataf("%s: tensor \"x\" has shape %v: expected the tokens of a batch, [sequences, length]", r.path, x.Shape)
	}
	in.sequences, in.length = x.Shape[0], x.Shape[1]
	if in.length > c.Context {
		return nil, fault.Dataf("%s: sequences have %d tokens, more than the %d (n_positions) of the model", r.path, in.length, c.Context)
	}
	if xs, ok := r.file.Lookup("xs"); ok && len(xs.Shape) == 3 {
		in.steps = xs.Shape[0]
	}
	for _, t := range []struct {
		name  string
		to    *[]int32
		shape []int
	}{
		{"x", &in.x, x.Shape}, {"y", &in.y, x.Shape}, {"y_masked", &in.yMasked, x.Shape},
		{"xs", &in.xs, []int{in.steps, in.sequences, in.length}}, {"ys", &in.ys, []int{in.steps, in.sequences, in.length}},
		{"prompt", &in.prompt, r.lengthOf("prompt")}, {"greedy", &in.greedy, r.lengthOf("greedy")},
	} {
		var err error
		if *t.to, err = r.tokens(t.name, t.shape, c.VocabSize); err != nil {
			return nil, err
		}
	}
	if n := len(in.prompt); n == 0 || n >= len(in.greedy) || len(in.greedy) > c.Context+1 {
		return nil, fault.Dataf("%s: \"prompt\" has %d tokens and \"greedy\" %d: expected a longer \"greedy\" within a context of %d",
			r.path, n, len(in.greedy), c.Context)
	}
	return in, nil
}

// lengthOf is the shape that a vector of that name has.
func (r *reference) lengthOf(name string) []int {
	if info, ok := r.file.Lookup(name); ok && len(info.Shape) == 1 {
		return info.Shape
	}
	return []int{1}
}

// tokens reads a tensor of token ids; in targets those that are masked become -1.
func (r *reference) tokens(name string, shape []int, vocab int) ([]int32, error) {
	wide := make([]int64, elements(shape))
	if err := safetensors.Read(r.file, name, wide, shape...); err != nil {
		return nil, err
	}
	ids := make([]int32, len(wide))
	for i, id := range wide {
		switch {
		case id == masked && strings.HasPrefix(name, "y"):
			ids[i] = -1
		case id < 0 || id >= int64(vocab):
			return nil, fault.Dataf("%s: element %d of %q is %d: expected a token below %d (vocab_size)", r.path, i, name, id, vocab)
		default:
			ids[i] = int32(id)
		}
	}
	return ids, nil
}

// results are the tensors of the file that an implementation computes: all but the inputs and the margins of the greedy choices.
func (r *reference) results() []safetensors.Info {
	var list []safetensors.Info
	for _, info := range r.file.Tensors() {
		switch info.Name {
		case "x", "y", "y_masked", "xs", "ys", "prompt", "greedy", "margins":
		default:
			list = append(list, info)
		}
	}
	return list
}

// commonInputs reads the tokens of all references, which must be the same.
func commonInputs(references []*reference, c model.Config) (*inputs, error) {
	first, err := references[0].inputs(c)
	if err != nil {
		return nil, err
	}
	for _, r := range references[1:] {
		more, err := r.inputs(c)
		if err != nil {
			return nil, err
		}
		if !reflect.DeepEqual(first, more) {
			return nil, fault.Dataf("%s: its tokens are not those of the other reference file: expected two precisions of one computation", r.path)
		}
	}
	return first, nil
}
