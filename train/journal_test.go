package train

import (
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"trainer/model"
)

func openMetrics(t *testing.T, f *Folder, step int) float64 {
	t.Helper()
	seconds, err := f.OpenMetrics(step)
	if err != nil {
		t.Fatal(err)
	}
	return seconds
}

func metricsText(t *testing.T, f *Folder) string {
	t.Helper()
	data, err := os.ReadFile(f.Path(MetricsFile))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestMetricsGoOnBehindTheCheckpoint(t *testing.T) {
	const upToTwo = `{"step":1,"seconds":0.5}
{"step":2,"seconds":1.25}
{"step":2,"held_out_loss":0.5,"held_out_accuracy":0.75}
`
	for name, test := range map[string]struct {
		text    string
		step    int
		kept    string
		seconds float64
	}{
		"all of them":                  {upToTwo, 2, upToTwo, 1.25},
		"later steps":                  {upToTwo + "{\"step\":3,\"seconds\":9}\n{\"step\":4}\n", 2, upToTwo, 1.25},
		"a partial last line":          {upToTwo + `{"step":2,"secon`, 2, upToTwo, 1.25},
		"a last line without its end":  {upToTwo + `{"step":2,"seconds":7}`, 2, upToTwo, 1.25},
		"a line of a power cut":        {upToTwo + "\x00\x00\x00\n", 2, upToTwo, 1.25},
		"a numberless line":            {upToTwo + "{\"step\":2,\"loss\":null}\n", 2, upToTwo + "{\"step\":2,\"loss\":null}\n", 1.25},
		"a run from the beginning":     {upToTwo, 0, "", 0},
		"a checkpoint without metrics": {"", 5, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			f := openFolder(t, t.TempDir())
			if test.text != "" {
				write(t, f.Path(MetricsFile), test.text)
			}
			if seconds := openMetrics(t, f, test.step); seconds != test.seconds {
				t.Errorf("the run took %g seconds, want %g", seconds, test.seconds)
			}
			m := Metrics{Step: test.step + 1, Stages: []model.Stage{{Name: "output"}}, Blame: []float64{1}}
			if err := f.Log(&m); err != nil {
				t.Fatal(err)
			}
			if err := f.flush(); err != nil {
				t.Fatal(err)
			}
			if got, want := metricsText(t, f), test.kept+string(m.AppendJSON(nil))+"\n"; got != want {
				t.Errorf("the file holds\n%swant\n%s", got, want)
			}
		})
	}
}

func TestMetricsAreJSONWithAllTheirNumbers(t *testing.T) {
	m := Metrics{Step: 12, Epoch: 0.25, Loss: 1.0 / 3, Accuracy: 1, LearningRate: 3e-5, GradientNorm: math.Inf(1), Tokens: 450,
		TokensPerSecond: 123456.7, Seconds: 1e9 + 0.5,
		Stages: []model.Stage{{Name: "embeddings"}, {Name: `a "b"`}}, Blame: []float64{0.25, math.NaN()}}
	const want = `{"step":12,"epoch":0.25,"loss":0.333333,"accuracy":1,"lr":3e-05,"gradient_norm":null,"tokens":450,` +
		`"tokens_per_second":123457,"seconds":1e+09,"blame":{"embeddings":0.25,"a \"b\"":null}}`
	got := string(m.AppendJSON([]byte("x")))
	if got != "x"+want {
		t.Errorf("metrics are\n%s, want\nx%s", got, want)
	}
	if !json.Valid([]byte(want)) {
		t.Error("that is not JSON")
	}
}

func TestAnEvaluationIsJSONEvenWhereItsLossIsNot(t *testing.T) {
	f := openFolder(t, t.TempDir())
	openMetrics(t, f, 0)
	for _, e := range []*Evaluation{{Loss: 0.125, Right: 3, Total: 4}, {Loss: math.NaN(), Total: 4}} {
		if err := f.LogEvaluation(7, e); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.flush(); err != nil {
		t.Fatal(err)
	}
	const want = `{"step":7,"held_out_loss":0.125,"held_out_accuracy":0.75}
{"step":7,"held_out_loss":null,"held_out_accuracy":0}
`
	if got := metricsText(t, f); got != want {
		t.Errorf("the file holds\n%swant\n%s", got, want)
	}
}

func TestCloseWritesTheMetrics(t *testing.T) {
	f := openFolder(t, t.TempDir())
	openMetrics(t, f, 0)
	if err := f.Log(&Metrics{Step: 1}); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if got := metricsText(t, f); !strings.HasPrefix(got, `{"step":1,`) {
		t.Errorf("the file holds %q, want the step", got)
	}
}

func TestSecondsGoOnWhereTheRunStopped(t *testing.T) {
	trainer := newTrainer(t, mixed(20), quick())
	trainer.AddSeconds(1000)
	if s := trainer.Seconds(); !(s >= 1000 && s < 1100) {
		t.Errorf("the run has taken %g seconds, want 1000 and those of this test", s)
	}
	m, err := trainer.Step()
	if err != nil || !(m.Seconds >= 1000 && m.Seconds < 1100) {
		t.Errorf("the step says %g seconds, %v, want 1000 and those of this test", m.Seconds, err)
	}
}

func TestRecentLossIsTheMeanOfTheLastSteps(t *testing.T) {
	f := openFolder(t, t.TempDir())
	openMetrics(t, f, 0)
	recent := func(n int) float64 {
		loss, err := f.RecentLoss(n)
		if err != nil {
			t.Fatal(err)
		}
		return loss
	}
	if got := recent(3); got != 0 {
		t.Errorf("without a step it is %g", got)
	}
	for step, loss := range []float64{8, 1, 2, 4.5} {
		m := Metrics{Step: step + 1, Loss: loss}
		if err := f.Log(&m); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.LogEvaluation(4, &Evaluation{Loss: 100}); err != nil {
		t.Fatal(err)
	}
	for n, want := range map[int]float64{1: 4.5, 3: 2.5, 4: 15.5 / 4, 100: 15.5 / 4} {
		if got := recent(n); got != want {
			t.Errorf("of the last %d steps it is %g, want %g", n, got, want)
		}
	}
}
