package api

// The most of a tensor that a Trace holds; what is larger is pooled or cut.
const (
	MaxColumns = 64 // of a vector of the model's width, by the means of equally many neighbours
	MaxRows    = 64 // of an attention pattern: the last ones
)

// Trace is one example on its way through the model: what each stage made of it, what came out, how wrong that was, and which stage is to
// blame. T is the number of tokens.
type Trace struct {
	Step       int     `json:"step"` // of the weights
	Text       string  `json:"text"`
	Tokens     []Token `json:"tokens"`
	AnswerFrom int     `json:"answer_from"` // the row whose prediction is the first of the answer
	Target     *Token  `json:"target"`      // the right token behind the question; null where that is not known

	Width      int          `json:"width"`      // of the vectors, before they were pooled
	Embeddings [][]Number   `json:"embeddings"` // [T][<= MaxColumns]
	Positions  [][]Number   `json:"positions"`  // [T][<= MaxColumns]; empty where positions are rotations
	Residual   [][][]Number `json:"residual"`   // [layers+1][T][<= MaxColumns]

	Attention     [][][][]Number `json:"attention"`      // [layers][heads][rows][rows] probabilities
	AttentionFrom int            `json:"attention_from"` // the token of the first row and column
	AttentionOut  [][]Number     `json:"attention_out"`  // [layers][T]: root mean square of what attention adds
	MLP           [][]Number     `json:"mlp"`            // [layers][T]: of what the MLP adds

	Logits       Logits       `json:"logits"`
	Answer       []AnswerWord `json:"answer"` // greedy continuation
	Loss         *Number      `json:"loss"`   // -log p of the target; null without one
	Probability  *Number      `json:"probability"`
	Blame        []Share      `json:"blame"`         // of this one example's squared gradient, by stage; empty without a target
	GradientNorm *Number      `json:"gradient_norm"` // of this one example
	Weight       *WeightStep  `json:"weight"`        // null where no step was taken
	Lens         []LensLayer  `json:"lens"`          // [layers+1]: what the head would say of each residual
}

// Token is a token of a vocabulary.
type Token struct {
	ID   int32  `json:"id"`
	Text string `json:"text"`
}

// Logits are the scores of the likeliest tokens behind a row.
type Logits struct {
	Row int     `json:"row"`
	Top []Logit `json:"top"` // best first
}

// Logit is the score of a token.
type Logit struct {
	Token
	Logit       Number `json:"logit"`
	Probability Number `json:"probability"`
}

// AnswerWord is a token with its probability.
type AnswerWord struct {
	Text        string `json:"text"`
	Probability Number `json:"probability"`
}

// Share is what a stage has of something, 0 to 1.
type Share struct {
	Stage string `json:"stage"`
	Share Number `json:"share"`
}

// WeightStep is one weight, the most to blame, in one training step: New = Old - LearningRate × Direction.
type WeightStep struct {
	Name            string  `json:"name"` // with the index: "lm_head.weight[16 39]"
	Old             Number  `json:"old"`
	Gradient        Number  `json:"gradient"` // of the batch's loss
	ClippedGradient Number  `json:"clipped_gradient"`
	Mean            *Number `json:"mean,omitempty"`  // AdamW: the moving mean of the gradient
	Size            *Number `json:"size,omitempty"`  // AdamW: the root of the moving mean of its square
	Decay           *Number `json:"decay,omitempty"` // AdamW: Direction = Mean / Size + Decay × Old
	Direction       Number  `json:"direction"`
	LearningRate    Number  `json:"learning_rate"`
	New             Number  `json:"new"`
	Optimizer       string  `json:"optimizer"`
	After           Number  `json:"probability_after"` // of the target, behind the step
}

// LensLayer is what the model would predict from the residual stream behind a layer.
type LensLayer struct {
	Top               []AnswerWord `json:"top"`
	TargetProbability *Number      `json:"target_probability"`
}
