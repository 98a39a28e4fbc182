package page_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"trainer/internal/floor/page"
)

// The most that the page may weigh, in bytes, and take to be seen.
const (
	mostBytes  = 300_000
	firstPaint = 300 // ms
)

func TestPageIsLight(t *testing.T) {
	total := 0
	err := fs.WalkDir(page.Files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(page.Files, name)
		total += len(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if total == 0 || total > mostBytes {
		t.Errorf("the page weighs %d bytes, expected at most %d", total, mostBytes)
	}
}

// sizes are those of a small laptop, a screen and a phone.
var sizes = [...]struct{ width, height int }{{1280, 720}, {1920, 1080}, {390, 844}}

var tabs = [...]struct{ name, ready string }{
	{"floor", `document.querySelector("#scene svg") !== null`},
	{"run", `document.querySelector("#run .series")?.getAttribute("d")?.length > 100`},
	{"learned", `document.querySelector("#learned .empty")?.textContent !== "The model is being asked."`},
}

// TRAINER_SCREENSHOTS names a folder for pictures of what was tested.
func TestNothingOverflowsAtAnySize(t *testing.T) {
	chromium(t)
	p := serve(t, "floor", trained(t))
	pictures := os.Getenv("TRAINER_SCREENSHOTS")
	for _, size := range sizes {
		for _, scheme := range []string{"light", "dark"} {
			t.Run(fmt.Sprintf("%dx%d-%s", size.width, size.height, scheme), func(t *testing.T) {
				b := open(t, size.width, size.height, scheme)
				for _, tab := range tabs {
					b.do(chromedp.Navigate(p.url+"#"+tab.name), chromedp.Reload())
					b.await(tab.ready)
					if wide := eval[int](b, `document.documentElement.scrollWidth`); wide > size.width {
						t.Errorf("%s is %d pixels wide, expected at most %d", tab.name, wide, size.width)
					}
					if over := eval[string](b, overflowing); over != "" {
						t.Errorf("%s: outside of the window: %s", tab.name, over)
					}
					if pictures == "" {
						continue
					}
					time.Sleep(500 * time.Millisecond) // what moves has arrived
					picture, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
					if err == nil {
						err = os.WriteFile(filepath.Join(pictures, fmt.Sprintf("%s-%dx%d-%s.png", tab.name, size.width, size.height, scheme)), picture, 0o666)
					}
					if err != nil {
						t.Error(err)
					}
				}
				if size.width < 700 {
					return
				}
				b.goTo(p.url + "#floor")
				if tall := eval[int](b, `document.documentElement.scrollHeight`); tall > size.height {
					t.Errorf("the floor is %d pixels high, expected at most %d", tall, size.height)
				}
			})
		}
	}
}

// overflowing names the first text that reaches out of the window on the right, but for tables that scroll.
const overflowing = `[...document.querySelectorAll("body *")].filter((e) => {
	const box = e.getBoundingClientRect();
	return box.width > 0 && box.right > innerWidth + 1 && getComputedStyle(e).visibility === "visible" && e.textContent.trim() &&
		!e.children.length && !e.closest(".scroll");
}).slice(0, 1).map((e) => e.textContent.trim()).join("")`

func TestFirstPaintIsQuick(t *testing.T) {
	chromium(t)
	p := serve(t, "floor", trained(t))
	b := open(t, 1280, 720, "light")
	best := 1e9
	for range 5 { // the best: the machine may be busy
		b.goTo(p.url)
		best = min(best, eval[float64](b, `performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 1e9`))
	}
	if best > firstPaint {
		t.Errorf("the first paint takes %.0f ms, expected at most %d", best, firstPaint)
	}
}

// TRAINER_AXE names axe.min.js of the package axe-core.
func TestNoSeriousBarrierForPeopleWithDisabilities(t *testing.T) {
	chromium(t)
	file := os.Getenv("TRAINER_AXE")
	if file == "" {
		t.Skip("TRAINER_AXE does not name axe.min.js, of the npm package axe-core")
	}
	script, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p := serve(t, "floor", trained(t))
	for i, scheme := range []string{"light", "dark", "light"} {
		b := open(t, sizes[i].width, sizes[i].height, scheme)
		for _, tab := range tabs {
			b.do(chromedp.Navigate(p.url+"#"+tab.name), chromedp.Reload())
			b.await(tab.ready)
			eval[any](b, string(script)+"; null")
			faults := eval[string](b, `axe.run().then((r) => r.violations.filter((v) => v.impact === "serious" || v.impact === "critical")
				.map((v) => v.id + ": " + v.help + ": " + v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160)).join(" | ")).join("\n"))`)
			if faults = strings.TrimSpace(faults); faults != "" {
				t.Errorf("%s, %s, %d pixels wide:\n%s", tab.name, scheme, sizes[i].width, faults)
			}
		}
	}
}
