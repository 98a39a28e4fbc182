package chart

import (
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// resolution is into how many points a line is thinned, reach how many of them on either side are averaged.
const (
	resolution = 400
	reach      = 4
)

// drawLoss draws the loss above the accuracy, both by step.
func drawLoss(h *history) *vgsvg.Canvas {
	svg, area := newCanvas(width, 480)
	upper, lower := lossPanel(h), accuracyPanel(h)
	height := area.Max.Y - area.Min.Y
	above, below := draw.Crop(area, 0, 0, 0.42*height, 0), draw.Crop(area, 0, 0, 0, -0.61*height)
	// The labels of one axis are wider than those of the other: indent that one.
	indent := upper.DataCanvas(above).Min.X - lower.DataCanvas(below).Min.X
	upper.Draw(draw.Crop(above, max(0, -indent), 0, 0, 0))
	lower.Draw(draw.Crop(below, max(0, indent), 0, 0, 0))
	return svg
}

// lossFloor is the least loss on the logarithmic axis, on which 0 has no place. A model that is sure and right has losses down to about
// 1e-7, the precision of float32.
const lossFloor = 1e-7

// lossPanel draws logarithms on a linear axis: on a logarithmic one the package would place the axis label as if it were linear.
func lossPanel(h *history) *plot.Plot {
	p := newPlot("Loss", "nats per token, log scale", h.begin(), h.end())
	p.Y.Tick.Marker = plot.TickerFunc(logTicks)
	p.Legend.Top = true

	scatter := logarithm(extremes(h.loss, resolution))
	line := newLine(logarithm(moving(mean(h.loss, resolution), reach)), trained, 1.5)
	dots := newDots(logarithm(mean(h.heldOutLoss, resolution)), heldOut)
	p.Add(newLine(scatter, lighter(trained, 0.65), 0.5), line, dots)
	if len(line.XYs) == 1 {
		p.Add(newDots(line.XYs, trained))
	}
	p.Legend.Add("training batches, averaged", line)
	if len(dots.XYs) > 0 {
		p.Legend.Add("held-out examples", dots)
	}
	low, high := math.Inf(1), math.Inf(-1)
	for _, series := range []plotter.XYs{scatter, dots.XYs} { // the line is within the scatter
		for _, point := range series {
			low, high = min(low, point.Y), max(high, point.Y)
		}
	}
	room := max(0.1, 0.25-(high-low)/2) // at least half a power of ten, so that the axis has a number
	p.Y.Min, p.Y.Max = low-room, high+room
	return p
}

func accuracyPanel(h *history) *plot.Plot {
	p := newPlot("Accuracy", "right answers (%)", h.begin(), h.end())
	p.Y.Tick.Marker = plot.TickerFunc(percentTicks)

	line := newLine(percent(moving(mean(h.accuracy, resolution), reach)), trained, 1.5)
	p.Add(line)
	if evaluated := percent(mean(h.heldOutAccuracy, resolution)); len(evaluated) > 0 {
		p.Add(newLine(evaluated, heldOut, 0.75), newDots(evaluated, heldOut))
	}
	p.Y.Min, p.Y.Max = 0, 100
	return p
}

// logarithm turns losses into their decimal logarithms.
func logarithm(series plotter.XYs) plotter.XYs {
	for i := range series {
		series[i].Y = math.Log10(max(series[i].Y, lossFloor))
	}
	return series
}

// percent turns shares into percent.
func percent(series plotter.XYs) plotter.XYs {
	for i := range series {
		series[i].Y *= 100
	}
	return series
}
