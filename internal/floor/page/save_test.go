package page_test

import (
	"bytes"
	"encoding/base64"
	"encoding/csv"
	"encoding/xml"
	"image/png"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// keep holds what the page would have the browser save, instead.
const keep = `window.kept = null;
if (!window.blobs) {
  window.blobs = new Map();
  const make = URL.createObjectURL;
  URL.createObjectURL = (blob) => { const url = make(blob); window.blobs.set(url, blob); return url; };
  HTMLAnchorElement.prototype.click = function () {
    const name = this.download, reader = new FileReader();
    reader.onload = () => { window.kept = name + " " + reader.result.split(",")[1]; };
    reader.readAsDataURL(window.blobs.get(this.href));
  };
}
true`

// saved presses a button and returns the file that it saves.
func (b *browser) saved(button string) (name string, content []byte) {
	b.t.Helper()
	eval[bool](b, keep)
	b.do(chromedp.Click(chromedp.CSS(button)))
	b.await(`window.kept !== null`)
	name, text, _ := strings.Cut(eval[string](b, `window.kept`), " ")
	content, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		b.t.Fatal(err)
	}
	return name, content
}

func TestChartsAreSavedAsFiles(t *testing.T) {
	chromium(t)
	p := serve(t, "floor", trained(t))
	b := open(t, 1280, 720, "light")
	b.do(chromedp.Navigate(p.url + "#run"))
	b.await(`document.querySelector("#run .legend b")?.textContent.length > 1`)

	name, drawing := b.saved(`[aria-label="Save Loss as SVG"]`)
	paths := 0
	for d := xml.NewDecoder(bytes.NewReader(drawing)); ; {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "path" {
			paths++
		}
	}
	if !strings.HasSuffix(name, ".svg") || paths == 0 || !bytes.Contains(drawing, []byte("Loss")) {
		t.Errorf("%s has %d lines: %.300s", name, paths, drawing)
	}

	name, picture := b.saved(`[aria-label="Save Loss as PNG"]`)
	image, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if size := image.Bounds().Size(); !strings.HasSuffix(name, ".png") || size.X < 400 || size.Y < 200 {
		t.Errorf("%s is a picture of %v", name, size)
	}

	name, table := b.saved(`#run .tools button:last-of-type`)
	rows, err := csv.NewReader(bytes.NewReader(table)).ReadAll()
	if err != nil || !strings.HasSuffix(name, ".csv") || len(rows) < 3 || rows[0][0] != "step" || rows[0][2] != "loss" {
		t.Fatalf("%s: %v, rows %.200v", name, err, rows)
	}
	last := rows[len(rows)-1]
	if loss, err := strconv.ParseFloat(last[2], 64); err != nil || last[0] != strconv.Itoa(steps) || loss != lossOfStep(t, trained(t), steps) {
		t.Errorf("the last row is %v, want step %d with loss %v", last, steps, lossOfStep(t, trained(t), steps))
	}
}
