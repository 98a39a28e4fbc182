package train

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"trainer/internal/fault"
	"trainer/internal/safetensors"
	"trainer/model"
	"trainer/tokenizer"
	"trainer/train/examples"
)

// resumed is the trainer of a run folder as a new process makes it: of nothing but the folder, the examples and the options.
func resumed(t testing.TB, f *Folder, list []examples.Example, o Options) (*Trainer, error) {
	t.Helper()
	s, err := f.State()
	if err != nil {
		return nil, err
	}
	m, err := model.Load(f.Dir)
	if err != nil {
		t.Fatal(err)
	}
	words, err := tokenizer.Load(f.Path(tokenizer.FileName))
	if err != nil {
		t.Fatal(err)
	}
	trainer, err := New(m, words, dataset(t, words, list, m.Config.Context), dataset(t, words, nil, m.Config.Context), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { trainer.Close() })
	return trainer, f.Resume(trainer, s)
}

func save(t testing.TB, f *Folder, trainer *Trainer) {
	t.Helper()
	if err := f.Save(trainer, map[string]string{"out": "here"}); err != nil {
		t.Fatal(err)
	}
}

func TestAResumedRunEqualsOneThatWasNeverStopped(t *testing.T) {
	for name, change := range map[string]func(o *Options){
		"adamw":                           func(*Options) {},
		"adamw, accumulated":              func(o *Options) { o.Accumulate = 3 },
		"sgd":                             func(o *Options) { o.Optimizer = "sgd" },
		"sgd, accumulated":                func(o *Options) { o.Optimizer, o.Accumulate = "sgd", 3 },
		"every token, three threads":      func(o *Options) { o.Loss, o.Threads = "all", 3 },
		"a stop at the end of each epoch": func(o *Options) { o.Batch, o.Repeats = 10, nil },
		"a batch larger than an epoch":    func(o *Options) { o.Batch = 47 },
		"no repeats":                      func(o *Options) { o.Repeats = map[string]int{} },
		"dropout":                         func(o *Options) { o.Dropout = 0.1 },
		"dropout, accumulated, threads":   func(o *Options) { o.Dropout, o.Accumulate, o.Threads = 0.2, 3, 2 },
	} {
		t.Run(name, func(t *testing.T) {
			o := quick()
			change(&o)
			list := mixed(20)
			whole, parts := openFolder(t, t.TempDir()), openFolder(t, t.TempDir())
			trainer := newTrainer(t, list, o)
			want := steps(t, trainer, o.Steps)
			save(t, whole, trainer)

			trainer = newTrainer(t, list, o)
			var got []Metrics
			for _, n := range []int{2, 2, 5, 3} {
				got = append(got, steps(t, trainer, n)...)
				save(t, parts, trainer)
				var err error
				if trainer, err = resumed(t, parts, list, o); err != nil {
					t.Fatal(err)
				}
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("metrics are\n%+v, without a stop\n%+v", got, want)
			}
			if got, want := contents(t, parts.Dir), contents(t, whole.Dir); !maps.Equal(got, want) {
				for name := range want {
					t.Errorf("%s is the same as without a stop: %t", name, got[name] == want[name])
				}
			}
		})
	}
}

func TestACheckpointHoldsAllThatGenerationNeeds(t *testing.T) {
	f := openFolder(t, filepath.Join(t.TempDir(), "new", "run"))
	save(t, f, newTrainer(t, mixed(20), quick()))
	var names []string
	for name := range contents(t, f.Dir) {
		names = append(names, name)
	}
	slices.Sort(names)
	want := []string{"config.json", "model.safetensors", "state.safetensors", "tokenizer.json", "tokenizer_config.json"}
	if !slices.Equal(names, want) {
		t.Errorf("the files are %v, want %v", names, want)
	}
}

func TestANewFolderHasNoState(t *testing.T) {
	if s, err := openFolder(t, t.TempDir()).State(); s != nil || err != nil {
		t.Errorf("state is %v with error %v, want none", s, err)
	}
}

func TestAFolderIsForOneTrainer(t *testing.T) {
	dir := t.TempDir()
	f := openFolder(t, dir)
	if _, err := OpenFolder(dir); err == nil || !strings.Contains(err.Error(), dir+" is in use by process") {
		t.Errorf("error is %v, want one that says who uses the folder", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	openFolder(t, dir)
}

func TestOpenFolderFinishesACheckpointThatWasCutOff(t *testing.T) {
	f := openFolder(t, t.TempDir())
	trainer := newTrainer(t, mixed(20), quick())
	save(t, f, trainer)
	old := contents(t, f.Dir)
	steps(t, trainer, 3)
	save(t, f, trainer)
	complete := contents(t, f.Dir)
	f.Close()

	// Killed before the rename that commits it, a checkpoint is dropped; killed behind it, it is moved into place.
	for folder, want := range map[string]map[string]string{".checkpoint-new": old, ".checkpoint-commit": complete} {
		dir := t.TempDir()
		for name, text := range old {
			write(t, filepath.Join(dir, name), text)
		}
		if err := os.Mkdir(filepath.Join(dir, folder), 0o777); err != nil {
			t.Fatal(err)
		}
		for name, text := range complete {
			write(t, filepath.Join(dir, folder, name), text)
		}
		openFolder(t, dir)
		if !maps.Equal(contents(t, dir), want) {
			t.Errorf("a kill with a folder %s leaves a mixture", folder)
		}
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

func TestResumeRefusesOptionsThatContradictByName(t *testing.T) {
	f := openFolder(t, t.TempDir())
	list := mixed(20)
	trainer := newTrainer(t, list, quick())
	steps(t, trainer, 2)
	save(t, f, trainer)
	for want, change := range map[string]func(o *Options){
		"batch 8, not 9":                       func(o *Options) { o.Batch = 9 },
		"accumulate 1, not 2":                  func(o *Options) { o.Accumulate = 2 },
		"optimizer adamw, not sgd":             func(o *Options) { o.Optimizer = "sgd" },
		"learning_rate 0.005, not 0.006":       func(o *Options) { o.LearningRate = 6e-3 },
		"final_learning_rate 0.0001, not 0":    func(o *Options) { o.FinalLearningRate = 0 },
		"schedule cosine, not linear":          func(o *Options) { o.Schedule = "linear" },
		"warm_up 3, not 4":                     func(o *Options) { o.WarmUp = 4 },
		"beta1 0.9, not 0.8":                   func(o *Options) { o.Beta1 = 0.8 },
		"beta2 0.95, not 0.9":                  func(o *Options) { o.Beta2 = 0.9 },
		"weight_decay 0.1, not 0":              func(o *Options) { o.WeightDecay = 0 },
		"clip 1, not 0":                        func(o *Options) { o.Clip = 0 },
		"dropout 0, not 0.1":                   func(o *Options) { o.Dropout = 0.1 },
		"loss answer, not all":                 func(o *Options) { o.Loss = "all" },
		"repeats map[times:2], not map[]":      func(o *Options) { o.Repeats = nil },
		"repeats map[times:2], not map[plus:2": func(o *Options) { o.Repeats = map[string]int{"plus": 2} },
		"seed 7, not 8":                        func(o *Options) { o.Seed = 8 },
	} {
		o := quick()
		change(&o)
		_, err := resumed(t, f, list, o)
		if fault.ExitCode(err) != fault.ExitUsage || !strings.Contains(err.Error(), "the run was begun with "+want) {
			t.Errorf("error is %v, want a usage error with %q", err, want)
		}
	}
	o := quick()
	o.Steps, o.Threads = 100, 2
	if _, err := resumed(t, f, list, o); err != nil {
		t.Errorf("more steps and threads are refused: %v", err)
	}
}

func TestARunGoesOnToTheSameBitsWithRecomputationOrWithout(t *testing.T) {
	whole, parts := openFolder(t, t.TempDir()), openFolder(t, t.TempDir())
	o, list := quick(), mixed(20)
	trainer := newTrainer(t, list, o)
	steps(t, trainer, 6)
	save(t, whole, trainer)

	trainer = newTrainer(t, list, o)
	steps(t, trainer, 3)
	save(t, parts, trainer)
	o.Recompute = true
	trainer, err := resumed(t, parts, list, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range trainer.engine.workers {
		if !w.executor.Recompute {
			t.Error("a worker does not recompute")
		}
	}
	steps(t, trainer, 3)
	save(t, parts, trainer)
	if got, want := contents(t, parts.Dir), contents(t, whole.Dir); !maps.Equal(got, want) {
		t.Error("the folder of a run that went on with recomputation differs from that of one without")
	}
}

func TestNoRepeatsAreTheSameHoweverTheyAreWritten(t *testing.T) {
	empty, none := quick(), quick()
	empty.Repeats, none.Repeats = map[string]int{}, nil
	for _, pair := range [][2]Options{{empty, none}, {none, empty}} {
		f := openFolder(t, t.TempDir())
		save(t, f, newTrainer(t, mixed(20), pair[0]))
		if _, err := resumed(t, f, mixed(20), pair[1]); err != nil {
			t.Errorf("begun with %#v and resumed with %#v: %v", pair[0].Repeats, pair[1].Repeats, err)
		}
	}
}

func TestResumeRefusesOtherData(t *testing.T) {
	f := openFolder(t, t.TempDir())
	save(t, f, newTrainer(t, mixed(20), quick()))
	_, err := resumed(t, f, mixed(21), quick())
	want := f.Path(StateFile) + ": the training data is not that of the run"
	if fault.ExitCode(err) != fault.ExitData || !strings.Contains(err.Error(), want) {
		t.Errorf("error is %v, want one of class data that says so", err)
	}
}

// tensorsOf returns the float32 tensors of a file.
func tensorsOf(t testing.TB, path string) []safetensors.Tensor {
	t.Helper()
	file, err := safetensors.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var list []safetensors.Tensor
	for _, info := range file.Tensors() {
		value := make([]float32, product(info.Shape))
		if err := safetensors.Read(file, info.Name, value, info.Shape...); err != nil {
			t.Fatal(err)
		}
		list = append(list, safetensors.New(info.Name, value, info.Shape...))
	}
	return list
}

// writeStateFile replaces the state of a folder by tensors and metadata.
func writeStateFile(t testing.TB, f *Folder, tensors []safetensors.Tensor, metadata map[string]string) {
	t.Helper()
	file, err := os.Create(f.Path(StateFile))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := safetensors.Write(file, tensors, metadata); err != nil {
		t.Fatal(err)
	}
}

func TestABrokenStateIsRefusedAndTheFolderUntouched(t *testing.T) {
	f := openFolder(t, t.TempDir())
	list := mixed(20)
	trainer := newTrainer(t, list, quick())
	steps(t, trainer, 3)
	save(t, f, trainer)
	path := f.Path(StateFile)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	tensors := tensorsOf(t, path)
	s, err := f.State()
	if err != nil {
		t.Fatal(err)
	}
	refused := func(t *testing.T, want string) {
		t.Helper()
		before := contents(t, f.Dir)
		_, err := resumed(t, f, list, quick())
		if fault.ExitCode(err) != fault.ExitData || !strings.Contains(err.Error(), path+": ") || !strings.Contains(err.Error(), want) ||
			strings.Contains(err.Error(), "%!") {
			t.Errorf("error is %v, want one of class data with %s and %q", err, StateFile, want)
		}
		if !maps.Equal(contents(t, f.Dir), before) {
			t.Error("the folder has changed")
		}
	}

	header := strings.Index(string(good), "}}") + 2
	for _, size := range []int{0, 1, 7, 8, 9, 8 + header/2, header - 1, header, header + 1, (header + len(good)) / 2, len(good) - 1} {
		t.Run(fmt.Sprintf("cut to %d bytes", size), func(t *testing.T) {
			write(t, path, string(good[:size]))
			refused(t, "")
		})
	}
	t.Run("more bytes", func(t *testing.T) {
		write(t, path, string(good)+"x")
		refused(t, "")
	})
	for _, flip := range []struct{ old, new, want string }{
		{`{"__metadata__"`, `["__metadata__"`, ""},
		{`\"step\":3`, `\"step\":x`, `metadata "trainer": invalid character 'x'`},
		{`\"step\":3`, `\"stop\":3`, `unknown field "stop"`},
		{`\"adamw\"`, `\"adamx\"`, `optimizer "adamx": expected adamw or sgd`},
		{`"F32"`, `"F64"`, ""},
		{`"F32"`, `"I32"`, "is of type I32, expected F32"},
		{`exp_avg.`, `exp_avh.`, "there is no tensor"},
		{`"trainer":`, `"trainex":`, `it has no metadata "trainer"`},
	} {
		t.Run("flipped "+flip.old, func(t *testing.T) {
			broken := strings.Replace(string(good), flip.old, flip.new, 1)
			if broken == string(good) {
				t.Fatalf("%s is not in the file", flip.old)
			}
			write(t, path, broken)
			refused(t, flip.want)
		})
	}
	metadata := func(change func(s *State)) map[string]string {
		changed := *s
		change(&changed)
		text, err := json.Marshal(changed)
		if err != nil {
			t.Fatal(err)
		}
		return map[string]string{stateKey: string(text)}
	}
	for want, change := range map[string]func(s *State){
		"step -1: expected 0 to":                  func(s *State) { s.Step = -1 },
		"step 9223372036854775807: expected":      func(s *State) { s.Step = math.MaxInt },
		"epoch -1: expected":                      func(s *State) { s.Epoch = -1 },
		"next -1: expected":                       func(s *State) { s.Next = -1 },
		"expected where 32 sequences dealt":       func(s *State) { s.Step = 4 },
		"position 3 of epoch 0: ":                 func(s *State) { s.Epoch = 0 },
		"position 24 of epoch 0: ":                func(s *State) { s.Epoch, s.Next = 0, 24 },
		"position 2000000000 of epoch 2000000000": func(s *State) { s.Next, s.Epoch = 2e9, 2e9 },
		"batch 0: expected at least 1":            func(s *State) { s.Options.Batch = 0 },
		"at most 16777216 examples a step":        func(s *State) { s.Options.Batch, s.Options.Accumulate = 1<<20, 1<<20 },
		"threads 2000: expected at most 1024":     func(s *State) { s.Options.Threads = 2000 },
		"the training data is not that of":        func(s *State) { s.Data = "" },
	} {
		t.Run(want, func(t *testing.T) {
			writeStateFile(t, f, tensors, metadata(change))
			refused(t, want)
		})
	}
	t.Run("no metadata", func(t *testing.T) {
		writeStateFile(t, f, tensors, nil)
		refused(t, `it has no metadata "trainer"`)
	})
	t.Run("two objects", func(t *testing.T) {
		writeStateFile(t, f, tensors, map[string]string{stateKey: metadata(func(*State) {})[stateKey] + "{}"})
		refused(t, "more than one JSON object")
	})

	same := metadata(func(*State) {})
	changed := func(i int, tensor safetensors.Tensor) []safetensors.Tensor {
		list := slices.Clone(tensors)
		list[i] = tensor
		return list
	}
	t.Run("missing tensor", func(t *testing.T) {
		writeStateFile(t, f, tensors[1:], same)
		refused(t, "there is no tensor")
	})
	t.Run("wrong shape", func(t *testing.T) {
		writeStateFile(t, f, changed(0, safetensors.New("exp_avg.transformer.wte.weight", make([]float32, 6), 2, 3)), same)
		refused(t, "has shape [2 3], expected")
	})
	t.Run("not finite", func(t *testing.T) {
		c := trainer.Model.Config
		value := make([]float32, c.VocabSize*c.Width)
		value[5] = float32(math.NaN())
		writeStateFile(t, f, changed(0, safetensors.New("exp_avg.transformer.wte.weight", value, c.VocabSize, c.Width)), same)
		refused(t, "element 5 of exp_avg.transformer.wte.weight is NaN")
	})
	t.Run("unbroken", func(t *testing.T) {
		writeStateFile(t, f, tensors, same)
		if _, err := resumed(t, f, list, quick()); err != nil {
			t.Errorf("the tests above break nothing, and yet: %v", err)
		}
	})
}

func TestSaveRefusesWeightsThatAreNotFinite(t *testing.T) {
	f := openFolder(t, t.TempDir())
	trainer := newTrainer(t, mixed(20), quick())
	save(t, f, trainer)
	before := contents(t, f.Dir)
	steps(t, trainer, 2)
	trainer.Model.Parameter("transformer.wpe.weight").Value[3] = float32(math.Inf(-1))
	err := f.Save(trainer, nil)
	if err == nil || !strings.Contains(err.Error(), "element 3 of transformer.wpe.weight has become -Inf: the last checkpoint is kept") {
		t.Errorf("error is %v, want one that names the weight", err)
	}
	if !maps.Equal(contents(t, f.Dir), before) {
		t.Error("the checkpoint has changed")
	}
}

func TestASaveThatFailsKeepsTheLastCheckpoint(t *testing.T) {
	f := openFolder(t, t.TempDir())
	trainer := newTrainer(t, mixed(20), quick())
	save(t, f, trainer)
	steps(t, trainer, 2)
	write(t, f.Path(".checkpoint-new"), "a file where the folder of the next checkpoint would be")
	before := contents(t, f.Dir)
	if err := f.Save(trainer, nil); err == nil || !strings.Contains(err.Error(), f.Dir) {
		t.Errorf("error is %v, want one that names the folder", err)
	}
	if !maps.Equal(contents(t, f.Dir), before) {
		t.Error("the checkpoint has changed")
	}
	if err := os.Remove(f.Path(".checkpoint-new")); err != nil {
		t.Fatal(err)
	}
	save(t, f, trainer)
	if s, err := f.State(); err != nil || s.Step != 2 || s.Arguments["out"] != "here" {
		t.Errorf("then the state is %+v, %v, want that of step 2", s, err)
	}
}

func FuzzState(f *testing.F) {
	good, err := json.Marshal(State{Step: 3, Next: 24, Options: quick(), Data: "0123", Arguments: map[string]string{"out": "here"}})
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range []string{string(good), "null", "{}", `{"step":1e9}`, string(good) + " ", `{"options":{"repeats":{"times":-1}}}`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseState(text)
		if err != nil {
			return
		}
		// A state that is accepted has a trainer, and reads back as it was.
		if err := s.Options.Validate(); err != nil || s.Step < 0 || s.Epoch < 0 || s.Next < 0 {
			t.Fatalf("%q gives %+v: %v", text, s, err)
		}
		again, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := parseState(string(again)); err != nil || !reflect.DeepEqual(back, s) {
			t.Fatalf("%+v becomes %+v, %v", s, back, err)
		}
	})
}
