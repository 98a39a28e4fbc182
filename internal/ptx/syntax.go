package ptx

import "strings"

// module is parsed PTX text, before its instructions are decoded.
type module struct {
	variables []*variable
	functions []*function
}

// variable is a named piece of memory: a .global, .const, .shared or .local array or scalar, or a .param.
type variable struct {
	name   string
	line   int
	space  space
	typ    scalar
	size   int // bytes; 0 for an extern array, whose size the launch gives
	align  int // bytes
	extern bool
	data   []byte // initial bytes; nil where there is no initialiser, which for .global and .const means zeros
}

// function is an .entry (a kernel) or a .func.
type function struct {
	name       string
	line       int
	entry      bool
	params     []*variable
	results    []*variable
	maxThreads [3]int // .maxntid; zeros where it is not given
	threads    [3]int // .reqntid
	body       *scope // nil for a mere declaration
}

// scope is what stands between a pair of braces: declarations that are seen inside it alone, and statements.
type scope struct {
	registers  map[string]scalar
	ranges     []registerRange
	variables  []*variable
	labels     map[string]bool
	statements []*statement
}

// registerRange declares the registers prefix0 to prefix<count-1>.
type registerRange struct {
	prefix string
	count  int
	typ    scalar
}

// statement is an instruction, a label or a nested scope.
type statement struct {
	line     int
	label    string // a label, and nothing else
	nested   *scope // a nested scope, and nothing else
	guard    string // the predicate register that switches the instruction on; "" for none
	guardNot bool   // the predicate switches it off
	op       string // the opcode with its modifiers: add.rn.f32
	args     []arg
}

// base is the opcode without modifiers.
func (s *statement) base() string {
	base, _, _ := strings.Cut(s.op, ".")
	return base
}

type argKind uint8

const (
	nameArg    argKind = iota // a register, variable, label or function
	numberArg                 // an immediate
	addressArg                // [name+offset] or [offset]
	listArg                   // {a, b} or (a, b)
)

// arg is an operand as it is written.
type arg struct {
	kind   argKind
	name   string // of a nameArg or an addressArg
	not    bool   // !name
	number uint64 // the immediate's bits, or an address's offset
	float  int    // 32 or 64 where the immediate is a float's bits (0f, 0d)
	list   []arg
	second string // a|second: the predicate result of shfl, match and setp
}
