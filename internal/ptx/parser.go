package ptx

import (
	"encoding/binary"
	"math"
	"slices"
	"strconv"
	"strings"
)

// parse reads PTX text into a module. It knows the grammar; names and opcodes are looked up by decode.
func parse(text string) (*module, error) {
	tokens, err := lex(text)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens}
	m, err := p.module()
	if err != nil {
		return nil, err
	}
	return m, nil
}

// parser walks over tokens. Its methods read one construct each.
type parser struct {
	tokens []token
	next   int
}

func (p *parser) peek() token { return p.tokens[p.next] }

func (p *parser) take() token {
	t := p.tokens[p.next]
	if t.kind != endToken {
		p.next++
	}
	return t
}

// accept takes the next token if it is text.
func (p *parser) accept(text string) bool {
	t := p.peek()
	if t.text != text || t.kind == stringToken || t.kind == endToken {
		return false
	}
	p.next++
	return true
}

func (p *parser) expect(text string) error {
	if !p.accept(text) {
		return syntaxError(p.peek().line, "%q expected, found %v", text, p.peek())
	}
	return nil
}

func (p *parser) word(what string) (token, error) {
	t := p.take()
	if t.kind != wordToken {
		return t, syntaxError(t.line, "%s expected, found %v", what, t)
	}
	return t, nil
}

// integer reads a small number that counts something: bytes, threads, registers.
func (p *parser) integer(what string) (int, error) {
	t := p.take()
	bits, float, ok := parseNumber(t.text)
	if t.kind != numberToken || !ok || float != 0 || bits > 1<<40 {
		return 0, syntaxError(t.line, "%s expected, found %v", what, t)
	}
	return int(bits), nil
}

// parseNumber reads an integer (decimal, 0x, 0b, octal, with or without a U) or the bits of a float (0f and 8 hexadecimal digits,
// 0d and 16); float is 32 or 64 for the latter.
func parseNumber(text string) (bits uint64, float int, ok bool) {
	if len(text) == 10 && (text[1] == 'f' || text[1] == 'F') && text[0] == '0' {
		bits, err := strconv.ParseUint(text[2:], 16, 32)
		return bits, 32, err == nil
	}
	if len(text) == 18 && (text[1] == 'd' || text[1] == 'D') && text[0] == '0' {
		bits, err := strconv.ParseUint(text[2:], 16, 64)
		return bits, 64, err == nil
	}
	bits, err := strconv.ParseUint(strings.TrimSuffix(text, "U"), 0, 64)
	return bits, 0, err == nil && !strings.Contains(text, "_")
}

func (p *parser) module() (*module, error) {
	if err := p.header(); err != nil {
		return nil, err
	}
	m := &module{}
	for p.peek().kind != endToken {
		var external bool
		for {
			if p.accept(".extern") {
				external = true
			} else if !p.accept(".visible") && !p.accept(".weak") {
				break
			}
		}
		switch t := p.peek(); t.text {
		case ".entry", ".func":
			f, err := p.function()
			if err != nil {
				return nil, err
			}
			m.functions = append(m.functions, f)
		case ".global", ".const", ".shared":
			v, err := p.variable(external)
			if err != nil {
				return nil, err
			}
			if err := p.expect(";"); err != nil {
				return nil, err
			}
			m.variables = append(m.variables, v)
		default:
			return nil, syntaxError(t.line, "unknown directive %v: .entry, .func, .global, .const or .shared expected", t)
		}
	}
	return m, nil
}

// header reads .version, .target and .address_size, which PTX begins with.
func (p *parser) header() error {
	if err := p.expect(".version"); err != nil {
		return err
	}
	version := p.take()
	if major, _, _ := strings.Cut(version.text, "."); major != "7" && major != "8" {
		return syntaxError(version.line, "PTX version %s is not supported: 7.0 to 8.8 are", version.text)
	}
	if err := p.expect(".target"); err != nil {
		return err
	}
	supported := []string{"sm_70", "sm_72", "sm_75", "sm_80"}
	if target := p.take(); !slices.Contains(supported, target.text) {
		return syntaxError(target.line, "target %s is not supported: %s are", target.text, strings.Join(supported, ", "))
	}
	if err := p.expect(".address_size"); err != nil {
		return err
	}
	return p.expect("64")
}

// variable reads a declaration up to its semicolon, comma or parenthesis: .shared .align 16 .b8 tile[1024]
func (p *parser) variable(external bool) (*variable, error) {
	t := p.take()
	v := &variable{line: t.line, space: spaceNames[strings.TrimPrefix(t.text, ".")], extern: external}
	if p.accept(".align") {
		n, err := p.integer("an alignment in bytes")
		if err != nil {
			return nil, err
		}
		if n == 0 || n&(n-1) != 0 {
			return nil, syntaxError(t.line, "alignment %d is not a power of 2", n)
		}
		v.align = n
	}
	typ, err := p.word("a type")
	if err != nil {
		return nil, err
	}
	v.typ = scalarNames[strings.TrimPrefix(typ.text, ".")]
	if v.typ.bytes() == 0 {
		return nil, syntaxError(typ.line, "unknown type %v of a variable", typ)
	}
	name, err := p.word("a variable's name")
	if err != nil {
		return nil, err
	}
	v.name, v.size, v.align = name.text, v.typ.bytes(), max(v.align, v.typ.bytes())
	if p.accept("[") {
		if p.peek().text == "]" {
			if !external {
				return nil, syntaxError(v.line, "array %s has no size and is not .extern", v.name)
			}
			v.size = 0
		} else {
			n, err := p.integer("a number of elements")
			if err != nil {
				return nil, err
			}
			v.size *= n
		}
		if err := p.expect("]"); err != nil {
			return nil, err
		}
	}
	if p.accept("=") {
		if v.space != global && v.space != constant {
			return nil, syntaxError(v.line, "variable %s cannot have an initial value: it is .%v, not .global or .const", v.name, v.space)
		}
		if err := p.initialiser(v); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// initialiser reads one number, or a list in braces of at most as many as v has elements; the rest is zero.
func (p *parser) initialiser(v *variable) error {
	v.data = make([]byte, v.size)
	list := p.accept("{")
	for at := 0; ; at += v.typ.bytes() {
		a, err := p.operand()
		if err != nil {
			return err
		}
		if a.kind != numberArg || at >= v.size || a.float != 0 && a.float != v.typ.bits() {
			return syntaxError(v.line, "the initial value of %s must be at most %d numbers of its type", v.name, v.size/v.typ.bytes())
		}
		var value [8]byte
		binary.LittleEndian.PutUint64(value[:], a.number)
		copy(v.data[at:], value[:v.typ.bytes()])
		if !list || !p.accept(",") {
			break
		}
	}
	if list {
		return p.expect("}")
	}
	return nil
}

// function reads an .entry or .func with its parameters, limits and body.
func (p *parser) function() (*function, error) {
	t := p.take()
	f := &function{line: t.line, entry: t.text == ".entry"}
	if !f.entry && p.peek().text == "(" {
		results, err := p.params()
		if err != nil {
			return nil, err
		}
		f.results = results
	}
	name, err := p.word("a function's name")
	if err != nil {
		return nil, err
	}
	f.name = name.text
	if p.peek().text == "(" {
		if f.params, err = p.params(); err != nil {
			return nil, err
		}
	}
	if err := p.limits(f); err != nil {
		return nil, err
	}
	if p.accept(";") {
		return f, nil
	}
	f.body, err = p.scope()
	return f, err
}

func (p *parser) params() ([]*variable, error) {
	p.take() // the parenthesis
	var params []*variable
	for !p.accept(")") {
		if len(params) > 0 {
			if err := p.expect(","); err != nil {
				return nil, err
			}
		}
		if p.peek().text != ".param" {
			return nil, syntaxError(p.peek().line, ".param expected, found %v", p.peek())
		}
		v, err := p.variable(false)
		if err != nil {
			return nil, err
		}
		params = append(params, v)
	}
	return params, nil
}

// limits reads the directives between a function's parameters and its body.
func (p *parser) limits(f *function) error {
	for {
		t := p.peek()
		switch t.text {
		case ".maxntid", ".reqntid":
			p.take()
			threads := [3]int{1, 1, 1}
			for i := range 3 {
				n, err := p.integer("a number of threads")
				if err != nil {
					return err
				}
				threads[i] = n
				if !p.accept(",") {
					break
				}
			}
			if t.text == ".reqntid" {
				f.threads = threads
			} else {
				f.maxThreads = threads
			}
		case ".minnctapersm", ".maxnreg": // what ptxas may do with registers
			p.take()
			if _, err := p.integer("a number"); err != nil {
				return err
			}
		case ".pragma":
			if err := p.pragma(); err != nil {
				return err
			}
		case ".noreturn":
			p.take()
		default:
			return nil
		}
	}
}

// pragma reads .pragma "..."; which advises ptxas.
func (p *parser) pragma() error {
	p.take()
	if t := p.take(); t.kind != stringToken || t.text != "nounroll" && !strings.HasPrefix(t.text, "used_bytes_mask") {
		return syntaxError(t.line, "unknown pragma %v", t)
	}
	return p.expect(";")
}

// scope reads what stands between braces.
func (p *parser) scope() (*scope, error) {
	if err := p.expect("{"); err != nil {
		return nil, err
	}
	s := &scope{registers: map[string]scalar{}, labels: map[string]bool{}}
	for !p.accept("}") {
		if err := p.item(s); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// item reads one declaration or statement of a scope.
func (p *parser) item(s *scope) error {
	t := p.peek()
	switch {
	case t.text == "{":
		nested, err := p.scope()
		if err != nil {
			return err
		}
		s.statements = append(s.statements, &statement{line: t.line, nested: nested})
		return nil
	case t.text == ".pragma":
		return p.pragma()
	case t.text == ".reg":
		return p.registers(s)
	case t.text == ".shared" || t.text == ".local" || t.text == ".param" || t.text == ".global" || t.text == ".const":
		v, err := p.variable(false)
		if err != nil {
			return err
		}
		s.variables = append(s.variables, v)
		return p.expect(";")
	case t.kind == wordToken && p.tokens[p.next+1].text == ":":
		p.next += 2
		if s.labels[t.text] {
			return syntaxError(t.line, "label %s is already defined", t.text)
		}
		s.labels[t.text] = true
		s.statements = append(s.statements, &statement{line: t.line, label: t.text})
		return nil
	case strings.HasPrefix(t.text, ".") && t.kind == wordToken:
		return syntaxError(t.line, "unknown directive %v in a function", t)
	}
	return p.instruction(s)
}

// registers reads .reg .b32 %r<10>; or .reg .pred p, q;
func (p *parser) registers(s *scope) error {
	p.take()
	t, err := p.word("a register type")
	if err != nil {
		return err
	}
	typ := scalarNames[strings.TrimPrefix(t.text, ".")]
	if typ == noType || typ.bytes() == 1 {
		return syntaxError(t.line, "unknown register type %v", t)
	}
	for {
		name, err := p.word("a register's name")
		if err != nil {
			return err
		}
		if p.accept("<") {
			count, err := p.integer("a number of registers")
			if err != nil {
				return err
			}
			if err := p.expect(">"); err != nil {
				return err
			}
			s.ranges = append(s.ranges, registerRange{name.text, count, typ})
		} else {
			if _, special := specialRegisters[name.text]; special {
				return syntaxError(name.line, "register %s cannot be declared: PTX defines it", name.text)
			}
			if _, twice := s.registers[name.text]; twice {
				return syntaxError(name.line, "register %s is already declared", name.text)
			}
			s.registers[name.text] = typ
		}
		if !p.accept(",") {
			return p.expect(";")
		}
	}
}

// instruction reads @!%p1 opcode.modifiers operand, operand;
func (p *parser) instruction(s *scope) error {
	st := &statement{line: p.peek().line}
	if p.accept("@") {
		st.guardNot = p.accept("!")
		t, err := p.word("a predicate register")
		if err != nil {
			return err
		}
		st.guard = t.text
	}
	op, err := p.word("an instruction")
	if err != nil {
		return err
	}
	st.line, st.op = op.line, op.text
	for !p.accept(";") {
		if len(st.args) > 0 {
			if err := p.expect(","); err != nil {
				return err
			}
		}
		a, err := p.operand()
		if err != nil {
			return err
		}
		st.args = append(st.args, a)
	}
	s.statements = append(s.statements, st)
	return nil
}

func (p *parser) operand() (arg, error) {
	t := p.take()
	switch {
	case t.text == "[":
		return p.address()
	case t.text == "{" || t.text == "(":
		end := map[string]string{"{": "}", "(": ")"}[t.text]
		a := arg{kind: listArg}
		for !p.accept(end) {
			if len(a.list) > 0 {
				if err := p.expect(","); err != nil {
					return a, err
				}
			}
			element, err := p.operand()
			if err != nil {
				return a, err
			}
			a.list = append(a.list, element)
		}
		return a, nil
	case t.text == "!":
		name, err := p.word("a predicate register")
		return arg{kind: nameArg, name: name.text, not: true}, err
	case t.text == "-":
		a, err := p.operand()
		if err != nil || a.kind != numberArg || a.float != 0 {
			return a, syntaxError(t.line, "a number expected after -")
		}
		a.number = -a.number
		return a, nil
	case t.kind == wordToken:
		a := arg{kind: nameArg, name: t.text}
		if p.accept("|") {
			second, err := p.word("a predicate register")
			a.second = second.text
			return a, err
		}
		return a, nil
	case t.kind == numberToken:
		bits, float, ok := parseNumber(t.text)
		if !ok {
			return arg{}, syntaxError(t.line, "%v is not a number: 12, 0x1F, 0f3F800000 and 0d3FF0000000000000 are", t)
		}
		return arg{kind: numberArg, number: bits, float: float}, nil
	}
	return arg{}, syntaxError(t.line, "an operand expected, found %v", t)
}

// address reads name], name+offset], name+-offset] or offset].
func (p *parser) address() (arg, error) {
	a := arg{kind: addressArg}
	if p.peek().kind == wordToken {
		a.name = p.take().text
		if p.accept("]") {
			return a, nil
		}
	}
	if plus := p.accept("+"); plus != (a.name != "") {
		return a, syntaxError(p.peek().line, "an address expected: [name], [name+offset] or [offset]")
	}
	minus := p.accept("-")
	offset, err := p.integer("an offset in bytes")
	if err != nil {
		return a, err
	}
	if offset > math.MaxInt32 {
		return a, syntaxError(p.peek().line, "offset %d is too large", offset)
	}
	a.number = uint64(offset)
	if minus {
		a.number = -a.number
	}
	return a, p.expect("]")
}
