package ptx

// specialRegisters are the registers that tell a thread where it is.
var specialRegisters = map[string]struct {
	typ   scalar
	value func(w *warp, lane int) uint64
}{
	"%tid.x":       {u32, func(w *warp, lane int) uint64 { return w.thread(lane, 0) }},
	"%tid.y":       {u32, func(w *warp, lane int) uint64 { return w.thread(lane, 1) }},
	"%tid.z":       {u32, func(w *warp, lane int) uint64 { return w.thread(lane, 2) }},
	"%ntid.x":      {u32, func(w *warp, _ int) uint64 { return uint64(w.block.launch.block[0]) }},
	"%ntid.y":      {u32, func(w *warp, _ int) uint64 { return uint64(w.block.launch.block[1]) }},
	"%ntid.z":      {u32, func(w *warp, _ int) uint64 { return uint64(w.block.launch.block[2]) }},
	"%ctaid.x":     {u32, func(w *warp, _ int) uint64 { return uint64(w.block.at[0]) }},
	"%ctaid.y":     {u32, func(w *warp, _ int) uint64 { return uint64(w.block.at[1]) }},
	"%ctaid.z":     {u32, func(w *warp, _ int) uint64 { return uint64(w.block.at[2]) }},
	"%nctaid.x":    {u32, func(w *warp, _ int) uint64 { return uint64(w.block.launch.grid[0]) }},
	"%nctaid.y":    {u32, func(w *warp, _ int) uint64 { return uint64(w.block.launch.grid[1]) }},
	"%nctaid.z":    {u32, func(w *warp, _ int) uint64 { return uint64(w.block.launch.grid[2]) }},
	"%laneid":      {u32, func(_ *warp, lane int) uint64 { return uint64(lane) }},
	"%warpid":      {u32, func(w *warp, _ int) uint64 { return uint64(w.index) }},
	"%nwarpid":     {u32, func(w *warp, _ int) uint64 { return uint64(len(w.block.warps)) }},
	"WARP_SZ":      {u32, func(*warp, int) uint64 { return lanes }},
	"%lanemask_eq": {u32, func(_ *warp, lane int) uint64 { return 1 << lane }},
	"%lanemask_lt": {u32, func(_ *warp, lane int) uint64 { return 1<<lane - 1 }},
	"%lanemask_le": {u32, func(_ *warp, lane int) uint64 { return 2<<lane - 1 }},
	"%lanemask_gt": {u32, func(_ *warp, lane int) uint64 { return uint64(allLanes) &^ (2<<lane - 1) }},
	"%lanemask_ge": {u32, func(_ *warp, lane int) uint64 { return uint64(allLanes) &^ (1<<lane - 1) }},
}

// thread is a coordinate of a lane's thread in its block.
func (w *warp) thread(lane, axis int) uint64 {
	return uint64(coordinates(w.index*lanes+lane, w.block.launch.block)[axis])
}
