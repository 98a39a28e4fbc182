//go:build gpu && cgo && linux && amd64

package native_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"trainer/internal/cuda/driver"
	"trainer/internal/cuda/kernels"
	"trainer/internal/ref"
)

// matrix is a row-major matrix whose rows lie a pitch apart, with rubbish between them.
type matrix struct {
	rows, columns, pitch int
	element              driver.Element
	values               []float32 // [rows, columns]
}

// newMatrix has numbers that bfloat16 holds exactly. Its pitch is that of the kernels' matrices, and 8 elements more.
func newMatrix(random *rand.Rand, rows, columns int, e driver.Element) matrix {
	m := matrix{rows, columns, kernels.PitchBF16(columns) + 8, e, make([]float32, rows*columns)}
	for i := range m.values {
		m.values[i] = float32(random.IntN(17)-8) / 8
	}
	return m
}

// upload copies a matrix to the device.
func (m matrix) upload(r *rig) driver.Pointer {
	wide := make([]float32, m.rows*m.pitch)
	for i := range wide {
		wide[i] = float32(math.NaN())
	}
	for i := range m.rows {
		copy(wide[i*m.pitch:], m.values[i*m.columns:][:m.columns])
	}
	if m.element == driver.Float32 {
		return r.upload(wide)
	}
	narrow := make([]uint16, len(wide))
	for i, x := range wide {
		narrow[i] = uint16(math.Float32bits(x) >> 16)
	}
	return r.upload(narrow)
}

// download reads the values of a matrix from the device.
func (m matrix) download(r *rig, p driver.Pointer) []float32 {
	wide := make([]float32, m.rows*m.pitch)
	if m.element == driver.Float32 {
		r.download(p, wide)
	} else {
		narrow := make([]uint16, len(wide))
		r.download(p, narrow)
		for i, x := range narrow {
			wide[i] = math.Float32frombits(uint32(x) << 16)
		}
	}
	values := make([]float32, 0, m.rows*m.columns)
	for i := range m.rows {
		values = append(values, wide[i*m.pitch:][:m.columns]...)
	}
	return values
}

// TestProductsAreThoseOfTheReference holds each kind of product that a transformer needs, in each transposition, to package ref.
func TestProductsAreThoseOfTheReference(t *testing.T) {
	kinds := []driver.Product{
		{In: driver.Float32, Out: driver.Float32},
		{In: driver.Float32, Out: driver.Float32, Bias: true},
		{In: driver.BFloat16, Out: driver.BFloat16, Bias: true, BiasElement: driver.BFloat16},
		{In: driver.BFloat16, Out: driver.Float32, Addend: true},
		{In: driver.BFloat16, Out: driver.Float32, Bias: true, Addend: true},
		{In: driver.BFloat16, Out: driver.BFloat16, Bias: true, BiasElement: driver.BFloat16, Epilogue: driver.GELU},
		{In: driver.BFloat16, Out: driver.BFloat16, Epilogue: driver.GELU},
		{In: driver.BFloat16, Out: driver.BFloat16, Epilogue: driver.GELUGrad},
	}
	r := newRig(t)
	defer r.close()
	for _, p := range kinds {
		p.M, p.N, p.K = 5, 11, 7
		for _, p.TransA = range []bool{false, true} {
			for _, p.TransB = range []bool{false, true} {
				t.Run(fmt.Sprintf("%+v", p), func(t *testing.T) {
					on := *r
					on.TB = t
					on.holds(p)
				})
			}
		}
	}
}

// holds makes a product and compares it.
func (r *rig) holds(p driver.Product) {
	random := rand.New(rand.NewPCG(1, 1))
	sides := func(rows, columns int, transposed bool) (int, int) {
		if transposed {
			return columns, rows
		}
		return rows, columns
	}
	rowsA, columnsA := sides(p.M, p.K, p.TransA)
	rowsB, columnsB := sides(p.K, p.N, p.TransB)
	a, b := newMatrix(random, rowsA, columnsA, p.In), newMatrix(random, rowsB, columnsB, p.In)
	c, bias := newMatrix(random, p.M, p.N, p.Out), newMatrix(random, 1, p.N, p.BiasElement)
	addend, pre := newMatrix(random, p.M, p.N, p.Out), newMatrix(random, p.M, p.N, p.Out)
	p.PitchA, p.PitchB, p.PitchC = a.pitch, b.pitch, c.pitch

	want := make([]float32, p.M*p.N)
	var biasValues []float32
	o := driver.MatMulOperands{A: a.upload(r), B: b.upload(r), C: c.upload(r)}
	if p.Bias {
		o.Bias, biasValues = bias.upload(r), bias.values
	}
	ref.MatMul(want, a.values, b.values, biasValues, p.M, p.N, p.K, p.TransA, p.TransB)
	wantPre := append([]float32(nil), want...)
	if p.Addend {
		o.Addend = addend.upload(r)
		ref.Add(want, want, addend.values)
	}
	switch p.Epilogue {
	case driver.GELU:
		o.Pre = pre.upload(r)
		ref.GELU(want, want)
	case driver.GELUGrad:
		o.Pre = pre.upload(r)
		ref.GELUGrad(want, pre.values, want)
	}
	const workspace = 1 << 10
	o.Workspace = r.room(workspace)

	library, err := r.MatMul()
	r.must(err)
	plan, err := library.Plan(p, workspace)
	if errors.Is(err, driver.ErrUnsupported) && !onFake {
		r.Skip(err)
	}
	r.must(err)
	r.must(r.stream.Multiply(plan, o))
	within := map[driver.Element]float32{driver.Float32: 1e-6, driver.BFloat16: 1. / 256}[p.Out]
	if got := c.download(r, o.C); !near(got, want, within) {
		r.Errorf("c is %v, expected %v", got, want)
	}
	if p.Epilogue == driver.GELU {
		if got := pre.download(r, o.Pre); !near(got, wantPre, within) {
			r.Errorf("pre is %v, expected %v", got, wantPre)
		}
	}
	r.must(plan.Close())
}

func TestLibraryIsNamedAndSaysWhatItLacksAndWhatFailed(t *testing.T) {
	needsFake(t)
	r := newRig(t)
	defer r.close()
	library, err := r.MatMul()
	r.must(err)
	if library.Name() != "cuBLASLt 12.9.1" {
		t.Errorf("the library is %q, expected cuBLASLt 12.9.1", library.Name())
	}
	p := driver.Product{Product: kernels.Product{M: 8, N: 8, K: 8}, PitchA: 8, PitchB: 8, PitchC: 8}
	gelu, bias := p, p
	gelu.Epilogue, gelu.Addend = driver.GELU, true
	bias.Bias, bias.BiasElement = true, driver.BFloat16
	for _, lacking := range []driver.Product{gelu, bias} {
		if _, err := library.Plan(lacking, 0); !errors.Is(err, driver.ErrUnsupported) {
			t.Errorf("%+v: error %v, expected ErrUnsupported", lacking, err)
		}
	}
	plan, err := library.Plan(p, 0)
	r.must(err)
	if err := r.stream.Multiply(plan, driver.MatMulOperands{}); err == nil || !strings.Contains(err.Error(), "cuBLASLt status 13") {
		t.Errorf("a product of no matrices: error %v, expected status 13 of cuBLASLt", err)
	}
	r.must(plan.Close())
}
