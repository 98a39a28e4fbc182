// Package ptx runs CUDA kernels on a machine without a GPU: it parses the PTX text that NVRTC writes for compute_80, executes it
// thread by thread, and holds it to rules that a GPU does not enforce.
//
// In go PTX text (Device.Load), memory (Device.Alloc, CopyIn) and launches (Device.Launch); out come the kernels' results, counters
// of what performance is made of (Counters: instructions, FLOPs, bytes, sectors, bank conflicts, coverage), and a Fault that names
// kernel, line, block, warp, lane and address for anything wrong.
//
// Start reading at launch.go (a grid becomes blocks, shared between goroutines), block.go (a block's warps take turns between
// barriers) and warp.go (32 lanes in lockstep, the lowest program counter first). The text becomes instructions in lexer.go,
// parser.go and decode.go; what each opcode does stands in the op_*.go files, whose tables are the list of all that is supported.
// request.go makes a warp's access of memory, memory.go checks bounds and alignment, region.go remembers what was written, shadow.go finds
// races. mutations.go makes slips in a kernel, to see whether its tests notice.
//
// # What is checked
//
// Bounds, alignment and lifetime of memory; reads of bytes that were never written (global, shared, local); races on shared and
// global memory, between threads of a block by the order that bar.sync and bar.warp.sync give and between blocks of a launch
// always; shared memory that a cp.async still writes; barriers, shuffles and matrix instructions that lanes reach apart;
// membermasks; launch limits of compute capability 8.0; endless loops. Threads are not preempted inside an instruction, but the
// order of blocks and warps is shuffled by Options.Seed.
//
// # What it costs
//
// Most warps are whole: their 32 lanes are one loop over an array, or for the commonest float instructions eight AVX2 instructions of
// assembly; memory is checked for all lanes at once, and lane by lane only where that fails (request.go). Beside other programs, a
// Zen 4 core executes 500 to 900 million instructions of lanes a second of a training step in float32 (BenchmarkStep of
// internal/cuda/kernels), and 300 million in bfloat16, where a mma.m16n8k16 takes a microsecond. Looking for races adds half to
// as much again; Options.IgnoreRaces saves it. Memory that a launch touches costs 10 bytes a byte for finding races, 20 where the kernel
// touches single halves.
//
// # What differs from a GPU
//
// The approximate functions (ex2.approx and the like) and tensor cores give the exact result rounded once, so a GPU differs in the
// last bits. An add or mul without a rounding modifier is rounded on its own, where ptxas may contract the two. Registers that were
// never written read as 0xdeadbeef patterns. Results are the same for the same seed whatever the number of workers, except the
// order of floating-point atomics between blocks.
//
// Launch runs a kernel before it returns; a driver layer that has streams and graphs queues Launch values, which are plain data.
//
// # What is refused
//
// Everything that the tables do not name, by an error with the line at Load: among it what needs sm_90, textures and surfaces,
// clusters, mbarrier and bulk copies, wgmma, indirect calls and branches (brx), recursion, printf, clocks, video instructions,
// acquire and release, 128-bit atoms, integer and fp8 matrix shapes, addresses of parameters, debug sections. Blocks of one launch
// may not talk to each other through flags: their accesses count as races.
package ptx
