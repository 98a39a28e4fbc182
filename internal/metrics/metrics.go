// Package metrics holds numbers of a process for Prometheus to read. Whoever measures sets a Number, which costs nothing and waits for nobody;
// a Set renders all of them in the text exposition format, version 0.0.4
// (https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format), and is an http.Handler. Start at Set.
package metrics

import (
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
)

// Number is the value of a metric. It may be set while it is read. Before it is set for the first time it is not rendered.
type Number struct {
	bits  atomic.Uint64 // of the float64
	known atomic.Bool
}

// Set sets the value.
func (n *Number) Set(v float64) {
	n.bits.Store(math.Float64bits(v))
	n.known.Store(true)
}

// Add adds to the value, which is 0 before. Only one goroutine may change a number at a time.
func (n *Number) Add(v float64) { n.Set(math.Float64frombits(n.bits.Load()) + v) }

// read returns the value, and whether there is one.
func (n *Number) read() (float64, bool) { return math.Float64frombits(n.bits.Load()), n.known.Load() }

// Set is a list of metrics. All of them are added before it is read for the first time.
type Set struct{ families []family }

// family is a metric with its samples, of which each has another value of the label.
type family struct {
	name, help, kind string
	label            string // "" where there is one sample without
	samples          []sample
}

type sample struct {
	label string
	read  func() (v float64, known bool)
}

// Gauge adds a number that goes up and down.
func (s *Set) Gauge(name, help string) *Number { return s.number(name, help, "gauge") }

// Counter adds a number that only grows, and begins again with the process. Its name ends in _total.
func (s *Set) Counter(name, help string) *Number { return s.number(name, help, "counter") }

func (s *Set) number(name, help, kind string) *Number {
	n := new(Number)
	s.add(family{name: name, help: help, kind: kind, samples: []sample{{read: n.read}}})
	return n
}

// Gauges adds a number for each value of a label, and returns them in that order.
func (s *Set) Gauges(name, help, label string, values []string) []*Number {
	f := family{name: name, help: help, kind: "gauge", label: label}
	var numbers []*Number
	for _, v := range values {
		n := new(Number)
		numbers = append(numbers, n)
		f.samples = append(f.samples, sample{v, n.read})
	}
	s.add(f)
	return numbers
}

// GaugeOf adds a number that is measured when it is asked for.
func (s *Set) GaugeOf(name, help string, read func() (v float64, known bool)) {
	s.add(family{name: name, help: help, kind: "gauge", samples: []sample{{read: read}}})
}

var names = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// add panics at a name that the format does not allow.
func (s *Set) add(f family) {
	if !names.MatchString(f.name) || f.label != "" && !names.MatchString(f.label) {
		panic("metrics: " + strconv.Quote(f.name) + " with label " + strconv.Quote(f.label) + " is not a name")
	}
	for i := range s.families {
		if s.families[i].name == f.name {
			panic("metrics: " + f.name + " is added twice")
		}
	}
	s.families = append(s.families, f)
}

// AppendText appends all numbers that are known to a buffer.
func (s *Set) AppendText(b []byte) []byte {
	for i := range s.families {
		f := &s.families[i]
		headed := false
		for _, one := range f.samples {
			value, known := one.read()
			if !known {
				continue
			}
			if !headed {
				b = append(b, "# HELP "+f.name+" "+helpEscapes.Replace(f.help)+"\n# TYPE "+f.name+" "+f.kind+"\n"...)
				headed = true
			}
			b = append(b, f.name...)
			if f.label != "" {
				b = append(b, "{"+f.label+`="`+labelEscapes.Replace(one.label)+`"}`...)
			}
			b = append(strconv.AppendFloat(append(b, ' '), value, 'g', -1, 64), '\n') // +Inf, -Inf and NaN are written as Go does
		}
	}
	return b
}

var (
	helpEscapes  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	labelEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

// ServeHTTP answers GET and HEAD with all numbers.
func (s *Set) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "expected GET", http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	w.Write(s.AppendText(nil)) // an error is the reader's, who has gone
}
