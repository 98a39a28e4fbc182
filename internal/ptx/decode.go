package ptx

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
)

// decode turns the entries of a module into programs. Calls are expanded: each call of a .func becomes a copy of its body, so that
// a program needs no stack.
func decode(m *module, globals map[string]*placed) ([]*program, error) {
	functions := map[string]*function{}
	for _, f := range m.functions {
		if other := functions[f.name]; other != nil && other.body != nil {
			if f.body != nil {
				return nil, syntaxError(f.line, "function %s is already defined at line %d", f.name, other.line)
			}
			continue
		}
		functions[f.name] = f
	}
	top := &names{variables: maps.Clone(globals), scope: &scope{}}
	var programs []*program
	for _, f := range m.functions {
		if !f.entry || f.body == nil {
			continue
		}
		d := &decoder{program: &program{name: f.name, line: f.line, maxThreads: f.maxThreads, threads: f.threads}, functions: functions}
		if err := d.kernel(m, f, top); err != nil {
			return nil, fmt.Errorf("kernel %s: %w", f.name, err)
		}
		programs = append(programs, d.program)
	}
	return programs, nil
}

// decoder decodes one kernel.
type decoder struct {
	program   *program
	functions map[string]*function
	constants map[uint64]int32
	specials  map[string]int32
	dynamic   []int    // indices of the constants that hold the address of extern shared memory
	rows      []rowUse // of each instruction
	jumps     []jump
	reached   int      // the latest place that a label has
	calls     []string // functions that are being expanded, to refuse recursion
	end       *label   // of the function that is being expanded; nil in the kernel
}

// names is what a scope declares, with the place of each name; outer scopes' names are seen too.
type names struct {
	outer     *names
	scope     *scope
	registers map[string]register
	variables map[string]*placed
	labels    map[string]*label
}

// register is a declared register's type and its row, or its number among the predicates.
type register struct {
	typ scalar
	at  int32
}

// label is a place in the code; -1 until it is found.
type label struct{ pc int }

// jump is a branch whose target is filled in at the end.
type jump struct {
	pc int
	to *label
}

const (
	noRow          = 0 // row 0 belongs to no register
	falsePredicate = 0
	truePredicate  = 1
)

// kernel decodes an entry.
func (d *decoder) kernel(m *module, f *function, top *names) error {
	p := d.program
	d.constants, d.specials = map[uint64]int32{}, map[string]int32{}
	p.rows, p.predicates = 1, 2
	p.grain = [2]uint{2, 2}
	n := &names{outer: top, scope: &scope{}, variables: map[string]*placed{}}
	for _, v := range m.variables {
		if v.space == shared {
			n.variables[v.name] = &placed{variable: v, space: shared, address: unplaced}
		}
	}
	for _, v := range f.params {
		p.paramBytes = alignUp(p.paramBytes, v.align)
		place := &placed{variable: v, space: param, address: uint64(p.paramBytes)}
		p.paramBytes += v.size
		p.params = append(p.params, place)
		n.variables[v.name] = place
	}
	if p.paramBytes > maxParameters {
		return syntaxError(f.line, "the parameters take %d bytes, and at most %d are possible", p.paramBytes, maxParameters)
	}
	if err := d.scope(f.body, n); err != nil {
		return err
	}
	if n := len(p.code); n == 0 || p.code[n-1].flow != exit || p.code[n-1].guard >= 0 || d.reached == n {
		d.emit(inst{flow: exit, guard: -1}, origin{line: f.line, op: "end"}, rowUse{})
	}
	p.dynamic = alignUp(p.shared, 16)
	for _, i := range d.dynamic {
		p.constants[i].value = uint64(p.dynamic)
	}
	for _, j := range d.jumps {
		p.code[j.pc].target = int32(j.to.pc)
	}
	p.initial = make([]row, p.rows)
	for i := range p.initial {
		p.initial[i] = filled(unsetRegister)
	}
	for _, c := range p.constants {
		p.initial[c.row] = filled(c.value)
	}
	p.unset = d.readBeforeWritten()
	return nil
}

// filled returns a row with the same value in all lanes.
func filled(value uint64) row {
	var r row
	for lane := range r {
		r[lane] = value
	}
	return r
}

// unplaced is the address of a shared variable that no instruction has named yet.
const unplaced = 1<<64 - 1

func alignUp(n, to int) int { return (n + to - 1) / to * to }

// scope decodes the statements between two braces.
func (d *decoder) scope(s *scope, outer *names) error {
	n := &names{
		outer: outer, scope: s, registers: map[string]register{}, variables: map[string]*placed{}, labels: map[string]*label{},
	}
	for name := range s.labels {
		n.labels[name] = &label{-1}
	}
	for _, v := range s.variables {
		place := &placed{variable: v, space: v.space, address: unplaced}
		switch v.space {
		case shared:
		case local, param: // what a call passes lies in local memory
			place.space = local
			d.program.local = alignUp(d.program.local, v.align)
			place.address = uint64(d.program.local)
			d.program.local += v.size
		default:
			return syntaxError(v.line, "variable %s in a function: .shared, .local and .param are supported", v.name)
		}
		n.variables[v.name] = place
	}
	for _, st := range s.statements {
		var err error
		switch {
		case st.nested != nil:
			err = d.scope(st.nested, n)
		case st.label != "":
			d.put(n.labels[st.label])
		case st.base() == "call":
			err = d.call(st, n)
		default:
			err = d.instruction(st, n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// call expands call.uni (results), function, (arguments): the parameters are the caller's .param variables under other names.
func (d *decoder) call(st *statement, n *names) error {
	if st.op != "call.uni" && st.op != "call" || st.guard != "" {
		return syntaxError(st.line, "%s: only an unconditional call of a named function is supported", st.op)
	}
	args := st.args
	var results, params []arg
	if len(args) > 0 && args[0].kind == listArg {
		results, args = args[0].list, args[1:]
	}
	if len(args) == 0 || args[0].kind != nameArg {
		return syntaxError(st.line, "call: the name of a function expected")
	}
	if len(args) > 1 {
		params = args[1].list
	}
	f := d.functions[args[0].name]
	if f == nil || f.body == nil || len(args) > 2 {
		return syntaxError(st.line, "call of %s: not a function that is defined here", args[0].name)
	}
	for _, name := range d.calls {
		if name == f.name {
			return syntaxError(st.line, "call of %s: recursion is not supported", f.name)
		}
	}
	if len(results) != len(f.results) || len(params) != len(f.params) {
		return syntaxError(st.line, "call of %s: %d results and %d parameters expected", f.name, len(f.results), len(f.params))
	}
	inside := &names{outer: n.outermost(), scope: &scope{}, variables: map[string]*placed{}}
	formal := append(append([]*variable{}, f.results...), f.params...)
	for i, a := range append(append([]arg{}, results...), params...) {
		actual := n.variable(a.name)
		if a.kind != nameArg || actual == nil || actual.space != local || actual.size != formal[i].size {
			return syntaxError(st.line, "call of %s: a .param variable of %d bytes expected for %s", f.name, formal[i].size, formal[i].name)
		}
		inside.variables[formal[i].name] = actual
	}
	end := d.end
	d.end = &label{-1}
	d.calls = append(d.calls, f.name)
	if err := d.scope(f.body, inside); err != nil {
		return fmt.Errorf("in %s, called at line %d: %w", f.name, st.line, err)
	}
	d.calls = d.calls[:len(d.calls)-1]
	d.put(d.end)
	d.end = end
	return nil
}

// instruction decodes one instruction by the table of its opcode.
func (d *decoder) instruction(st *statement, n *names) error {
	base, modifiers, _ := strings.Cut(st.op, ".")
	op, known := operations[base]
	if !known {
		return syntaxError(st.line, "unknown instruction %s", st.op)
	}
	r := &reader{decoder: d, names: n, statement: st, inst: inst{guard: -1}, origin: origin{line: st.line, op: st.op}}
	if modifiers != "" {
		r.modifiers = strings.Split(modifiers, ".")
	}
	if st.guard != "" {
		reg, ok := n.register(st.guard, d)
		if !ok || reg.typ != predicate {
			return syntaxError(st.line, "%s is not a predicate register", st.guard)
		}
		r.inst.guard, r.inst.guardNot = reg.at, st.guardNot
	}
	op(r)
	if len(r.modifiers) > 0 {
		r.fail("modifier .%s is unknown, or not supported here", r.modifiers[0])
	}
	if r.err != nil {
		return r.err
	}
	if r.inst.run == nil && r.inst.compute == nil && r.inst.flow == onward {
		return nil // it does nothing: a hint, a fence
	}
	d.emit(r.inst, r.origin, r.rows)
	return nil
}

func (d *decoder) emit(in inst, o origin, rows rowUse) {
	d.program.code = append(d.program.code, in)
	d.program.origins = append(d.program.origins, o)
	d.rows = append(d.rows, rows)
}

// put gives a label the place of the next instruction.
func (d *decoder) put(l *label) {
	l.pc = len(d.program.code)
	d.reached = l.pc
}

func (d *decoder) newRow() int32 {
	d.program.rows++
	return int32(d.program.rows - 1)
}

// constant returns a row that holds value in all lanes.
func (d *decoder) constant(value uint64) int32 {
	if at, ok := d.constants[value]; ok {
		return at
	}
	at := d.newRow()
	d.constants[value] = at
	d.program.constants = append(d.program.constants, constantRow{at, value})
	return at
}

// special returns the row of a special register, and its type.
func (d *decoder) special(name string) (int32, scalar, bool) {
	s, ok := specialRegisters[name]
	if !ok {
		return 0, noType, false
	}
	at, ok := d.specials[name]
	if !ok {
		at = d.newRow()
		d.specials[name] = at
		d.program.specials = append(d.program.specials, specialRow{at, s.value})
	}
	return at, s.typ, true
}

// address returns a row that holds the address of a variable in its space, placing shared variables on first use.
func (d *decoder) address(p *placed) int32 {
	if p.space == shared && p.extern {
		at := d.newRow()
		d.dynamic = append(d.dynamic, len(d.program.constants))
		d.program.constants = append(d.program.constants, constantRow{row: at})
		return at
	}
	if p.space == shared && p.address == unplaced {
		d.program.shared = alignUp(d.program.shared, p.align)
		p.address = uint64(d.program.shared)
		d.program.shared += p.size
	}
	return d.constant(p.address)
}

// outermost is the names that all functions see.
func (n *names) outermost() *names {
	for n.outer != nil && n.outer.outer != nil {
		n = n.outer
	}
	return n
}

// variable returns the variable of that name, or nil.
func (n *names) variable(name string) *placed {
	for ; n != nil; n = n.outer {
		if p := n.variables[name]; p != nil {
			return p
		}
	}
	return nil
}

// label returns the label of that name, or nil.
func (n *names) label(name string) *label {
	for ; n != nil; n = n.outer {
		if l := n.labels[name]; l != nil {
			return l
		}
	}
	return nil
}

// register returns the declared register of that name, giving it a place on first use.
func (n *names) register(name string, d *decoder) (register, bool) {
	for ; n != nil; n = n.outer {
		if r, ok := n.registers[name]; ok {
			return r, true
		}
		typ, ok := n.scope.declares(name)
		if !ok {
			continue
		}
		r := register{typ: typ}
		if typ == predicate {
			r.at = int32(d.program.predicates)
			d.program.predicates++
		} else {
			r.at = d.newRow()
		}
		n.registers[name] = r
		return r, true
	}
	return register{}, false
}

// declares returns the type that the scope declares a register with.
func (s *scope) declares(name string) (scalar, bool) {
	if typ, ok := s.registers[name]; ok {
		return typ, true
	}
	for _, r := range s.ranges {
		if number, ok := strings.CutPrefix(name, r.prefix); ok {
			if i, err := strconv.Atoi(number); err == nil && i >= 0 && i < r.count && strconv.Itoa(i) == number {
				return r.typ, true
			}
		}
	}
	return noType, false
}
