package emulated

import (
	"fmt"
	"slices"
)

// resource is what work may use and the host may give back: memory, a module, a graph, a plan of products.
type resource struct {
	name string // "1024 bytes at 0x1000000000"
	gone bool
}

// release gives a resource back, or returns an error that names work which uses it and which the host has not waited for. Whether that ran
// by chance makes no difference.
func (d *Device) release(r *resource) error {
	if r.gone {
		return fmt.Errorf("%s: given back twice", r.name)
	}
	for t := range d.unfinished {
		if slices.Contains(t.uses, r) {
			return fmt.Errorf("%s cannot be given back: the queued %s uses it; synchronize before", r.name, t.name)
		}
	}
	r.gone = true
	return nil
}

// missing returns an error if a resource that work uses is gone.
func missing(t *task) error {
	for _, r := range t.uses {
		if r.gone {
			return fmt.Errorf("%s uses %s, which was given back", t.name, r.name)
		}
	}
	return nil
}
