package ptx

import (
	"slices"
	"strings"
)

// operations says how an instruction is decoded, by its opcode without modifiers. The tables that fill it stand beside what the
// instructions do, in the op_*.go files.
var operations = map[string]func(r *reader){}

// define adds to operations. It is called in the init functions of the op_*.go files.
func define(names string, op func(r *reader)) {
	for _, name := range strings.Fields(names) {
		if operations[name] != nil {
			panic("ptx: two operations are called " + name)
		}
		operations[name] = op
	}
}

// reader decodes one instruction: an operation takes the modifiers from left to right, then the operands, and sets inst and origin.
// What is wrong is kept in err; the first error counts, and what is read after it does not matter. A modifier that the operation
// did not take is an error.
type reader struct {
	*decoder
	names     *names
	statement *statement
	modifiers []string
	inst      inst
	origin    origin
	rows      rowUse
	err       error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = syntaxError(r.statement.line, r.statement.op+": "+format, args...)
	}
}

// has takes the next modifier if it is name.
func (r *reader) has(name string) bool {
	if len(r.modifiers) == 0 || r.modifiers[0] != name {
		return false
	}
	r.modifiers = r.modifiers[1:]
	return true
}

// oneOf takes the next modifier if it is one of choices, separated by spaces, and returns it; "" if it is not.
func (r *reader) oneOf(choices string) string {
	if len(r.modifiers) > 0 && slices.Contains(strings.Fields(choices), r.modifiers[0]) {
		m := r.modifiers[0]
		r.modifiers = r.modifiers[1:]
		return m
	}
	return ""
}

// must is oneOf for a modifier that cannot be left out.
func (r *reader) must(choices string) string {
	m := r.oneOf(choices)
	if m == "" {
		found := "nothing"
		if len(r.modifiers) > 0 {
			found = "." + r.modifiers[0]
		}
		r.fail("one of .%s expected, found %s", strings.ReplaceAll(choices, " ", ", ."), found)
		r.modifiers = nil
	}
	return m
}

// typ takes a type, one of choices.
func (r *reader) typ(choices string) scalar {
	return scalarNames[r.must(choices)]
}

// want checks the number of operands.
func (r *reader) want(n int) bool {
	if len(r.statement.args) != n {
		r.fail("%d operands expected, found %d", n, len(r.statement.args))
		return false
	}
	return r.err == nil
}

// target returns the row of a result. wider allows a register that has more bits than the type, as ld and cvt do.
func (r *reader) target(a arg, t scalar, wider bool) int32 {
	if a.kind == nameArg && a.name == "_" && a.second == "" {
		return r.newRow() // a sink: nobody reads it
	}
	reg, ok := r.names.register(a.name, r.decoder)
	if a.kind != nameArg || a.not || !ok || reg.typ == predicate {
		r.fail("a register expected for a result")
		return noRow
	}
	r.fits(a.name, reg.typ, t, wider)
	r.rows.written = append(r.rows.written, reg.at)
	return reg.at
}

// fits checks a register's type against an instruction's: the sizes must agree, or the register's may be larger if wider is set,
// and an integer register holds no float.
func (r *reader) fits(name string, reg, t scalar, wider bool) {
	if reg.bytes() != t.bytes() && !(wider && reg.bytes() > t.bytes()) || reg.integer() && t.float() || reg.float() && t.integer() {
		r.fail("register %s is %v, and %v is expected", name, reg, t)
	}
}

// d returns the row of the result, operand 0.
func (r *reader) d(t scalar) int32 {
	if r.err != nil {
		return noRow
	}
	a := r.statement.args[0]
	if a.second != "" {
		r.fail("a single result expected")
	}
	return r.target(a, t, false)
}

// s returns the row of source operand i: a register, an immediate, a special register or a variable's address.
func (r *reader) s(i int, t scalar) int32 {
	if r.err != nil {
		return noRow
	}
	return r.source(r.statement.args[i], t, false)
}

func (r *reader) source(a arg, t scalar, wider bool) int32 {
	if a.second != "" || a.not {
		r.fail("a register or number expected")
		return noRow
	}
	switch a.kind {
	case numberArg:
		return r.immediate(a, t)
	case nameArg:
		if reg, ok := r.names.register(a.name, r.decoder); ok {
			if reg.typ == predicate {
				r.fail("%s is a predicate, and %v is expected", a.name, t)
			}
			r.fits(a.name, reg.typ, t, wider)
			r.rows.read = append(r.rows.read, reg.at)
			return reg.at
		}
		if at, typ, ok := r.special(a.name); ok {
			r.fits(a.name, typ, t, wider)
			return at
		}
		if p := r.names.variable(a.name); p != nil {
			base := r.statement.base()
			if base != "mov" && base != "cvta" || t.bits() < 32 || t.float() || p.space == global && t.bits() < 64 {
				r.fail("the address of %s can be moved to a register by mov alone", a.name)
			}
			return r.address(p)
		}
		r.fail("%s is not declared", a.name)
		return noRow
	}
	r.fail("a register or number expected")
	return noRow
}

// immediate returns the row of a number. It must fit the type, as a signed or an unsigned number.
func (r *reader) immediate(a arg, t scalar) int32 {
	if a.float != 0 && (a.float != t.bits() || t.integer()) || a.float == 0 && t.float() && t.bits() >= 32 && t != f16x2 && t != bf16x2 {
		r.fail("%#x is no number of type %v", a.number, t)
	}
	if t.bits() == 64 {
		return r.constant(a.number)
	}
	if high := int64(a.number) >> t.bits(); high != 0 && int64(a.number)>>(t.bits()-1) != -1 {
		r.fail("number %d does not fit %v", int64(a.number), t)
	}
	return r.constant(a.number & ones(t.bits()))
}

// predicateTarget returns the predicate register of a result.
func (r *reader) predicateTarget(name string) int32 {
	reg, ok := r.names.register(name, r.decoder)
	if name == "_" {
		r.program.predicates++
		return int32(r.program.predicates - 1)
	}
	if !ok || reg.typ != predicate {
		r.fail("%s is not a predicate register", name)
	}
	return reg.at
}

// p returns the predicate of source operand i, and whether it is negated.
func (r *reader) p(i int) (at int32, not bool) {
	if r.err != nil {
		return 0, false
	}
	a := r.statement.args[i]
	if a.kind == numberArg && a.float == 0 {
		if a.number == 0 {
			return falsePredicate, false
		}
		return truePredicate, false
	}
	if a.kind != nameArg || a.second != "" {
		r.fail("a predicate register expected")
		return 0, false
	}
	return r.predicateTarget(a.name), a.not
}

// count says what a lane's work is, for the counters.
func (r *reader) count(k work, flops float64) { r.origin.work, r.origin.flops = k, flops }

// apply sets what the instruction does.
func (r *reader) apply(run func(w *warp, in *inst, mask uint32)) { r.inst.run = run }

// lanewise sets what the instruction does to each lane alone.
func (r *reader) lanewise(f rowFunc) { r.inst.compute = f }
