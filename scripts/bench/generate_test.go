package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trainer/internal/device"
	"trainer/model"
	"trainer/train"
)

func TestSidesThatDoNotGoOnWithTheSameTokenEndTheComparison(t *testing.T) {
	row := generateRow{Side: "peer 1.0", Weights: "f16"}
	if err := row.agree([]int32{5, 6, 9}, []int32{5, 6, 7}); err != nil || row.Agreeing != 2 {
		t.Errorf("two tokens of three in common: %d, %v", row.Agreeing, err)
	}
	for _, tokens := range [][]int32{{4, 6, 7}, {5, 6}, nil} {
		row := generateRow{Side: "peer 1.0", Weights: "f16"}
		if err := row.agree(tokens, []int32{5, 6, 7}); err == nil || !strings.Contains(err.Error(), "peer 1.0 with weights of f16") {
			t.Errorf("%v in place of 5, 6, 7: error %v, want one that names the side", tokens, err)
		}
	}
}

func TestEachPeerIsComparedWithOursOfAsManyBits(t *testing.T) {
	r := generateReport{Rows: []generateRow{
		{Side: trainerSide, Weights: "f32", Speed: 60, Prefill: 900}, {Side: "llama.cpp 1", Weights: "f32", Speed: 40, Prefill: 300},
		{Side: trainerSide, Weights: "bf16", Speed: 120, Prefill: 800}, {Side: "llama.cpp 1", Weights: "f16", Speed: 150, Prefill: 400},
	}, Limit: 50e9}
	r.compare()
	for i, want := range [][2]float64{{0, 0}, {1.5, 3}, {0, 0}, {0.8, 2}} {
		if got := [2]float64{r.Rows[i].SpeedRatio, r.Rows[i].PrefillRatio}; got != want {
			t.Errorf("line %d: ratios %v, want %v", i, got, want)
		}
	}
	var text strings.Builder
	r.print(&text)
	words := strings.Join(strings.Fields(text.String()), " ")
	if !strings.Contains(words, "1.50x 1.00x met") || !strings.Contains(words, "0.80x 1.00x missed") {
		t.Errorf("the table has not both a target that is met and one that is missed:\n%s", text.String())
	}
}

func TestAPeerThatIsNotThereIsNamedWithTheVariableForIt(t *testing.T) {
	for _, p := range generatorPeers {
		t.Setenv(p.variable, filepath.Join(t.TempDir(), "python3"))
	}
	peers, missing, err := findGenerators(t.Context(), t.TempDir())
	if err != nil || len(peers) > 0 || len(missing) != len(generatorPeers) {
		t.Fatalf("peers %v, missing %q, error %v; want all missing", peers, missing, err)
	}
	for i, p := range generatorPeers {
		if !strings.Contains(missing[i], p.kind) || !strings.Contains(missing[i], p.variable) || !strings.Contains(missing[i], p.install) {
			t.Errorf("%q: want %s, %s and %s in it", missing[i], p.kind, p.variable, p.install)
		}
	}
}

func TestTheTrainersSideGeneratesFromTheFilesOfTheModel(t *testing.T) {
	c := gptConfig(64, 32, 2, 2)
	f := modelFiles{Config: c, Folder: filepath.Join(t.TempDir(), "model"), GGUF: map[string]string{"q8_0": filepath.Join(t.TempDir(), "q8_0.gguf")}}
	settings, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := writeFiles(string(settings)); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(f.GGUF["q8_0"]); err != nil || info.Size() < 1000 {
		t.Errorf("the file for llama.cpp is %v, error %v", info, err)
	}
	m, _, err := train.LoadModel(f.Folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, weights := range device.Weights {
		b := device.OpenCPU(1, device.Precisions[0], weights)
		defer b.Close()
		got, err := generate(model.NewGenerator(model.NewExecutor(m, b)), generateRequest{[]int32{1, 2, 3}, 5})
		if err != nil || len(got.Tokens) != 5 || !(got.First > 0) || !(got.Rest > 0) {
			t.Errorf("weights %s: %+v, %v; want 5 tokens and their times", weights, got, err)
		}
	}
}
