// Package api is what the factory floor tells its page, as JSON: the documents of the HTTP API and of the events, and nothing that computes
// them. Whoever fills one imports this package, and it imports nothing of the trainer.
//
//	Run          /api/run       what is trained, and where it stands
//	Metrics      /api/metrics   numbers by step, for charts
//	Trace        /api/trace, /api/example, event "example"   one example on its way through the model and back
//	StepEvent and the other events   /api/events
//
// A number that is not finite is null; see Number. Start at Run.
package api

// The kinds of runs.
const (
	Examples = "examples" // questions with an answer each
	Text     = "text"     // a text to continue
)

// State is where a run stands.
type State string

// The states of a run. Training goes on in the first, and may go on from the second.
const (
	Training    State = "training"
	Paused      State = "paused"
	Ended       State = "ended"
	Interrupted State = "interrupted"
)

// Run says what is trained, and where that stands.
type Run struct {
	Name         string       `json:"name"` // of its folder
	Kind         string       `json:"kind"` // Examples or Text
	Architecture string       `json:"architecture"`
	Live         bool         `json:"live"` // the page is that of the process that trains, which can be paused
	State        State        `json:"state"`
	Step         int          `json:"step"`  // the last one that was taken
	Steps        int          `json:"steps"` // of the whole run
	Device       string       `json:"device"`
	Config       Config       `json:"config"`
	Stages       []Stage      `json:"stages"`
	Checkpoints  []Checkpoint `json:"checkpoints"` // by step; those that a Trace or findings can be asked of
	QuestionEnds string       `json:"question_ends"`
	Questions    []string     `json:"sample_questions"`
	Data         string       `json:"data"` // where the examples came from
	Runs         []string     `json:"runs"` // names of this run and of those beside it, for overlays
	Open         string       `json:"open"` // command that opens the run's folder when this server is gone
}

// Config is the size of a model.
type Config struct {
	Layers     int    `json:"layers"`
	Heads      int    `json:"heads"`
	KVHeads    int    `json:"kv_heads"`
	Width      int    `json:"width"`
	Context    int    `json:"context"`
	VocabSize  int    `json:"vocab_size"`
	Positions  string `json:"positions"` // "learned", "sinusoidal", "rotary"
	Parameters int    `json:"parameters"`
}

// Stage is a part of the model, in the order in which data goes through them.
type Stage struct {
	Name    string `json:"name"`
	Weights int    `json:"weights"`
}

// Checkpoint is a state of the weights.
type Checkpoint struct {
	Step  int    `json:"step"`
	Label string `json:"label"` // "before training", "now", or the step
}

// Metrics are the numbers of training steps, one list a number. Where a run has more steps than a chart has points, a point is the mean of
// several steps and stands at the last of them.
type Metrics struct {
	Run             string       `json:"run"`
	Every           int          `json:"every"` // steps in a point, the last one excepted, which may have fewer
	Steps           []int        `json:"steps"`
	Loss            []Number     `json:"loss"`
	Accuracy        []Number     `json:"accuracy"`
	LearningRate    []Number     `json:"learning_rate"`
	GradientNorm    []Number     `json:"gradient_norm"`
	TokensPerSecond []Number     `json:"tokens_per_second"`
	Epoch           []Number     `json:"epoch"`
	Blame           Blame        `json:"blame"`
	Evaluations     []Evaluation `json:"evaluations"`
	Samples         []Sample     `json:"samples"`
}

// Blame are the shares of the squared gradient by stage: a row of shares a point of Metrics.
type Blame struct {
	Stages []string   `json:"stages"`
	Shares [][]Number `json:"shares"`
}

// Evaluation is how the model did on the held-out data. It is the event "evaluation", too.
type Evaluation struct {
	Step        int               `json:"step"`
	Loss        Number            `json:"loss"`
	Accuracy    Number            `json:"accuracy"`
	BitsPerByte *Number           `json:"bits_per_byte,omitempty"` // of a text
	ByOperation map[string]Number `json:"by_operation,omitempty"`  // of examples
}

// Sample is what the model makes of a prompt at a step. It is the event "sample", too, and a line of a run's samples.jsonl.
type Sample struct {
	Step   int    `json:"step"`
	Prompt string `json:"prompt"`
	Text   string `json:"text"`
}

// StepEvent is the event "step": the numbers of the last step.
type StepEvent struct {
	Step            int      `json:"step"`
	Loss            Number   `json:"loss"`
	Accuracy        Number   `json:"accuracy"`
	LearningRate    Number   `json:"learning_rate"`
	GradientNorm    Number   `json:"gradient_norm"`
	TokensPerSecond Number   `json:"tokens_per_second"`
	Epoch           Number   `json:"epoch"`
	Blame           []Number `json:"blame"` // by stage
}

// StateEvent is the event "state", and the answer to /api/control. Behind the state Ended or Interrupted comes no event.
type StateEvent struct {
	State State  `json:"state"`
	Step  int    `json:"step"`
	Open  string `json:"open,omitempty"` // with Ended or Interrupted: the command that opens the run's folder
}

// Control is the body of POST /api/control.
type Control struct {
	Action string `json:"action"` // of the actions below
}

// The actions on a run.
const (
	Pause   = "pause"
	Resume  = "resume"
	Step    = "step"    // take one step, show its example, pause
	Example = "example" // show an example now
)

// Error is the answer to a request that is not answered.
type Error struct {
	Error string `json:"error"`
}
