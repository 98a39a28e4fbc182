package chart

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/plot/plotter"

	"trainer/internal/fault"
)

// metrics writes a run of n steps with an evaluation every hundred into a folder of its own.
func metrics(t testing.TB, n int, stages ...string) string {
	t.Helper()
	var text strings.Builder
	for step := 1; step <= n; step++ {
		noise := 1 + 0.3*math.Sin(float64(step*step))
		loss := 3.5 * math.Exp(-float64(step)/300) * noise
		accuracy := 1 - math.Exp(-float64(step)/500)
		fmt.Fprintf(&text, `{"step":%d,"loss":%g,"accuracy":%g,"lr":0.003,"gradient_norm":1,"blame":{`, step, loss, accuracy)
		for i, s := range stages {
			fmt.Fprintf(&text, "%s%q:%g", map[bool]string{true: ","}[i > 0], s, 1/float64(len(stages)))
		}
		text.WriteString("}}\n")
		if step%100 == 0 {
			fmt.Fprintf(&text, `{"step":%d,"held_out_loss":%g,"held_out_accuracy":0.5}`+"\n", step, 1.1*loss)
		}
	}
	return folder(t, text.String())
}

var calculator = []string{"embeddings", "positions", "attention 1", "mlp 1", "attention 2", "mlp 2", "output"}

func folder(t testing.TB, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, metricsFile), []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return dir
}

// drawn writes the charts of a folder and returns them. It fails when one is not well-formed or has a coordinate that is no number.
func drawn(t testing.TB, dir string) (loss, blame string) {
	t.Helper()
	if err := Write(dir); err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, name := range []string{LossFile, BlameFile} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		d := xml.NewDecoder(bytes.NewReader(data))
		for {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if bad := regexp.MustCompile(`[ML,"](NaN|[+-]?Inf)`).Find(data); bad != nil {
			t.Errorf("%s has the coordinate %s", name, bad)
		}
		files = append(files, string(data))
	}
	return files[0], files[1]
}

// texts are the words of a chart, in the order in which they are drawn.
func texts(svg string) []string {
	var list []string
	for _, match := range regexp.MustCompile(`(?s)<text[^>]*>([^<]*)</text>`).FindAllStringSubmatch(svg, -1) {
		list = append(list, match[1])
	}
	return list
}

func TestChartsHaveTitlesAxesAndALegendInTheOrderOfTheStages(t *testing.T) {
	loss, blame := drawn(t, metrics(t, 3000, calculator...))
	for _, want := range []string{
		"Loss", "nats per token, log scale", "step", "3,000", "Accuracy", "right answers (%)", "training batches, averaged", "held-out examples",
	} {
		if !slices.Contains(texts(loss), want) {
			t.Errorf("loss.svg lacks the text %q: it has %q", want, texts(loss))
		}
	}
	got := texts(blame)
	if legend := got[len(got)-len(calculator):]; !slices.Equal(legend, calculator) {
		t.Errorf("the legend of blame.svg is %q, want %q", legend, calculator)
	}
	for _, want := range []string{"Blame of each stage", "share of the squared gradient norm (%)"} {
		if !slices.Contains(got, want) {
			t.Errorf("blame.svg lacks the text %q: it has %q", want, got)
		}
	}
}

func TestChartsOfLongRunsAndDeepModelsAreSmall(t *testing.T) {
	deep := []string{"embeddings", "positions"}
	for layer := range 24 {
		deep = append(deep, fmt.Sprintf("attention %d", layer+1), fmt.Sprintf("mlp %d", layer+1))
	}
	for name, dir := range map[string]string{"long": metrics(t, 20000, calculator...), "deep": metrics(t, 1000, append(deep, "output")...)} {
		loss, blame := drawn(t, dir)
		if len(loss) > 200e3 || len(blame) > 200e3 {
			t.Errorf("%s: loss.svg has %d bytes, blame.svg %d, want at most 200,000", name, len(loss), len(blame))
		}
	}
}

func TestRunsOfFewStepsCanBeDrawn(t *testing.T) {
	for n := 1; n <= 12; n++ {
		drawn(t, metrics(t, n, calculator...))
	}
	drawn(t, metrics(t, 5, "output"))
	dir := folder(t, `{"step":1,"loss":3,"accuracy":0,"blame":{"output":1}}`+"\n")
	if loss, _ := drawn(t, dir); !slices.Contains(texts(loss), "5") {
		t.Errorf("the axis of a single loss of 3 has no number near it: %q", texts(loss))
	}
}

func TestLossesOfZeroAndLossesThatAreNotFiniteCanBeDrawn(t *testing.T) {
	drawn(t, folder(t, `{"step":1,"loss":0,"accuracy":1,"blame":{"output":0}}
{"step":2,"loss":null,"accuracy":0,"blame":{"output":null}}
{"step":2,"held_out_loss":null,"held_out_accuracy":0}
{"step":3,"loss":2,"accuracy":0,"blame":{"output":1}}
`))
}

func TestTheSameMetricsGiveTheSameBytes(t *testing.T) {
	dir := metrics(t, 500, calculator...)
	loss, blame := drawn(t, dir)
	if again, too := drawn(t, dir); again != loss || too != blame {
		t.Error("a second drawing differs")
	}
}

func TestALineThatIsBeingWrittenIsLeftOut(t *testing.T) {
	dir := metrics(t, 50, calculator...)
	want, _ := drawn(t, dir)
	file, err := os.OpenFile(filepath.Join(dir, metricsFile), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	file.WriteString(`{"step":51,"lo`)
	file.Close()
	if got, _ := drawn(t, dir); got != want {
		t.Error("a line that is cut off changes the chart")
	}
}

func TestMalformedMetricsAreDataErrorsThatNameFileAndLine(t *testing.T) {
	const good = `{"step":1,"loss":1,"accuracy":0,"blame":{"mlp 1":0.4,"output":0.6}}` + "\n"
	for text, want := range map[string]string{
		"":                          "there is no step to draw",
		good + "loss 3\n":           ":2: not a line of metrics: invalid character",
		good + "\n":                 ":2: not a line of metrics",
		good + "{\"step\":\"x\"}\n": ":2: not a line of metrics",
		good + "{\"step\":2}\n":     ":2: expected a step with accuracy and blame, or an evaluation with held_out_accuracy",
		good + `{"step":2,"loss":1,"accuracy":0,"blame":[1]}` + "\n":                       ":2: not a line of metrics: blame is not an object",
		good + `{"step":2,"loss":1,"accuracy":0,"blame":{"mlp 1":7}}` + "\n":               ":2: not a line of metrics: mlp 1 has 7 of the blame",
		good + `{"step":2,"loss":1,"accuracy":0,"blame":{"output":1}}` + "\n":              ":2: the stages of blame are not those of the first",
		good + `{"step":0,"held_out_loss":1,"held_out_accuracy":0}` + "\n":                 ":2: step 0 follows step 1",
		strings.ReplaceAll(good, "}}", "}}}"):                                              ":1: not a line of metrics",
		`{"step":1,"loss":1,"accuracy":0,"blame":{}}` + "\n":                               ":1: expected a step with accuracy and blame",
		`{"step":1,"held_out_loss":1,"held_out_accuracy":0}` + "\n":                        "there is no step to draw",
		good + strings.Replace(good, `"step":1`, `"step":2`, 1) + strings.Repeat("x", 9e4): "",
	} {
		dir := folder(t, text)
		err := Write(dir)
		if want == "" {
			if err != nil {
				t.Errorf("%.80q: %v", text, err)
			}
			continue
		}
		if path := filepath.Join(dir, metricsFile); err == nil || fault.ExitCode(err) != fault.ExitData ||
			!strings.HasPrefix(err.Error(), path) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.200q: error is %v, want a data error that says %s%s", text, err, path, want)
		}
		if _, err := os.Stat(filepath.Join(dir, LossFile)); err == nil {
			t.Errorf("%.200q: a chart was drawn", text)
		}
	}
	if err := Write(t.TempDir()); fault.ExitCode(err) != fault.ExitData {
		t.Errorf("a folder without metrics is %v, want a data error", err)
	}
}

func TestAveragesKeepTheMeanAndTheBeginning(t *testing.T) {
	var series plotter.XYs
	for i := range 1000 {
		series = append(series, plotter.XY{X: float64(i), Y: float64(i % 7)})
	}
	var sum float64
	binned := mean(series, 100)
	for _, p := range binned {
		sum += p.Y
	}
	if want := 2.997; len(binned) != 100 || math.Abs(sum/100-want) > 1e-9 {
		t.Errorf("%d bins have the mean %g, want 100 with %g", len(binned), sum/100, want)
	}
	smooth := moving(binned, 5)
	if smooth[0] != binned[0] {
		t.Errorf("the first point moved from %v to %v", binned[0], smooth[0])
	}
	for i := range smooth {
		reach := min(5, i)
		var around, n float64
		for _, p := range binned[i-reach : min(i+reach+1, 100)] {
			around, n = around+p.Y, n+1
		}
		around /= n
		if math.Abs(smooth[i].Y-around) > 1e-9 {
			t.Errorf("point %d is averaged to %g, want %g", i, smooth[i].Y, around)
		}
	}
}

func TestExtremesKeepTheRangeOfEachBinInOrder(t *testing.T) {
	series := plotter.XYs{{X: 1, Y: 5}, {X: 2, Y: 9}, {X: 3, Y: 1}, {X: 4, Y: 2}, {X: 5, Y: 2}, {X: 6, Y: 2}}
	want := plotter.XYs{{X: 2, Y: 9}, {X: 3, Y: 1}, {X: 4, Y: 2}}
	if got := extremes(series, 2); !slices.Equal(got, want) {
		t.Errorf("extremes are %v, want %v", got, want)
	}
}

func TestAreasAreStackedToTheSumOfTheShares(t *testing.T) {
	dir := metrics(t, 300, calculator...)
	h, err := readHistory(filepath.Join(dir, metricsFile))
	if err != nil {
		t.Fatal(err)
	}
	edges := stack(h, 40)
	for i, edge := range edges {
		want := float64(len(calculator)-i) / float64(len(calculator))
		for _, p := range edge {
			if math.Abs(p.Y-want) > 1e-5 {
				t.Fatalf("the upper edge of %s is at %g, want %g", calculator[i], p.Y, want)
			}
		}
		if edge[0].X != 0 || edge[len(edge)-1].X != 300 {
			t.Errorf("the area of %s is from step %g to %g, want the whole axis", calculator[i], edge[0].X, edge[len(edge)-1].X)
		}
	}
}

func TestStagesHaveColoursOfTheirOwn(t *testing.T) {
	colours := stageColours(calculator)
	for i, c := range colours {
		if slices.Index(colours, c) != i {
			t.Errorf("%s has the colour of another stage", calculator[i])
		}
	}
}

func TestTicksOfLossesAndStepsAreReadable(t *testing.T) {
	label := func(low, high float64) (list []string) {
		for _, tick := range logTicks(low, high) {
			if !tick.IsMinor() {
				list = append(list, tick.Label)
			}
		}
		return list
	}
	for _, c := range []struct {
		low, high float64
		want      string
	}{
		{-6.1, 0.6, "1e-6 1e-5 1e-4 0.001 0.01 0.1 1"},
		{-0.8, 0.6, "0.2 0.5 1 2"},
		{-0.25, 0.25, "1"},
		{3.5, 4.5, "5000 1e4 2e4"},
	} {
		if got := strings.Join(label(c.low, c.high), " "); got != c.want {
			t.Errorf("losses from 10^%g to 10^%g are marked %s, want %s", c.low, c.high, got, c.want)
		}
	}
	for end, want := range map[float64]string{
		1: "0 1", 2: "0 1 2", 12000: "0 2,000 4,000 6,000 8,000 10,000 12,000", 1.3e6: "0 500,000 1,000,000",
	} {
		var got []string
		for _, tick := range stepTicks(0, end) {
			got = append(got, tick.Label)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("steps to %g are marked %s, want %s", end, got, want)
		}
	}
}
