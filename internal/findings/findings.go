// Package findings looks into a model: at one example on its way through it, and at what it has learned.
//
//	prompt -> Trace -> api.Trace: every stage's values, the prediction, the loss and who is to blame
//
// The values come out of the compiled graph, by model.Executor.Trace; nothing of the forward pass is written a second time here.
//
// Start at Trace.
package findings
