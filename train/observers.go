package train

// Observers tells several observers, in order.
type Observers []Observer

// Stepped implements Observer.
func (list Observers) Stepped(m *Metrics) {
	for _, o := range list {
		o.Stepped(m)
	}
}

// Followed implements Observer.
func (list Observers) Followed(f *Followed) {
	for _, o := range list {
		o.Followed(f)
	}
}

// Evaluated implements Observer.
func (list Observers) Evaluated(step int, e *Evaluation) {
	for _, o := range list {
		o.Evaluated(step, e)
	}
}

// Saved implements Observer.
func (list Observers) Saved(c Checkpoint) {
	for _, o := range list {
		o.Saved(c)
	}
}
