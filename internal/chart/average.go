package chart

import (
	"gonum.org/v1/plot/plotter"
)

// bins divides a series into at most n parts of about equal length and calls yield for each.
func bins(series plotter.XYs, n int, yield func(part plotter.XYs)) {
	n = min(n, len(series))
	for i := range n {
		yield(series[i*len(series)/n : (i+1)*len(series)/n])
	}
}

// mean returns the average step and value of each of n bins.
func mean(series plotter.XYs, n int) plotter.XYs {
	var out plotter.XYs
	bins(series, n, func(part plotter.XYs) {
		var sum plotter.XY
		for _, p := range part {
			sum.X += p.X
			sum.Y += p.Y
		}
		out = append(out, plotter.XY{X: sum.X / float64(len(part)), Y: sum.Y / float64(len(part))})
	})
	return out
}

// extremes returns the lowest and the highest point of each of n bins, by step: a thinned line that still shows how far values scatter.
func extremes(series plotter.XYs, n int) plotter.XYs {
	var out plotter.XYs
	bins(series, n, func(part plotter.XYs) {
		low, high := part[0], part[0]
		for _, p := range part[1:] {
			if p.Y < low.Y {
				low = p
			}
			if p.Y > high.Y {
				high = p
			}
		}
		switch {
		case low.X < high.X:
			out = append(out, low, high)
		case low.X > high.X:
			out = append(out, high, low)
		default:
			out = append(out, low)
		}
	})
	return out
}

// moving returns the average of each point and of the reach points on either side. At the beginning there are fewer on both sides, so that
// the line begins where the series does; at the end there are fewer behind, so that it does not end in the noise of a single point.
func moving(series plotter.XYs, reach int) plotter.XYs {
	out := make(plotter.XYs, len(series))
	for i := range series {
		r := min(reach, i)
		window := series[i-r : min(i+r+1, len(series))]
		var sum float64
		for _, p := range window {
			sum += p.Y
		}
		out[i] = plotter.XY{X: series[i].X, Y: sum / float64(len(window))}
	}
	return out
}
