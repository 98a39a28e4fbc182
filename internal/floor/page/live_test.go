package page_test

import (
	"bufio"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// number reads a number as the page writes it.
func number(t testing.TB, text string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(strings.NewReplacer("−", "-", ",", "", "+", "").Replace(strings.TrimSpace(text)), 64)
	if err != nil {
		t.Fatalf("%q is no number", text)
	}
	return v
}

// lossOfStep is the loss of a step in metrics.jsonl.
func lossOfStep(t testing.TB, folder string, step int) float64 {
	t.Helper()
	f, err := os.Open(filepath.Join(folder, "metrics.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var line struct {
			Step int
			Loss *float64
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		if line.Step == step && line.Loss != nil {
			return *line.Loss
		}
	}
	t.Fatalf("%s has no loss of step %d", folder, step)
	return 0
}

var progress = regexp.MustCompile(`step ([0-9,]+) of ([0-9,]+)`)

// step is the step that the page shows.
func (b *browser) step() int {
	b.t.Helper()
	found := progress.FindStringSubmatch(b.text("#progress"))
	if found == nil {
		b.t.Fatalf("the page shows no step: %s", b.text("#progress"))
	}
	return int(number(b.t, found[1]))
}

func TestLivePageFollowsTrainingToItsEnd(t *testing.T) {
	chromium(t)
	folder := filepath.Join(t.TempDir(), "calculator")
	p := serve(t, "train", "-device=cpu", "-steps=6000", "-out", folder)
	b := open(t, 1280, 720, "light")
	b.goTo(p.url)

	// A pause is one of the training itself, and a step is one step.
	b.do(chromedp.Click(chromedp.CSS("#pause")))
	b.await(`document.querySelector("#state").textContent === "paused"`)
	paused := b.step()
	b.do(chromedp.Click(chromedp.CSS("#next-step")))
	b.await(`document.querySelector("#explain .place").textContent.replace(",", "") === "Step ` + strconv.Itoa(paused+1) + `"`)
	if got := b.step(); got != paused+1 {
		t.Errorf("after one step from step %d the page shows step %d", paused, got)
	}

	// The numbers on the floor are those of the example that the API tells.
	example := eval[string](b, `fetch("/api/example").then((r) => r.text())`)
	var trace struct {
		Loss   float64
		Text   string
		Weight struct{ Old, New float64 }
		Blame  []struct {
			Stage string
			Share float64
		}
	}
	if err := json.Unmarshal([]byte(example), &trace); err != nil {
		t.Fatal(err)
	}
	if got := number(t, b.text(".machine[data-stage=loss] .big")); math.Abs(got-trace.Loss) > 1e-3*math.Max(trace.Loss, 0.1) {
		t.Errorf("the floor shows loss %v of %q, expected %v as /api/example has it", got, trace.Text, trace.Loss)
	}
	for i, want := range []float64{trace.Weight.New, trace.Weight.Old} {
		shown := number(t, eval[string](b, `document.querySelectorAll(".update .term")[`+strconv.Itoa(i)+`].textContent`))
		if math.Abs(shown-want) > 1e-6+1e-3*math.Abs(want) {
			t.Errorf("the update shows %v, expected %v", shown, want)
		}
	}
	const labels = `[...document.querySelectorAll(".share")].map((e) => e.textContent.replace(/[^0-9.]/g, "")).join(" ")`
	shares := strings.Fields(eval[string](b, labels))
	if len(shares) != len(trace.Blame) {
		t.Fatalf("the river has %d arms with a share, expected %d", len(shares), len(trace.Blame))
	}
	for i, share := range trace.Blame { // the river meets the last stage first
		if got := number(t, shares[len(shares)-1-i]); math.Abs(got-100*share.Share) > 0.0501 {
			t.Errorf("%s is shown with %v %% of the blame, expected %.2f %%", share.Stage, got, 100*share.Share)
		}
	}

	b.do(chromedp.Click(chromedp.CSS("#pause")))
	b.await(`document.querySelector("#state").textContent === "ended"`)
	if err := <-p.ended; err != nil {
		t.Fatalf("train: %v: %s", err, &p.output)
	}
	if got := b.step(); got != 6000 {
		t.Errorf("the page ends at step %d, expected 6000", got)
	}
	if said := b.text("#banner"); !strings.Contains(said, folder) {
		t.Errorf("the page does not say how to open %s: %q", folder, said)
	}
}

func TestChartsShowWhatMetricsFileHolds(t *testing.T) {
	chromium(t)
	p := serve(t, "floor", trained(t))
	b := open(t, 1280, 720, "light")
	b.do(chromedp.Navigate(p.url + "#run"))
	b.await(`document.querySelector("#run .legend b")?.textContent.length > 1`)
	shown := number(t, eval[string](b, `document.querySelector("#run .legend b").textContent`))
	if want := lossOfStep(t, trained(t), steps); math.Abs(shown-want) > 1e-3*want {
		t.Errorf("the chart of the loss ends at %v, expected %v, as metrics.jsonl has it", shown, want)
	}
}
