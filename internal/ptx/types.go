package ptx

// scalar is a PTX type: what an operand's bits mean.
type scalar uint8

const (
	noType scalar = iota
	b8
	b16
	b32
	b64
	u8
	u16
	u32
	u64
	s8
	s16
	s32
	s64
	f16
	f16x2
	bf16
	bf16x2
	tf32
	f32
	f64
	predicate
)

var scalarNames = map[string]scalar{
	"b8": b8, "b16": b16, "b32": b32, "b64": b64, "u8": u8, "u16": u16, "u32": u32, "u64": u64,
	"s8": s8, "s16": s16, "s32": s32, "s64": s64, "f16": f16, "f16x2": f16x2, "bf16": bf16, "bf16x2": bf16x2,
	"tf32": tf32, "f32": f32, "f64": f64, "pred": predicate,
}

// bytes is the size of a value in memory; a predicate has none.
func (t scalar) bytes() int {
	switch t {
	case b8, u8, s8:
		return 1
	case b16, u16, s16, f16, bf16:
		return 2
	case b32, u32, s32, f32, tf32, f16x2, bf16x2:
		return 4
	case b64, u64, s64, f64:
		return 8
	}
	return 0
}

func (t scalar) bits() int { return t.bytes() * 8 }

func (t scalar) signed() bool { return t == s8 || t == s16 || t == s32 || t == s64 }

func (t scalar) float() bool { return t >= f16 && t <= f64 }

func (t scalar) integer() bool { return t >= u8 && t <= s64 }

func (t scalar) untyped() bool { return t >= b8 && t <= b64 }

func (t scalar) String() string {
	for name, s := range scalarNames {
		if s == t {
			return "." + name
		}
	}
	return "no type"
}

// space is a kind of memory.
type space uint8

const (
	generic space = iota
	global
	shared
	local
	constant
	param
)

var spaceNames = map[string]space{
	"global": global, "shared": shared, "shared::cta": shared, "local": local, "const": constant, "param": param,
	"param::entry": param, "param::func": param,
}

func (s space) String() string {
	return [...]string{"generic", "global", "shared", "local", "const", "param"}[s]
}
