package emulated

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"trainer/internal/cuda/driver"
	"trainer/internal/ptx"
	"trainer/internal/ref"
)

// matMul stands in for a vendor's library of matrix products: the formulas of package ref on matrices in device memory.
type matMul struct{ device *Device }

// plan is a prepared product.
type plan struct {
	device    *Device
	product   driver.Product
	workspace int
	resource
}

func (d *Device) MatMul() (m driver.MatMul, err error) {
	err = d.call(func() error {
		if !d.options.MatMul {
			return errors.New("the emulated GPU has no cuBLASLt")
		}
		m = matMul{d}
		return nil
	})
	return m, err
}

func (matMul) Name() string { return "matrix products in Go" }

func (m matMul) Plan(p driver.Product, workspace int) (prepared driver.MatMulPlan, err error) {
	err = m.device.call(func() error {
		pl := &plan{m.device, p, workspace, resource{name: fmt.Sprintf("the plan of a product of %d x %d x %d", p.M, p.N, p.K)}}
		switch {
		case p.M < 1 || p.N < 1 || p.K < 1 || workspace < 0:
			return fmt.Errorf("product %+v in %d bytes of workspace: sizes of at least 1 expected", p, workspace)
		case p.Bias && p.BiasElement != p.Out:
			return fmt.Errorf("%w: a bias of another element type than the product, %+v", driver.ErrUnsupported, p)
		case p.Epilogue == driver.GELU && p.Addend, p.Epilogue == driver.GELUGrad && (p.Addend || p.Bias):
			return fmt.Errorf("%w: an addend or a bias with this epilogue, %+v", driver.ErrUnsupported, p)
		}
		for _, x := range pl.operands(driver.MatMulOperands{}) {
			if x.pitch < x.columns {
				return fmt.Errorf("product %+v: rows of %s lie %d elements apart and have %d", p, x.name, x.pitch, x.columns)
			}
		}
		prepared = pl
		return nil
	})
	return prepared, err
}

func (p *plan) Close() error {
	return p.device.call(func() error { return p.device.release(&p.resource) })
}

// operand is a matrix of a product in device memory.
type operand struct {
	name                 string
	at                   driver.Pointer
	rows, columns, pitch int
	element              driver.Element
	writes               bool
}

// operands returns what a product reads and writes.
func (p *plan) operands(o driver.MatMulOperands) []operand {
	q := p.product
	a := operand{"a", o.A, q.M, q.K, q.PitchA, q.In, false}
	if q.TransA {
		a.rows, a.columns = a.columns, a.rows
	}
	b := operand{"b", o.B, q.K, q.N, q.PitchB, q.In, false}
	if q.TransB {
		b.rows, b.columns = b.columns, b.rows
	}
	all := []operand{a, b, {"c", o.C, q.M, q.N, q.PitchC, q.Out, true}}
	if q.Bias {
		all = append(all, operand{"bias", o.Bias, 1, q.N, q.N, q.BiasElement, false})
	}
	if q.Addend {
		all = append(all, operand{"addend", o.Addend, q.M, q.N, q.PitchC, q.Out, false})
	}
	if q.Epilogue != driver.Plain {
		all = append(all, operand{"pre", o.Pre, q.M, q.N, q.PitchC, q.Out, q.Epilogue == driver.GELU})
	}
	if p.workspace > 0 {
		all = append(all, operand{"workspace", o.Workspace, 1, p.workspace / 4, p.workspace / 4, driver.Float32, true})
	}
	return all
}

func (x operand) row(i int) (at ptx.Address, bytes int) {
	return ptx.Address(x.at) + ptx.Address(i*x.pitch*x.element.Size()), x.columns * x.element.Size()
}

func (s *stream) Multiply(mp driver.MatMulPlan, o driver.MatMulOperands) error {
	return s.call(func() error {
		p, ok := mp.(*plan)
		switch {
		case !ok || p.device != s.device:
			return errors.New("Multiply: the plan is not of this GPU")
		case p.gone:
			return errors.New("Multiply: the plan is closed")
		}
		t := &task{name: fmt.Sprintf("product of %d x %d x %d", p.product.M, p.product.N, p.product.K), uses: []*resource{&p.resource}}
		given := map[string]driver.Pointer{"bias": o.Bias, "addend": o.Addend, "pre": o.Pre, "workspace": o.Workspace}
		operands := p.operands(o)
		for _, x := range operands {
			delete(given, x.name)
			last, bytes := x.row(x.rows - 1)
			r, err := s.device.reach(x.at, int(last)-int(x.at)+bytes)
			if err != nil {
				return fmt.Errorf("%s: %s: %w", t.name, x.name, err)
			}
			t.uses = append(t.uses, r)
			for i := range x.rows {
				at, n := x.row(i)
				t.touched = append(t.touched, span(at, n, x.writes))
			}
		}
		for name, at := range given {
			if at != 0 {
				return fmt.Errorf("%s: %s is given, which the plan does not use: 0 expected", t.name, name)
			}
		}
		t.touched = inOrder(t.touched...)
		t.run = func(*task) error { return p.multiply(operands) }
		s.push(t)
		return nil
	})
}

// multiply computes a product. The workspace is overwritten: nobody may keep anything there.
func (p *plan) multiply(operands []operand) error {
	q := p.product
	in := map[string][]float32{}
	for _, x := range operands {
		if x.writes {
			continue
		}
		values, err := p.device.read(x)
		if err != nil {
			return fmt.Errorf("%s: %w", x.name, err)
		}
		in[x.name] = values
	}
	c := make([]float32, q.M*q.N)
	ref.MatMul(c, in["a"], in["b"], in["bias"], q.M, q.N, q.K, q.TransA, q.TransB)
	out := map[string][]float32{"c": c, "workspace": slices.Repeat([]float32{math.Float32frombits(poison)}, p.workspace/4)}
	switch q.Epilogue {
	case driver.GELU:
		out["pre"] = slices.Clone(c)
		ref.GELU(c, c)
	case driver.GELUGrad:
		ref.GELUGrad(c, in["pre"], c)
	}
	if q.Addend {
		ref.Add(c, c, in["addend"])
	}
	for _, x := range operands {
		if !x.writes {
			continue
		}
		if err := p.device.write(x, out[x.name]); err != nil {
			return fmt.Errorf("%s: %w", x.name, err)
		}
	}
	return nil
}

// read returns the elements of a matrix, without the gaps between its rows.
func (d *Device) read(x operand) ([]float32, error) {
	values := make([]float32, 0, x.rows*x.columns)
	for i := range x.rows {
		at, n := x.row(i)
		raw := make([]byte, n)
		if err := d.gpu.CopyOut(raw, at); err != nil {
			return nil, fmt.Errorf("row %d: %w", i, err)
		}
		for ; len(raw) > 0; raw = raw[x.element.Size():] {
			bits := uint32(0)
			if x.element == driver.BFloat16 {
				bits = uint32(binary.LittleEndian.Uint16(raw)) << 16
			} else {
				bits = binary.LittleEndian.Uint32(raw)
			}
			values = append(values, math.Float32frombits(bits))
		}
	}
	return values, nil
}

// write sets the elements of a matrix and leaves the gaps between its rows.
func (d *Device) write(x operand, values []float32) error {
	for i := range x.rows {
		at, n := x.row(i)
		raw := make([]byte, 0, n)
		for _, v := range values[i*x.columns : (i+1)*x.columns] {
			if x.element == driver.BFloat16 {
				raw = binary.LittleEndian.AppendUint16(raw, roundToBFloat16(v))
			} else {
				raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
			}
		}
		if err := d.gpu.CopyIn(at, raw); err != nil {
			return fmt.Errorf("row %d: %w", i, err)
		}
	}
	return nil
}

// roundToBFloat16 rounds to the nearest bfloat16, ties to even; NaN stays NaN.
func roundToBFloat16(x float32) uint16 {
	bits := math.Float32bits(x)
	if x != x {
		return uint16(bits>>16) | 1<<6
	}
	return uint16((bits + 0x7fff + bits>>16&1) >> 16)
}
