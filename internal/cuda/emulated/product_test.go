package emulated

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"trainer/internal/cuda/driver"
	"trainer/internal/cuda/kernels"
	"trainer/internal/ptx"
	"trainer/internal/ref"
)

// matrix is a matrix in device memory, and its values as they are there.
func (r *rig) matrix(rows, columns, pitch int, element driver.Element, random *rand.Rand) (driver.Pointer, []float32) {
	r.t.Helper()
	values := make([]float32, rows*columns)
	for i := range values {
		values[i] = float32(random.NormFloat64())
	}
	x := operand{"matrix", r.allocate(rows * pitch * element.Size()), rows, columns, pitch, element, true}
	r.do(r.write(x, values))
	return x.at, must(r, func() ([]float32, error) { return r.Device.read(x) })
}

func (r *rig) plan(p driver.Product, workspace int) driver.MatMulPlan {
	r.t.Helper()
	m := must(r, r.MatMul)
	return must(r, func() (driver.MatMulPlan, error) { return m.Plan(p, workspace) })
}

func TestThereIsNoVendorLibraryUnlessAskedFor(t *testing.T) {
	r := newRig(t, Options{MatMul: true})
	_, err := newRig(t, Options{}).MatMul()
	failing(t, err, "the emulated GPU has no cuBLASLt")
	if name := must(r, r.MatMul).Name(); name == "" {
		t.Error("the stand-in has no name")
	}
}

func TestProductsAreThoseOfTheReference(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	const m, n, k, workspace = 5, 7, 6, 64
	for _, epilogue := range []driver.Epilogue{driver.Plain, driver.GELU, driver.GELUGrad} {
		for variant := range 8 {
			transA, transB, extras := variant&1 != 0, variant&2 != 0, variant&4 != 0
			p := driver.Product{
				Product: kernels.Product{M: m, N: n, K: k, TransA: transA, TransB: transB},
				In:      driver.BFloat16, Out: driver.Float32, PitchA: 8, PitchB: 8, PitchC: 8, Epilogue: epilogue,
			}
			p.Bias, p.Addend = extras && epilogue != driver.GELUGrad, extras && epilogue == driver.Plain
			within := 1e-6
			if transA {
				p.Out, p.BiasElement, within = driver.BFloat16, driver.BFloat16, 1.0/256
			}
			r := newRig(t, Options{MatMul: true})
			s := r.stream()
			var o driver.MatMulOperands
			var a, b, bias, addend, pre []float32
			shape := map[bool][2]int{false: {m, k}, true: {k, m}}[transA]
			o.A, a = r.matrix(shape[0], shape[1], p.PitchA, p.In, random)
			shape = map[bool][2]int{false: {k, n}, true: {n, k}}[transB]
			o.B, b = r.matrix(shape[0], shape[1], p.PitchB, p.In, random)
			o.C, o.Workspace = r.allocate(m*p.PitchC*p.Out.Size()), r.allocate(workspace)
			if p.Bias {
				o.Bias, bias = r.matrix(1, n, n, p.BiasElement, random)
			}
			if p.Addend {
				o.Addend, addend = r.matrix(m, n, p.PitchC, p.Out, random)
			}
			if epilogue == driver.GELU {
				o.Pre = r.allocate(m * p.PitchC * p.Out.Size())
			} else if epilogue == driver.GELUGrad {
				o.Pre, pre = r.matrix(m, n, p.PitchC, p.Out, random)
			}
			r.do(s.Multiply(r.plan(p, workspace), o), s.Synchronize())

			if got := r.read(s, o.Workspace); uint32(got) != poison {
				t.Errorf("the workspace holds %#x, expected that it is overwritten with %#x", uint32(got), uint32(poison))
			}
			sum := make([]float32, m*n)
			ref.MatMul(sum, a, b, bias, m, n, k, transA, transB)
			want := append([]float32(nil), sum...)
			switch epilogue {
			case driver.Plain:
				for i := range addend {
					want[i] += addend[i]
				}
			case driver.GELU:
				ref.GELU(want, sum)
				r.holds(operand{"pre", o.Pre, m, n, p.PitchC, p.Out, false}, sum, within)
			case driver.GELUGrad:
				ref.GELUGrad(want, pre, sum)
			}
			r.holds(operand{"c", o.C, m, n, p.PitchC, p.Out, false}, want, within)
			if err := r.gpu.CopyOut(make([]byte, p.Out.Size()), ptx.Address(o.C)+ptx.Address(n*p.Out.Size())); err == nil {
				t.Errorf("%+v: the gap behind a row was written", p)
			}
		}
	}
}

// holds checks the values of a matrix in device memory.
func (r *rig) holds(x operand, want []float32, within float64) {
	r.t.Helper()
	got := must(r, func() ([]float32, error) { return r.Device.read(x) })
	for i := range want {
		if d := math.Abs(float64(got[i] - want[i])); !(d <= within*(1+math.Abs(float64(want[i])))) {
			r.t.Fatalf("%s: value %d is %g, expected %g", x.name, i, got[i], want[i])
		}
	}
}

func TestAProductRunsWhenItsTurnComes(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	p := driver.Product{Product: kernels.Product{M: 1, N: 1, K: 1}, PitchA: 1, PitchB: 1, PitchC: 1, Addend: true}
	for seed := range uint64(seeds) {
		r := newRig(t, Options{Seed: seed, MatMul: true})
		s, other, plan := r.stream(), r.stream(), r.plan(p, 0)
		a, values := r.matrix(1, 1, 1, driver.Float32, random)
		c := r.words(0)
		o := driver.MatMulOperands{A: a, B: a, C: c, Addend: c}
		g := r.capture(s, func() { r.do(s.Multiply(plan, o)) })
		r.do(s.Replay(g), s.Multiply(plan, o))
		failing(t, plan.Close(), "the plan of a product of 1 x 1 x 1 cannot be given back")
		failing(t, r.Free(a), "the queued replayed product of 1 x 1 x 1")
		r.do(s.Synchronize())
		r.holds(operand{"c", c, 1, 1, 1, driver.Float32, false}, []float32{2 * values[0] * values[0]}, 1e-6)

		r.do(s.Multiply(plan, o), other.Multiply(plan, o))
		failing(t, synchronize(s, other), "race with product of 1 x 1 x 1")
	}
}

func TestAProductNamesWhatIsWrongWithIt(t *testing.T) {
	r, without := newRig(t, Options{MatMul: true}), newRig(t, Options{MatMul: true})
	m, s := must(r, r.MatMul), r.stream()
	good := driver.Product{Product: kernels.Product{M: 2, N: 3, K: 4}, PitchA: 4, PitchB: 3, PitchC: 3}
	for _, test := range []struct {
		change      func(p *driver.Product)
		want        string
		unsupported bool
	}{
		{func(p *driver.Product) { p.K = 0 }, "sizes of at least 1 expected", false},
		{func(p *driver.Product) { p.PitchA = 3 }, "rows of a lie 3 elements apart and have 4", false},
		{func(p *driver.Product) { p.TransB = true }, "rows of b lie 3 elements apart and have 4", false},
		{func(p *driver.Product) { p.PitchC = 2 }, "rows of c lie 2 elements apart and have 3", false},
		{func(p *driver.Product) { p.Bias, p.BiasElement = true, driver.BFloat16 }, "a bias of another element type", true},
		{func(p *driver.Product) { p.Epilogue, p.Addend = driver.GELU, true }, "an addend or a bias", true},
		{func(p *driver.Product) { p.Epilogue, p.Bias = driver.GELUGrad, true }, "an addend or a bias", true},
	} {
		p := good
		test.change(&p)
		_, err := m.Plan(p, 0)
		failing(t, err, test.want)
		if errors.Is(err, driver.ErrUnsupported) != test.unsupported {
			t.Errorf("%v: ErrUnsupported is %v, expected %v", err, !test.unsupported, test.unsupported)
		}
	}
	plan := r.plan(good, 16)
	o := driver.MatMulOperands{A: r.allocate(32), B: r.allocate(48), C: r.allocate(24), Workspace: r.allocate(16)}
	with := func(f func(o *driver.MatMulOperands)) driver.MatMulOperands {
		o := o
		f(&o)
		return o
	}
	failing(t, s.Multiply(without.plan(good, 0), o), "the plan is not of this GPU")
	failing(t, s.Multiply(plan, with(func(o *driver.MatMulOperands) { o.Bias = o.A })), "bias is given, which the plan does not use")
	failing(t, s.Multiply(plan, with(func(o *driver.MatMulOperands) { o.B += 4 })), "b: 48 bytes at")
	failing(t, s.Multiply(plan, with(func(o *driver.MatMulOperands) { o.Workspace = 0 })), "workspace: 16 bytes at")
	r.do(plan.Close())
	failing(t, s.Multiply(plan, o), "the plan is closed")
	plan = r.plan(good, 16)
	r.do(s.Multiply(plan, o))
	failing(t, s.Synchronize(), "product of 2 x 3 x 4 (stream 0, work 0): a: row 0: copy from the device: byte 0 of 16 was never written")
}

func TestBFloat16IsRoundedToNearestEven(t *testing.T) {
	for x, want := range map[uint32]uint16{
		0x3f800000: 0x3f80, 0x3f808000: 0x3f80, 0x3f818000: 0x3f82, 0x3f808001: 0x3f81, 0x7f7fffff: 0x7f80, 0xff800000: 0xff80, 0x7f800001: 0x7fc0,
	} {
		if got := roundToBFloat16(math.Float32frombits(x)); got != want {
			t.Errorf("%#x becomes %#x, expected %#x", x, got, want)
		}
	}
}
