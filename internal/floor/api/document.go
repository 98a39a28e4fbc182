package api

// Document is what a report carries in place of a server: answers to what its page may ask.
type Document struct {
	Run      Run                 `json:"run"`
	Metrics  map[string]*Metrics `json:"metrics"` // by name of the run
	Example  *Trace              `json:"example"`
	Traces   []*Trace            `json:"traces"`   // of the run's questions, at its checkpoints
	Findings []any               `json:"findings"` // at its checkpoints
}
