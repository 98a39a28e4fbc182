//go:build !noasm

package kernel

import (
	"fmt"
	"strings"
	"testing"
)

func TestElementwiseKernelsRefuseSlicesOfOtherLengths(t *testing.T) {
	x, short := make([]float32, 6), make([]float32, 5)
	for _, s := range native() {
		for name, call := range map[string]func(){
			"Add":              func() { s.Add(x, x, short) },
			"Scale":            func() { s.Scale(x, short, 1) },
			"Dot":              func() { s.Dot(x, short) },
			"GELU":             func() { s.GELU(x, short) },
			"GELUGrad":         func() { s.GELUGrad(x, x, short) },
			"SGD":              func() { s.SGD(x, short, 1) },
			"AdamW":            func() { s.AdamW(nil, x, x, x, short) },
			"SumRows":          func() { s.SumRows(x[:3], short, 2, 3) },
			"LayerNorm":        func() { s.LayerNorm(x, short, x[:3], x[:3], 2, 3, 0) },
			"LayerNormGrad":    func() { s.LayerNormGrad(x, x[:3], x[:3], x, x[:3], short, 2, 3, 0) },
			"RMSNorm":          func() { s.RMSNorm(x, short, x[:3], 2, 3, 0) },
			"RMSNormGrad":      func() { s.RMSNormGrad(x, x[:3], x, x[:3], short, 2, 3, 0) },
			"SwiGLU":           func() { s.SwiGLU(x[:3], short, 1, 3) },
			"SwiGLUGrad":       func() { s.SwiGLUGrad(x, short, x[:3], 1, 3) },
			"ScatterAdd":       func() { s.ScatterAdd(x, short, []int32{0, 1}, 3) },
			"Dropout":          func() { s.Dropout(x, short, []int32{0, 0}, []int32{0, 0}, 3, 0, 0.1) },
			"Rotary":           func() { s.Rotary(x, short, x, x, []int32{0}, 6, 1, 6, false) },
			"CrossEntropy":     func() { s.CrossEntropy(x[:2], x[:2], x[:2], short, []int32{0, 0}, 3) },
			"CrossEntropyGrad": func() { s.CrossEntropyGrad(x, short, x[:2], x[:2], []int32{0, 0}, 3) },
		} {
			t.Run(s.Name+"/"+name, func(t *testing.T) {
				defer func() {
					if message := fmt.Sprint(recover()); !strings.Contains(message, name) || !strings.Contains(message, "has 5 elements") {
						t.Errorf("the call ended with %q, expected a panic that names %s and 5 elements", message, name)
					}
				}()
				call()
			})
		}
	}
}
