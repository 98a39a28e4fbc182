package ptx

import (
	"embed"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"testing"
)

//go:embed testdata/kernels/*.ptx
var kernelFiles embed.FS

// kernelText returns the PTX that NVRTC made of testdata/kernels/<name>.cu.
func kernelText(t testing.TB, name string) string {
	text, err := kernelFiles.ReadFile("testdata/kernels/" + name + ".ptx")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// workload is a kernel with inputs and what must come out: the real kernels run on several, whole and mutated.
type workload struct {
	kernel string
	name   string
	launch Launch
	inputs []any     // copied to the device, []float32, []int32 or []uint16; their addresses are the arguments after the output's
	output int       // number of float32 of the output, which is the first argument
	zeroed bool      // the output holds zeros at first
	rest   []any     // the arguments after the addresses
	want   []float64 // of the output
	within float64   // the error allowed, relative to 1 + |want|
}

// run runs the workload on PTX text, and returns an error for a fault or a wrong result.
func (l workload) run(text string, o Options) (*Counters, error) {
	_, c, err := l.bytes(text, o)
	return c, err
}

// bytes runs the workload and returns the bytes of its output too.
func (l workload) bytes(text string, o Options) ([]byte, *Counters, error) {
	d := NewDevice(o)
	k, launch, out, err := l.prepare(d, text)
	if err != nil {
		return nil, nil, err
	}
	c, err := d.Launch(k, launch)
	if err != nil {
		return nil, c, err
	}
	data := make([]byte, 4*l.output)
	if err := d.CopyOut(data, out); err != nil {
		return nil, c, err
	}
	for i, want := range l.want {
		got := float64(math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:])))
		if !(math.Abs(got-want) <= l.within*(1+math.Abs(want))) {
			return nil, c, fmt.Errorf("output %d is %g, and %g is right", i, got, want)
		}
	}
	return data, c, nil
}

// prepare loads the kernel and its inputs.
func (l workload) prepare(d *Device, text string) (k *Kernel, launch Launch, out Address, err error) {
	m, err := d.Load(l.kernel+".ptx", text)
	if err != nil {
		return nil, launch, 0, err
	}
	if k, err = m.Kernel(l.kernel); err != nil {
		return nil, launch, 0, err
	}
	if out, err = d.Alloc(4 * l.output); err != nil {
		return nil, launch, 0, err
	}
	if l.zeroed {
		if err := d.Fill(out, 0, l.output); err != nil {
			return nil, launch, 0, err
		}
	}
	launch = l.launch
	launch.Args = []any{out}
	for _, in := range l.inputs {
		data, err := binary.Append(nil, binary.LittleEndian, in)
		if err != nil {
			return nil, launch, 0, err
		}
		p, err := d.Alloc(len(data))
		if err != nil {
			return nil, launch, 0, err
		}
		if err := d.CopyIn(p, data); err != nil {
			return nil, launch, 0, err
		}
		launch.Args = append(launch.Args, p)
	}
	launch.Args = append(launch.Args, l.rest...)
	return k, launch, out, nil
}

func randoms(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

func vectorAdd(n int) workload {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	a, b := randoms(r, n), randoms(r, n)
	want := make([]float64, n)
	for i := range want {
		want[i] = float64(a[i] + b[i])
	}
	return workload{kernel: "vector_add", name: fmt.Sprint(n), launch: Launch{Grid: [3]int{3}, Block: [3]int{64}},
		inputs: []any{a, b}, output: n, rest: []any{int32(n)}, want: want}
}

func layerNorm(rows, width int) workload {
	r := rand.New(rand.NewPCG(2, uint64(width)))
	x, gain, bias := randoms(r, rows*width), randoms(r, width), randoms(r, width)
	want := make([]float64, rows*width)
	for row := range rows {
		mean, variance := 0.0, 0.0
		for _, v := range x[row*width:][:width] {
			mean += float64(v) / float64(width)
		}
		for _, v := range x[row*width:][:width] {
			variance += (float64(v) - mean) * (float64(v) - mean) / float64(width)
		}
		for i, v := range x[row*width:][:width] {
			want[row*width+i] = (float64(v)-mean)/math.Sqrt(variance+1e-5)*float64(gain[i]) + float64(bias[i])
		}
	}
	return workload{kernel: "layer_norm", name: fmt.Sprint(rows, "x", width), launch: Launch{Grid: [3]int{rows}, Block: [3]int{128}},
		inputs: []any{x, gain, bias}, output: rows * width, rest: []any{int32(width)}, want: want, within: 1e-5}
}

// product returns a [m, k] times b, of which element (i, j) is b(i, j).
func product64(a []float32, b func(i, j int) float32, m, n, k int) []float64 {
	c := make([]float64, m*n)
	for i := range m {
		for j := range n {
			for l := range k {
				c[i*n+j] += float64(a[i*k+l]) * float64(b(l, j))
			}
		}
	}
	return c
}

func sgemm(m, n, k int) workload {
	r := rand.New(rand.NewPCG(3, uint64(m*n*k)))
	a, b := randoms(r, m*k), randoms(r, k*n)
	return workload{kernel: "sgemm", name: fmt.Sprint(m, "x", n, "x", k), launch: Launch{Grid: [3]int{ceilDiv(n, 64), ceilDiv(m, 64)}, Block: [3]int{256}},
		inputs: []any{a, b}, output: m * n, rest: []any{int32(m), int32(n), int32(k)},
		want: product64(a, func(i, j int) float32 { return b[i*n+j] }, m, n, k), within: 1e-5}
}

// bfloats rounds x to bfloat16 in place, toward zero, and returns its bits.
func bfloats(x []float32) []uint16 {
	b := make([]uint16, len(x))
	for i := range x {
		b[i] = uint16(math.Float32bits(x[i]) >> 16)
		x[i] = math.Float32frombits(uint32(b[i]) << 16)
	}
	return b
}

func mmaGemm(m, n, k int) workload {
	r := rand.New(rand.NewPCG(4, uint64(m*n*k)))
	a, b := randoms(r, m*k), randoms(r, n*k)
	as, bs := bfloats(a), bfloats(b)
	return workload{kernel: "mma_gemm", name: fmt.Sprint(m, "x", n, "x", k),
		launch: Launch{Grid: [3]int{ceilDiv(n, 64), ceilDiv(m, 64)}, Block: [3]int{128}, Shared: 2 * 2 * 64 * 32 * 2},
		inputs: []any{as, bs}, output: m * n, rest: []any{int32(m), int32(n), int32(k)},
		want: product64(a, func(i, j int) float32 { return b[j*k+i] }, m, n, k), within: 1e-5}
}

func softmax(rows, width int) workload {
	r := rand.New(rand.NewPCG(5, uint64(width)))
	x := randoms(r, rows*width)
	want := make([]float64, rows*width)
	for row := range rows {
		sum := 0.0
		for _, v := range x[row*width:][:width] {
			sum += math.Exp(float64(v))
		}
		for i, v := range x[row*width:][:width] {
			want[row*width+i] = math.Exp(float64(v)) / sum
		}
	}
	return workload{kernel: "softmax", name: fmt.Sprint(rows, "x", width), launch: Launch{Grid: [3]int{ceilDiv(rows, 4)}, Block: [3]int{128}},
		inputs: []any{x}, output: rows * width, rest: []any{int32(rows), int32(width)}, want: want, within: 1e-6}
}

func transpose(height, width int) workload {
	x := randoms(rand.New(rand.NewPCG(6, uint64(width))), height*width)
	want := make([]float64, height*width)
	for i := range height {
		for j := range width {
			want[j*height+i] = float64(x[i*width+j])
		}
	}
	return workload{kernel: "transpose", name: fmt.Sprint(height, "x", width),
		launch: Launch{Grid: [3]int{ceilDiv(width, 128), ceilDiv(height, 32)}, Block: [3]int{128}},
		inputs: []any{x}, output: height * width, rest: []any{int32(height), int32(width)}, want: want}
}

func embeddingGradient(n, width, vocabulary int) workload {
	r := rand.New(rand.NewPCG(7, uint64(width)))
	blame, tokens, counts := randoms(r, n*width), make([]int32, n), make([]int32, vocabulary)
	want := make([]float64, vocabulary*width)
	for i := range tokens {
		tokens[i] = r.Int32N(int32(vocabulary))
		for j := range width {
			want[int(tokens[i])*width+j] += float64(blame[i*width+j])
		}
	}
	return workload{kernel: "embedding_gradient", name: fmt.Sprint(n, "x", width),
		launch: Launch{Grid: [3]int{ceilDiv(n, 4)}, Block: [3]int{32, 4}}, inputs: []any{counts, blame, tokens},
		output: vocabulary * width, zeroed: true, rest: []any{int32(n), int32(width)}, want: want, within: 1e-5}
}

// libraryFunctions are what testdata/kernels/functions.cu computes, in its order.
var libraryFunctions = []func(x float64) float64{
	math.Tanh,
	math.Erf,
	func(x float64) float64 { return math.Sin(float64(float32(x) * 1e5)) },
	math.Cos,
	func(x float64) float64 { return math.Log(math.Abs(x)) },
	func(x float64) float64 { return math.Pow(math.Abs(x), 2.5) },
	func(x float64) float64 { return math.Sqrt(math.Abs(x)) },
	func(x float64) float64 { return 1 / x },
	func(x float64) float64 { return x / 3 },
	math.Exp,
	func(x float64) float64 { return math.Floor(x) + math.RoundToEven(x) + math.Trunc(x) },
	func(x float64) float64 { return math.Mod(x, float64(float32(0.7))) },
	math.Exp,
	func(x float64) float64 { return x / 3 },
	func(x float64) float64 { return 0.5 - x + 2*x*x + 0.25*x*x*x },
	func(x float64) float64 { return 2 * bfloat.widen(bfloat.narrow(x, nearest)) },
	func(x float64) float64 {
		return half.widen(half.narrow(math.Exp(half.widen(half.narrow(x, nearest))), nearest))
	},
	func(x float64) float64 { return float64(int64(float32(x)*1e10) / 7) },
	func(x float64) float64 { return float64(uint32(int32(float32(x)*1e4)) % 1000) },
	func(x float64) float64 { return math.Log1p(math.Abs(x)) },
	func(x float64) float64 { return math.Copysign(min(math.Abs(x), 1), -x) },
	func(x float64) float64 { return 2 },
	func(x float64) float64 {
		whole := uint32(int32(x))
		first := 0
		if whole != 0 {
			first = bits.TrailingZeros32(whole) + 1
		}
		return float64(bits.OnesCount32(math.Float32bits(float32(x))) + bits.LeadingZeros32(whole&0xff) + first)
	},
}

// functions has the kernel compute all library functions of some numbers.
func functions() workload {
	x := append(randoms(rand.New(rand.NewPCG(8, 8)), 60), 1, -1, 2.5, 1e-3, 9, -8)
	var want []float64
	for _, f := range libraryFunctions {
		for _, v := range x {
			want = append(want, f(float64(v)))
		}
	}
	return workload{kernel: "functions", name: "all", launch: Launch{Grid: [3]int{len(libraryFunctions)}, Block: [3]int{32}},
		inputs: []any{x}, output: len(want), rest: []any{int32(len(x))}, want: want, within: 1e-6}
}

// workloads are shapes for each kernel that are multiples of its tiles, that are not, and that are smaller than one.
func workloads() []workload {
	return []workload{
		vectorAdd(512), vectorAdd(200), vectorAdd(7),
		layerNorm(3, 256), layerNorm(2, 77), layerNorm(2, 1), layerNorm(2, 700),
		sgemm(64, 64, 32), sgemm(70, 130, 21), sgemm(3, 5, 1), sgemm(68, 67, 17), sgemm(1, 4, 3), sgemm(6, 8, 2),
		mmaGemm(64, 128, 64), mmaGemm(70, 65, 72), mmaGemm(9, 3, 8),
		mmaGemm(3, 2, 8), mmaGemm(12, 9, 8), mmaGemm(20, 10, 8), mmaGemm(28, 17, 8), mmaGemm(30, 18, 8), mmaGemm(31, 25, 8), mmaGemm(29, 26, 8),
		softmax(8, 64), softmax(5, 33), softmax(1, 3), softmax(4, 200),
		transpose(64, 128), transpose(33, 70),
		embeddingGradient(20, 40, 7), embeddingGradient(3, 64, 2), embeddingGradient(9, 5, 3),
	}
}

func TestLibraryFunctionsGiveWhatGoGives(t *testing.T) {
	l := functions()
	if _, err := l.run(kernelText(t, l.kernel), Options{}); err != nil {
		t.Error(err)
	}
}

func TestRealKernelsGiveTheResultsOfTheirFormulas(t *testing.T) {
	for _, l := range workloads() {
		t.Run(l.kernel+"/"+l.name, func(t *testing.T) {
			t.Parallel()
			if _, err := l.run(kernelText(t, l.kernel), Options{Seed: 1}); err != nil {
				t.Error(err)
			}
		})
	}
}
