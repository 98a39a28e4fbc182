package chart

import (
	"image/color"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

const (
	legendWidth = 90  // of blame.svg
	legendEntry = 15  // height of one
	blameHeight = 330 // at least
)

// drawBlame draws the share of each stage as areas on top of each other, the first stage at the top as in the legend.
func drawBlame(h *history) *vgsvg.Canvas {
	svg, area := newCanvas(width, max(blameHeight, float64(60+legendEntry*len(h.stages))))
	p := newPlot("Blame of each stage", "share of the squared gradient norm (%)", h.begin(), h.end())
	p.Y.Tick.Marker = plot.TickerFunc(percentTicks)
	legend := p.Legend
	legend.Top, legend.Left = true, true
	legend.Padding = points(3)

	// From the top down each area covers the lower part of the one before.
	n := min(resolution, max(2, 5000/len(h.stages))) // the file stays small with many stages
	colours := stageColours(h.stages)
	for i, top := range stack(h, n) {
		layer := newLine(percent(top), white, 0.3)
		layer.FillColor = colours[i]
		p.Add(layer)
		legend.Add(h.stages[i], swatch{colours[i]})
	}
	p.Y.Min, p.Y.Max = 0, 100
	plotArea := draw.Crop(area, 0, -points(legendWidth+10), 0, 0)
	p.Draw(plotArea)
	legendArea := draw.Crop(area, area.Max.X-area.Min.X-points(legendWidth), 0, 0, p.DataCanvas(plotArea).Max.Y-area.Max.Y)
	legend.Draw(legendArea)
	return svg
}

// stack returns the upper edge of each stage's area, from one end of the axis to the other through n points: the averaged share of
// the stage and all later ones.
func stack(h *history, n int) []plotter.XYs {
	edges := make([]plotter.XYs, len(h.blame))
	for i := len(h.blame) - 1; i >= 0; i-- {
		edge := moving(mean(h.blame[i], n), reach)
		edge = slices.Insert(edge, 0, plotter.XY{X: h.begin(), Y: edge[0].Y})
		edge = append(edge, plotter.XY{X: h.end(), Y: edge[len(edge)-1].Y})
		if i+1 < len(h.blame) {
			for j := range edge {
				edge[j].Y += edges[i+1][j].Y
			}
		}
		edges[i] = edge
	}
	return edges
}

// stageColours gives stages that differ by their number only ("attention 1", "attention 2") one colour, the later the darker.
func stageColours(stages []string) []color.NRGBA {
	kind := func(stage string) string { return strings.TrimRight(stage, " 0123456789") }
	var kinds []string
	size := make(map[string]int)
	for _, s := range stages {
		if !slices.Contains(kinds, kind(s)) {
			kinds = append(kinds, kind(s))
		}
		size[kind(s)]++
	}
	colours := make([]color.NRGBA, len(stages))
	seen := make(map[string]int)
	for i, s := range stages {
		k := kind(s)
		seen[k]++
		base := palette[slices.Index(kinds, k)%len(palette)]
		colours[i] = lighter(base, 0.6*(1-float64(seen[k])/float64(size[k])))
	}
	return colours
}

// swatch is a legend's sample of an area's colour.
type swatch struct{ color.NRGBA }

func (s swatch) Thumbnail(c *draw.Canvas) {
	c.SetColor(s.NRGBA)
	c.Fill(c.Rectangle.Path())
}
