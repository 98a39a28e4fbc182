// Package chart draws a run: metrics.jsonl goes in, two SVG files come out, the same bytes for the same metrics.
//
//	metrics.jsonl -> history -> averages of few points -> loss.svg, blame.svg
//
// Start at Write; loss.go and blame.go are the two drawings, style.go is what they share.
package chart

import (
	"bytes"
	"io"
	"path/filepath"

	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"trainer/internal/atomicfile"
)

// The names of the drawings in a run's folder.
const (
	LossFile  = "loss.svg"
	BlameFile = "blame.svg"
)

// metricsFile is train.MetricsFile; drawing needs nothing else of training.
const metricsFile = "metrics.jsonl"

// Write reads metrics.jsonl in the folder dir and writes loss.svg, the loss and the accuracy by step, and blame.svg, the share of each
// stage in the squared gradient norm. A file that is missing, holds no step or has a malformed line is an error of class data.
func Write(dir string) error {
	h, err := readHistory(filepath.Join(dir, metricsFile))
	if err != nil {
		return err
	}
	for _, file := range []struct {
		name string
		draw func(*history) *vgsvg.Canvas
	}{{LossFile, drawLoss}, {BlameFile, drawBlame}} {
		svg, err := encode(file.draw(h))
		if err != nil {
			return err
		}
		err = atomicfile.Write(filepath.Join(dir, file.name), func(w io.Writer) error {
			_, err := w.Write(svg)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// encode returns the canvas as an SVG. The drawing measures its text in Liberation Sans, and so few machines have that font that it names
// those of the same widths which others have.
func encode(c *vgsvg.Canvas) ([]byte, error) {
	var svg bytes.Buffer
	if _, err := c.WriteTo(&svg); err != nil {
		return nil, err
	}
	const measured = "font-family:Liberation Sans"
	return bytes.ReplaceAll(svg.Bytes(), []byte(measured+";"), []byte(measured+",Arial,Helvetica,sans-serif;")), nil
}

// newCanvas returns a white SVG and the area to draw in.
func newCanvas(width, height float64) (*vgsvg.Canvas, draw.Canvas) {
	svg := vgsvg.New(points(width), points(height))
	c := draw.New(svg)
	c.SetColor(white)
	c.Fill(c.Rectangle.Path())
	return svg, draw.Crop(c, margin, -margin, margin, -margin)
}
