package ptx

// Branches and barriers: PTX ISA 8.8, sections 9.7.12 (control flow) and 9.7.13 (synchronization).

// decodeBranch decodes bra; .uni promises that a warp does not part, and is held to it.
func decodeBranch(r *reader) {
	r.has("uni")
	if !r.want(1) {
		return
	}
	l := r.names.label(r.statement.args[0].name)
	if l == nil {
		r.fail("label %s is not defined", r.statement.args[0].name)
		return
	}
	r.jump(l)
}

func (r *reader) jump(to *label) {
	r.inst.flow = branch
	r.jumps = append(r.jumps, jump{len(r.program.code), to})
}

// What a bar does, in inst.offset.
const (
	barSync = iota
	barArrive
	barPopc
	barAnd
	barOr
)

// decodeBarrier decodes bar and barrier, which differ in what they promise: both are taken to be .aligned, as bar is.
func decodeBarrier(r *reader) {
	if r.has("warp") {
		r.must("sync")
		decodeWarpBarrier(r)
		return
	}
	r.has("cta")
	what := r.must("sync arrive red")
	form := map[string]int64{"sync": barSync, "arrive": barArrive}[what]
	if what == "red" {
		form = map[string]int64{"popc": barPopc, "and": barAnd, "or": barOr}[r.must("popc and or")]
	}
	r.has("aligned")
	r.inst.flow, r.inst.offset = barrier, form
	args := len(r.statement.args)
	switch {
	case form == barPopc:
		r.typ("u32")
		r.inst.d = r.d(u32)
		decodeVote(r, args)
	case form == barAnd, form == barOr:
		r.typ("pred")
		if r.err == nil {
			r.inst.d = r.predicateTarget(r.statement.args[0].name)
		}
		decodeVote(r, args)
	case args < 1 || args > 2 || form == barArrive && args != 2:
		r.fail("a barrier and a number of threads expected")
	default:
		r.inst.a = r.s(0, u32)
		if args == 2 {
			r.inst.b = r.s(1, u32)
		}
	}
}

// decodeVote reads the operands of bar.red: the barrier, the number of threads or not, and the predicate.
func decodeVote(r *reader, args int) {
	if args != 3 && args != 4 {
		r.fail("3 or 4 operands expected, found %d", args)
		return
	}
	r.inst.a = r.s(1, u32)
	if args == 4 {
		r.inst.b = r.s(2, u32)
	}
	at, not := r.p(args - 1)
	r.inst.c = at
	if not {
		r.inst.target = 1
	}
}

// decodeWarpBarrier decodes bar.warp.sync: the lanes of the mask wait for each other, and what they did before is ordered.
func decodeWarpBarrier(r *reader) {
	if !r.want(1) {
		return
	}
	r.collect(r.s(0, b32))
	r.apply(func(w *warp, _ *inst, mask uint32) { w.joinLanes(mask) })
}

func init() {
	define("bra", decodeBranch)
	define("ret", func(r *reader) {
		r.has("uni")
		if r.want(0) && r.end != nil {
			r.jump(r.end)
		} else {
			r.inst.flow = exit
		}
	})
	define("exit", func(r *reader) {
		r.want(0)
		r.inst.flow = exit
	})
	define("trap", func(r *reader) {
		r.want(0)
		r.apply(func(w *warp, _ *inst, mask uint32) { w.fail(firstLane(mask), "the kernel stopped itself by trap") })
	})
	define("bar barrier", decodeBarrier)
	define("membar", func(r *reader) { // a fence orders a thread's accesses, which the emulator does anyway
		r.must("gl cta sys")
		r.want(0)
	})
	define("fence", func(r *reader) {
		r.must("sc acq_rel")
		r.must("cta gpu sys")
		r.want(0)
	})
	define("nanosleep", func(r *reader) {
		r.typ("u32")
		if r.want(1) {
			r.s(0, u32)
		}
	})
}
