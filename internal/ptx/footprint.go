package ptx

// Span is a piece of global memory that a launch read or, with Wrote, wrote and perhaps read.
type Span struct {
	Begin, End Address // End is behind the last byte
	Wrote      bool
}

// Footprint returns what the latest launch touched of global memory, in order of address, as far as its kernel's smallest access tells
// places apart; nil where Options.IgnoreRaces leaves that unknown.
func (d *Device) Footprint() []Span {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	var spans []Span
	for _, r := range d.regions {
		for i := range r.pages {
			if r.pages[i].epoch != d.epoch || d.epoch == 0 {
				continue
			}
			cells := r.pages[i].cells
			grain := Address(pageBytes / len(cells))
			begin := Address(r.base) + Address(i)*pageBytes
			for j := range cells {
				if cells[j].epoch == d.epoch {
					spans = widen(spans, Span{begin + Address(j)*grain, begin + Address(j+1)*grain, cells[j].writerBlock != nobody})
				}
			}
		}
	}
	return spans
}

// widen appends a span, or widens the last one where that goes on.
func widen(spans []Span, next Span) []Span {
	if n := len(spans); n > 0 && spans[n-1].End == next.Begin && spans[n-1].Wrote == next.Wrote {
		spans[n-1].End = next.End
		return spans
	}
	return append(spans, next)
}
