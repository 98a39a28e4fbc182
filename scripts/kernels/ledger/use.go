package main

import (
	"fmt"
	"reflect"
	"slices"

	"trainer/internal/cuda/kernels"
)

// use is a kernel as the step uses it: with one shape and one set of operands.
type use struct {
	kernels.Launch
	times int
	rows  int // of scatter_add: those that are added
}

// uses finds the different launches of a step, in the order of their first time.
func uses(log []kernels.Launch) []*use {
	var all []*use
	for i, l := range log {
		u := &use{Launch: l}
		if l.Source == "scatter_add" && l.Kernel != "scatter_order" {
			u.rows = (&use{Launch: log[i-1]}).int(3) // what scatter_order has sorted
		}
		same := slices.IndexFunc(all, func(v *use) bool { return v.like(u) })
		if same < 0 {
			all = append(all, u)
			same = len(all) - 1
		}
		all[same].times++
	}
	return all
}

// like says that two uses differ in nothing but where their operands are.
func (u *use) like(v *use) bool {
	if u.Kernel != v.Kernel || u.Grid != v.Grid || u.rows != v.rows {
		return false
	}
	return slices.EqualFunc(u.Args, v.Args, func(a, b any) bool {
		p, ok := a.(kernels.Pointer)
		if !ok {
			return reflect.DeepEqual(a, b)
		}
		q, ok := b.(kernels.Pointer)
		return ok && (p == 0) == (q == 0)
	})
}

// int is an argument that is a number; has says whether one that is a pointer is not 0.
func (u *use) int(i int) int {
	switch n := u.Args[i].(type) {
	case int32:
		return int(n)
	case int64:
		return int(n)
	}
	panic(fmt.Sprintf("argument %d of %s is %v, expected an integer", i, u.Kernel, u.Args[i]))
}

func (u *use) has(i int) bool { return u.Args[i].(kernels.Pointer) != 0 }

// with is the launch on another grid and with other numbers, by position.
func (u *use) with(x, y int, numbers map[int]int) kernels.Launch {
	l := u.Launch
	l.Grid = [3]int{x, y, 1}
	l.Args = slices.Clone(l.Args)
	for i, n := range numbers {
		if _, wide := l.Args[i].(int64); wide {
			l.Args[i] = int64(n)
		} else {
			l.Args[i] = int32(n)
		}
	}
	return l
}
