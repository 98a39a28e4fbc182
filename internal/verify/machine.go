package verify

import (
	"trainer/internal/cpu"
	"trainer/internal/cpu/kernel"
	"trainer/internal/cuda"
	"trainer/internal/vm"
)

// Machine is what the model runs on.
type Machine struct {
	backend vm.Backend
	bf16    bool          // products in bfloat16
	kernels *kernel.Set   // of the CPU's optimizer
	gpu     *cuda.Backend // nil on the CPU
}

// OnCPU is a CPU, and the kernels that its backend was made with, which the optimizer uses too.
func OnCPU(b *cpu.Backend, kernels *kernel.Set) Machine {
	return Machine{backend: b, bf16: kernels.Precision == "bf16", kernels: kernels}
}

// OnGPU is a GPU, and the precision that its backend was made with.
func OnGPU(b *cuda.Backend, p cuda.Precision) Machine {
	return Machine{backend: b, bf16: p == cuda.BF16, gpu: b}
}

// The groups of rows, in order.
const (
	groupGraph = iota
	groupExecutor
	groupSteps
	groupWeights
	groupGreedy
)

// group says what a group of rows compares, and what computed it.
func (m Machine) group(g int) string {
	reads, steps := "node.Value", "train.AdamW as gorgonia.Solver on vm.VM"
	if m.gpu != nil {
		reads, steps = "vm.VM.Floats", "cuda.Optimizer on vm.VM"
	}
	weights := "Weights after the steps"
	if m.bf16 {
		weights = "How far the steps moved the weights"
	}
	return [...]string{
		groupGraph:    "Forward and backward: model.Graph, gorgonia.Grad, vm.VM, " + reads,
		groupExecutor: "Forward and backward: model.Executor",
		groupSteps:    "Training steps: " + steps,
		groupWeights:  weights,
		groupGreedy:   "Greedy continuation: model.Generator",
	}[g]
}
