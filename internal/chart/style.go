package chart

import (
	"fmt"
	"image/color"
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"trainer/internal/format"
)

// width is the width of the drawings in points: 800 pixels.
const width = 600

// margin is the white around a drawing.
var margin = points(10)

func points(n float64) vg.Length { return vg.Points(n) }

func rgb(hex uint32) color.NRGBA {
	return color.NRGBA{R: uint8(hex >> 16), G: uint8(hex >> 8), B: uint8(hex), A: 255}
}

var (
	white = rgb(0xffffff)
	ink   = rgb(0x222222)
	faint = rgb(0xdddddd)
)

// palette are colours that stay apart for colour-blind readers (Okabe and Ito 2008, and a grey), in an order in which neighbours differ in
// lightness too.
var palette = []color.NRGBA{
	rgb(0x009e73), // bluish green
	rgb(0xf0e442), // yellow
	rgb(0x0072b2), // blue
	rgb(0xd55e00), // vermilion
	rgb(0x555555), // grey
	rgb(0xcc79a7), // reddish purple
}

// The colours of the two kinds of examples.
var (
	trained = palette[2]
	heldOut = palette[3]
)

// lighter mixes a colour with white: share 0 leaves it, 1 is white.
func lighter(c color.NRGBA, share float64) color.NRGBA {
	mix := func(v uint8) uint8 { return uint8(math.Round(float64(v) + (255-float64(v))*share)) }
	return color.NRGBA{R: mix(c.R), G: mix(c.G), B: mix(c.B), A: 255}
}

func sans(size float64) font.Font {
	return font.Font{Typeface: "Liberation", Variant: "Sans", Size: points(size)}
}

// newPlot returns an empty plot over the steps from begin to end, which differ.
func newPlot(title, y string, begin, end float64) *plot.Plot {
	p := plot.New()
	p.Title.Text = title
	p.Title.TextStyle.Font, p.Title.TextStyle.Color = sans(13), ink
	p.Title.Padding = points(6)
	p.X.Label.Text, p.Y.Label.Text = "step", y
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Label.TextStyle.Font, a.Label.TextStyle.Color = sans(11), ink
		a.Label.Padding = points(4)
		a.Tick.Label.Font, a.Tick.Label.Color = sans(10), ink
		a.Tick.LineStyle.Color, a.LineStyle.Color = ink, ink
		a.Padding = 0
	}
	p.X.Tick.Marker = plot.TickerFunc(stepTicks)
	p.X.Min, p.X.Max = begin, end
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = faint, faint
	p.Add(grid)
	p.Legend.TextStyle.Font, p.Legend.TextStyle.Color = sans(10), ink
	p.Legend.Padding = points(2)
	return p
}

// newLine returns a line through the points.
func newLine(series plotter.XYs, c color.Color, width float64) *plotter.Line {
	return &plotter.Line{XYs: series, LineStyle: draw.LineStyle{Color: c, Width: points(width)}}
}

// newDots returns a dot at each of the points.
func newDots(series plotter.XYs, c color.Color) *plotter.Scatter {
	return &plotter.Scatter{XYs: series, GlyphStyle: draw.GlyphStyle{Color: c, Radius: points(2.2), Shape: draw.CircleGlyph{}}}
}

// stepTicks marks multiples of 1, 2 or 5 times a power of ten, six at most besides 0.
func stepTicks(low, high float64) []plot.Tick {
	apart, factors := 1, [...]int{2, 5, 10}
	for i, power := 0, 1; (high-low)/float64(apart) > 6; i++ {
		apart = factors[i%3] * power
		if i%3 == 2 {
			power *= 10
		}
	}
	var ticks []plot.Tick
	for step := (int(low) + apart - 1) / apart * apart; float64(step) <= high; step += apart {
		ticks = append(ticks, plot.Tick{Value: float64(step), Label: format.Thousands(step)})
	}
	return ticks
}

// percentTicks marks every fifth of 0 to 100.
func percentTicks(float64, float64) []plot.Tick {
	var ticks []plot.Tick
	for v := 0; v <= 100; v += 20 {
		ticks = append(ticks, plot.Tick{Value: float64(v), Label: strconv.Itoa(v)})
	}
	return ticks
}

// logTicks marks powers of ten between two logarithms. Where there are few, 2 and 5 times them have a number too, and the other digits a
// mark.
func logTicks(low, high float64) []plot.Tick {
	var ticks []plot.Tick
	few := high-low < 2.5
	for exponent := int(math.Floor(low)); exponent <= int(high); exponent++ {
		for digit := 1; digit <= 9; digit++ {
			t := plot.Tick{Value: float64(exponent) + math.Log10(float64(digit))}
			if digit == 1 || few && (digit == 2 || digit == 5) {
				t.Label = decimal(digit, exponent)
			}
			if t.Value >= low && t.Value <= high && (few || digit == 1) {
				ticks = append(ticks, t)
			}
		}
	}
	return ticks
}

// decimal writes digit·10^exponent, as 0.002 or 2e-5.
func decimal(digit, exponent int) string {
	if exponent < -3 || exponent > 3 {
		return fmt.Sprintf("%de%d", digit, exponent)
	}
	return strconv.FormatFloat(float64(digit)*math.Pow10(exponent), 'f', max(0, -exponent), 64)
}
