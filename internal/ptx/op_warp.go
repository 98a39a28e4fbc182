package ptx

import "math/bits"

// Exchanges between the lanes of a warp: PTX ISA 8.8, sections 9.7.9.6 (shfl.sync), 9.7.13.9 (vote.sync), 9.7.13.10 (match.sync),
// 9.7.13.11 (activemask) and 9.7.13.12 (redux.sync).

func firstLane(mask uint32) int { return bits.TrailingZeros32(mask) }

// collect makes the instruction one that the lanes of a membermask execute together.
func (r *reader) collect(membermask int32) {
	r.inst.flow = collective
	r.inst.members = func(w *warp, _ *inst, mask uint32) uint32 {
		members := uint32(w.rows[membermask][firstLane(mask)])
		for m := mask; m != 0; m &= m - 1 {
			lane := firstLane(m)
			if own := uint32(w.rows[membermask][lane]); own != members || own>>lane&1 == 0 {
				w.fail(lane, "membermask %#x of this lane: all lanes must give the same, which names them all (lane %d gives %#x)",
					own, firstLane(mask), members)
			}
		}
		return members
	}
}

// collectAll makes the instruction one that all lanes of a warp execute together.
func (r *reader) collectAll() {
	r.inst.flow = collective
	r.inst.members = func(w *warp, _ *inst, _ uint32) uint32 {
		if w.live != allLanes {
			w.fail(-1, "all 32 lanes of a warp must execute it, and only %#x are there", w.live)
		}
		return allLanes
	}
}

// decodeShuffle decodes shfl.sync: each lane reads a register of another (PTX ISA 9.7.9.6, "Semantics").
func decodeShuffle(r *reader) {
	r.must("sync")
	mode := r.must("up down bfly idx")
	r.typ("b32")
	if !r.want(5) {
		return
	}
	targets := r.statement.args[0]
	found := int32(-1)
	if targets.second != "" {
		found = r.predicateTarget(targets.second)
	}
	targets.second = ""
	r.inst.d = r.target(targets, b32, false)
	r.inst.a, r.inst.b, r.inst.c = r.s(1, b32), r.s(2, b32), r.s(3, b32)
	r.collect(r.s(4, b32))
	r.apply(func(w *warp, in *inst, mask uint32) {
		from := w.rows[in.a]
		var inside uint32
		for m := mask; m != 0; m &= m - 1 {
			lane := firstLane(m)
			source, ok := shuffleSource(mode, lane, int(w.rows[in.b][lane]&31), w.rows[in.c][lane])
			if ok {
				inside |= 1 << lane
			}
			if mask>>source&1 == 0 {
				w.fail(lane, "shfl reads lane %d, which does not take part (lanes %#x do)", source, mask)
				return
			}
			w.rows[in.d][lane] = from[source]
		}
		if found >= 0 {
			w.setPredicate(found, mask, inside)
		}
	})
}

// shuffleSource returns the lane that is read, and whether it is one in the segment; if not, the lane reads itself.
func shuffleSource(mode string, lane, b int, c uint64) (source int, ok bool) {
	clamp, segment := int(c&31), int(c>>8&31)
	low := lane & segment
	high := low | clamp&^segment
	switch mode {
	case "up":
		source = lane - b
		ok = source >= high
	case "down":
		source = lane + b
		ok = source <= high
	case "bfly":
		source = lane ^ b
		ok = source <= high
	default:
		source = low | b&^segment
		ok = source <= high
	}
	if !ok {
		return lane, false
	}
	return source, true
}

// decodeVoteSync decodes vote.sync: what the lanes' predicates are together.
func decodeVoteSync(r *reader) {
	r.must("sync")
	mode := r.must("all any uni ballot")
	if mode == "ballot" {
		r.typ("b32")
	} else {
		r.typ("pred")
	}
	if !r.want(3) {
		return
	}
	p, not := r.p(1)
	r.collect(r.s(2, b32))
	if mode == "ballot" {
		r.inst.d = r.d(b32)
		r.apply(func(w *warp, in *inst, mask uint32) { w.spread(in.d, mask, uint64(w.predicate(p, not)&mask)) })
		return
	}
	d := r.predicateTarget(r.statement.args[0].name)
	r.apply(func(w *warp, _ *inst, mask uint32) {
		yes := w.predicate(p, not) & mask
		all, none := yes == mask, yes == 0
		w.setPredicate(d, mask, maskIf(mode == "all" && all || mode == "any" && !none || mode == "uni" && (all || none)))
	})
}

// spread gives the lanes of mask the same value.
func (w *warp) spread(to int32, mask uint32, value uint64) {
	for ; mask != 0; mask &= mask - 1 {
		w.rows[to][firstLane(mask)] = value
	}
}

// decodeMatch decodes match.sync: which lanes hold the same value, or whether all do.
func decodeMatch(r *reader) {
	mode := r.must("any all")
	r.must("sync")
	t := r.typ("b32 b64")
	if !r.want(3) {
		return
	}
	targets := r.statement.args[0]
	agree := int32(-1)
	if targets.second != "" {
		if mode == "any" {
			r.fail(".any has no predicate")
		}
		agree = r.predicateTarget(targets.second)
	}
	targets.second = ""
	r.inst.d = r.target(targets, b32, false)
	r.inst.a = r.s(1, t)
	r.collect(r.s(2, b32))
	r.apply(func(w *warp, in *inst, mask uint32) {
		value := w.rows[in.a]
		for m := mask; m != 0; m &= m - 1 {
			lane := firstLane(m)
			same := ballot(mask, &value, &value, func(x, _ uint64) bool { return x == value[lane] })
			if mode == "all" {
				if agree >= 0 {
					w.setPredicate(agree, 1<<lane, maskIf(same == mask))
				}
				if same != mask {
					same = 0
				}
			}
			w.rows[in.d][lane] = uint64(same)
		}
	})
}

// decodeReduce decodes redux.sync: a sum, extreme or logic operation over the lanes.
func decodeReduce(r *reader) {
	r.must("sync")
	operation := r.must("add min max and or xor")
	t := r.typ(map[string]string{"and": "b32", "or": "b32", "xor": "b32"}[operation] + " " +
		map[string]string{"add": "u32 s32", "min": "u32 s32", "max": "u32 s32"}[operation])
	if !r.want(3) {
		return
	}
	r.inst.d, r.inst.a = r.d(t), r.s(1, t)
	r.collect(r.s(2, b32))
	combine := updateOf(operation, t)
	r.apply(func(w *warp, in *inst, mask uint32) {
		result := w.rows[in.a][firstLane(mask)]
		for m := mask & (mask - 1); m != 0; m &= m - 1 {
			result = combine(result, w.rows[in.a][firstLane(m)], 0)
		}
		w.spread(in.d, mask, result)
	})
}

func init() {
	define("shfl", decodeShuffle)
	define("vote", decodeVoteSync)
	define("match", decodeMatch)
	define("redux", decodeReduce)
	define("activemask", func(r *reader) {
		r.typ("b32")
		if r.want(1) {
			r.inst.d = r.d(b32)
			r.apply(func(w *warp, in *inst, mask uint32) { w.spread(in.d, mask, uint64(mask)) })
		}
	})
}
