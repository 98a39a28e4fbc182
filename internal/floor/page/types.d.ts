// The JSON that the page reads, as package floor writes it. Tensors are lists of rows; shares and probabilities are between 0 and 1.

export interface Stage { name: string; weights: number }
export interface Checkpoint { step: number; label: string }

export interface Run {
  name: string;
  kind: "examples" | "text";
  architecture: string;
  live: boolean;
  state: State;
  step: number;
  steps: number;
  device: string;
  config: {
    layers: number; heads: number; kv_heads: number; width: number; context: number; vocab_size: number;
    positions: string; parameters: number;
  };
  stages: Stage[];
  checkpoints: Checkpoint[] | null;
  question_ends: string;
  sample_questions: string[] | null;
  data: string;
  runs: string[] | null;
  open?: string;
}

export type State = "training" | "paused" | "ended" | "interrupted";

export interface Evaluation {
  step: number; loss: number | null; accuracy: number | null; bits_per_byte?: number; by_operation?: Record<string, number>;
}
export interface Sample { step: number; prompt: string; text: string }

export interface Metrics {
  run: string;
  every: number;
  steps: number[];
  loss: (number | null)[];
  accuracy: (number | null)[];
  learning_rate: (number | null)[];
  gradient_norm: (number | null)[];
  tokens_per_second: (number | null)[];
  epoch: (number | null)[];
  blame: { stages: string[]; shares: (number | null)[][] };
  evaluations: Evaluation[] | null;
  samples: Sample[] | null;
}

export interface Step {
  step: number; loss: number | null; accuracy: number | null; learning_rate: number | null; gradient_norm: number | null;
  tokens_per_second: number | null; epoch: number | null; blame: (number | null)[];
}

export interface Candidate { id: number; text: string; logit: number; probability: number }
export interface Said { text: string; probability: number }

export interface Weight {
  name: string; old: number; gradient: number; clipped_gradient: number; mean?: number; size?: number; decay?: number;
  direction: number; learning_rate: number; new: number; optimizer: string;
  probability_after: number;
}

export interface Trace {
  step: number;
  text: string;
  tokens: { id: number; text: string }[];
  answer_from: number;
  target: { id: number; text: string } | null;
  width: number;
  embeddings: number[][];
  positions: number[][] | null;
  residual: number[][][];
  attention: number[][][][];
  attention_from?: number;
  mlp: number[][];
  attention_out: number[][];
  logits: { row: number; top: Candidate[] };
  answer: Said[] | null;
  loss: number | null;
  probability: number | null;
  blame: { stage: string; share: number }[] | null;
  gradient_norm: number | null;
  weight: Weight | null;
  lens: { top: Said[]; target_probability: number | null }[] | null;
}

export interface Claim {
  id: string; claim: string; measure: string; value: number | null; threshold: number; holds: boolean; says: string;
}

export interface Gaze {
  operator_before: number | null; last_before: number | null; last_operator: number | null; last_after: number | null;
}
export interface Head extends Gaze { layer: number; head: number; distance: number; self: number; previous: number; first: number }

export interface Findings {
  step: number;
  questions: number;
  attention: { heads: Head[]; uniform: Gaze; asked: number } | null;
  numbers: {
    words: string[]; values: number[]; pca: [number, number][]; explained: [number, number]; similarity: number[][];
    spearman: number; pearson: number; axis: number;
  } | null;
  neighbours?: { token: string; nearest: { text: string; cosine: number }[] }[];
  operations: {
    accuracy: { operation: string; questions: number; right: number }[] | null; same: number; all_right: number | null;
    swaps: { from: string; to: string; questions: number; new: number; old: number }[] | null;
    whole: number; silenced: { layer: number; head: number; right: number }[] | null; unasked?: string;
  } | null;
  lens: { asked: number; top: number[]; probability: number[]; right: number | null } | null;
  claims: Claim[] | null;
  skipped?: { what: string; why: string }[];
}

/** What a report carries in place of a server. */
export interface Document {
  run: Run;
  metrics: Record<string, Metrics>;
  example: Trace | null;
  traces: Trace[];
  findings: Findings[];
}

export interface Events {
  step(s: Step): void;
  example(t: Trace): void;
  evaluation(e: Evaluation): void;
  sample(s: Sample): void;
  checkpoint(c: Checkpoint): void;
  state(s: { state: State; step: number; open?: string }): void;
  connection(up: boolean): void;
}

/** Where the page's values come from. */
export interface Source {
  readonly live: boolean;
  readonly embedded: boolean;
  run(): Promise<Run>;
  metrics(run: string): Promise<Metrics>;
  example(): Promise<Trace>;
  trace(text: string, step?: number, target?: string): Promise<Trace>;
  findings(step?: number): Promise<Findings>;
  control(action: "pause" | "resume" | "step" | "example"): Promise<{ state: State; step: number }>;
  listen(on: Partial<Events>): () => void;
}
