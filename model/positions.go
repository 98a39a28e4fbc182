package model

// FixedPositions is the table [Context, Width] of Sinusoidal positions, which is stored with a model and not trained; nil for others.
func (m *Model) FixedPositions() []float32 { return m.fixed }
