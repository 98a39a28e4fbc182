package main

import (
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"trainer/model"
	"trainer/train"
)

// get asks a server, by a name in place of its address.
func get(t *testing.T, url, host string) (code int, text string) {
	t.Helper()
	r, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

func TestMetricsAreServedWhileARunGoesOn(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	p := start(t, dir, withoutQuiet(small("-steps", "1000000", "-evaluate-every", "5", "-save-every", "5", "-http", ":0", "-task", "text"))...)
	p.next("note") // the factory floor
	note := p.next("note")
	if note == nil {
		t.Fatalf("there is no note: %s", &p.stderr)
	}
	url := regexp.MustCompile(`http://127\.0\.0\.1:[1-9][0-9]*/metrics`).FindString(note["text"].(string))
	for range 2 {
		if !p.await("checkpoint") {
			t.Fatalf("no checkpoint: %s", &p.stderr)
		}
	}
	step := p.next("step")
	code, text := get(t, url, "")
	if code != 200 {
		t.Fatalf("code %d: %s", code, text)
	}
	values := make(map[string]float64)
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && !strings.HasPrefix(line, "#") {
			v, err := strconv.ParseFloat(value[strings.LastIndexByte(value, ' ')+1:], 64)
			if err != nil {
				t.Errorf("%q: %v", line, err)
			}
			values[name] = v
		}
	}
	for name, least := range map[string]float64{ // the line of a step is printed before it is counted
		"trainer_step": step["step"].(float64) - 1, "trainer_steps": 1e6, "trainer_tokens_total": 5 * step["tokens"].(float64), "trainer_loss": 0.01,
		"trainer_learning_rate": 1e-6, "trainer_gradient_norm": 1e-4, "trainer_tokens_per_second": 1, "trainer_held_out_loss": 0.01,
		"trainer_held_out_perplexity": 1, "trainer_held_out_bits_per_byte": 0.01, "trainer_checkpoint_step": 5, "trainer_checkpoint_seconds": 1e-6,
		"trainer_checkpoint_stall_seconds": 1e-9, "trainer_checkpoint_timestamp_seconds": 1.7e9, "process_start_time_seconds": 1.7e9,
		"trainer_epoch": 1e-3, "trainer_accuracy": 0, "trainer_held_out_accuracy": 0, "process_resident_memory_bytes": 1 << 20,
		`trainer_blame{stage="embeddings"}`: 1e-6,
	} {
		if v, ok := values[name]; !ok || v < least {
			t.Errorf("%s is %g (%t), want at least %g", name, v, ok, least)
		}
	}
	if code, text := get(t, url, "evil.example"); code != http.StatusMisdirectedRequest {
		t.Errorf("a page of another name gets %d: %s", code, text)
	}
	if code, _ := get(t, url+"/more", ""); code != http.StatusNotFound {
		t.Errorf("what is not there gives %d", code)
	}
	elsewhere := workplace(t)
	before := contents(t, elsewhere)
	o := fail(t, 1, []string{"-http", "cannot listen on 127.0.0.1:", "another port"}, elsewhere,
		withoutQuiet(small("-http", strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/metrics")))...)
	if o.stdout != "" {
		t.Errorf("something was told before the error: %s", o.stdout)
	}
	nothingCreated(t, elsewhere, before)
}

func TestAStepIsToldToTensorBoardAndPrometheusWithoutAllocation(t *testing.T) {
	stages := []model.Stage{{Name: "embeddings"}, {Name: "attention 1"}}
	b, err := newBoard(t.TempDir(), 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	list := train.Observers{b, newGauges(100, stages)}
	m := &train.Metrics{Stages: stages, Blame: []float64{0.25, 0.75}, Loss: 2}
	if n := testing.AllocsPerRun(1000, func() { m.Step++; list.Stepped(m) }); n != 0 {
		t.Errorf("%g allocations", n)
	}
	if err := b.close(); err != nil {
		t.Error(err)
	}
}
