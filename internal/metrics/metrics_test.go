package metrics

import (
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// everything is a set with all there is.
func everything() *Set {
	s := new(Set)
	s.Gauge("step", "the last step").Set(12)
	s.Gauge("never_set", "is not rendered")
	tokens := s.Counter("tokens_total", `with a \ and
two lines`)
	tokens.Add(1.5e9)
	tokens.Add(1)
	blame := s.Gauges("blame", "by stage", "stage", []string{"attention 1", "a \"b\" \\ \n größe", "unset"})
	blame[0].Set(0.1)
	blame[1].Set(math.NaN())
	s.Gauge("largest", "").Set(math.Inf(1))
	s.Gauge("smallest", "").Set(math.Inf(-1))
	s.GaugeOf("measured", "now", func() (float64, bool) { return 5e-324, true })
	s.GaugeOf("unknown", "on this system", func() (float64, bool) { return 1, false })
	return s
}

const rendered = `# HELP step the last step
# TYPE step gauge
step 12
# HELP tokens_total with a \\ and\ntwo lines
# TYPE tokens_total counter
tokens_total 1.500000001e+09
# HELP blame by stage
# TYPE blame gauge
blame{stage="attention 1"} 0.1
blame{stage="a \"b\" \\ \n größe"} NaN
# HELP largest 
# TYPE largest gauge
largest +Inf
# HELP smallest 
# TYPE smallest gauge
smallest -Inf
# HELP measured now
# TYPE measured gauge
measured 5e-324
`

func TestTheTextIsThatOfTheExpositionFormat(t *testing.T) {
	if got := string(everything().AppendText([]byte("before\n"))); got != "before\n"+rendered {
		t.Errorf("the text is\n%s\nwant\n%s", got, rendered)
	}
}

// TRAINER_PYTHON names a Python with prometheus_client.
func TestThePrometheusClientParsesTheText(t *testing.T) {
	interpreter := os.Getenv("TRAINER_PYTHON")
	if interpreter == "" {
		t.Skip("TRAINER_PYTHON names no python with prometheus_client")
	}
	path := filepath.Join(t.TempDir(), "metrics")
	if err := os.WriteFile(path, everything().AppendText(nil), 0o666); err != nil {
		t.Fatal(err)
	}
	output, err := exec.Command(interpreter, "-c", `
import sys, math
from prometheus_client.parser import text_fd_to_metric_families
families = {f.name: f for f in text_fd_to_metric_families(open(sys.argv[1], encoding="utf-8", newline="\n"))}
assert list(families) == ["step", "tokens", "blame", "largest", "smallest", "measured"], list(families)
assert families["tokens"].type == "counter" and families["step"].type == "gauge"
assert families["tokens"].documentation == "with a \\ and\ntwo lines", families["tokens"].documentation
value = lambda name: families[name].samples[0].value
assert (value("step"), value("tokens"), value("largest"), value("smallest"), value("measured")) == (12, 1500000001, math.inf, -math.inf, 5e-324)
a, b = families["blame"].samples
assert (a.labels, a.value) == ({"stage": "attention 1"}, 0.1), a
assert b.labels == {"stage": 'a "b" \\ \n größe'} and math.isnan(b.value), b
`, path).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, output)
	}
}

func TestTheHandlerAnswersReadersAlone(t *testing.T) {
	for method, code := range map[string]int{"GET": 200, "HEAD": 200, "POST": 405, "DELETE": 405} {
		w := httptest.NewRecorder()
		everything().ServeHTTP(w, httptest.NewRequest(method, "/metrics", nil))
		if w.Code != code {
			t.Errorf("%s: code %d, want %d", method, w.Code, code)
		}
		if method == "GET" && (w.Body.String() != rendered || w.Header().Get("Content-Type") != "text/plain; version=0.0.4; charset=utf-8") {
			t.Errorf("%s: %v %s", method, w.Header(), w.Body)
		}
	}
}

func TestNumbersAreSetWhileTheyAreRead(t *testing.T) {
	s := new(Set)
	n := s.Counter("n_total", "")
	server := httptest.NewServer(s)
	defer server.Close()
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for range 20 {
				r, err := http.Get(server.URL)
				if err != nil {
					t.Error(err)
					return
				}
				r.Body.Close()
			}
		})
	}
	for range 100000 {
		n.Add(1)
	}
	readers.Wait()
	if v, known := n.read(); v != 100000 || !known {
		t.Errorf("the number is %g, %t; want 100000", v, known)
	}
}

func TestANumberIsSetWithoutAllocation(t *testing.T) {
	n := new(Set).Gauge("n", "")
	if a := testing.AllocsPerRun(100, func() { n.Set(1); n.Add(2) }); a != 0 {
		t.Errorf("%g allocations", a)
	}
}

func TestAWrongNamePanics(t *testing.T) {
	for _, add := range []func(s *Set){
		func(s *Set) { s.Gauge("a b", "") }, func(s *Set) { s.Gauge("", "") }, func(s *Set) { s.Gauge("1a", "") },
		func(s *Set) { s.Gauges("a", "", "b-c", nil) }, func(s *Set) { s.Gauge("a", ""); s.Counter("a", "") },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("a wrong name was taken")
				}
			}()
			add(new(Set))
		}()
	}
}
