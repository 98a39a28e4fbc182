package page_test

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

func TestReportShowsAllTabsFromFile(t *testing.T) {
	chromium(t)
	folder := trained(t)
	dir, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "report.html")
	if out, err := exec.Command(filepath.Join(dir, "floor"), "-report", file, folder).CombinedOutput(); err != nil {
		t.Fatalf("floor -report: %v: %s", err, out)
	}
	b := open(t, 1280, 720, "light")
	b.goTo("file://" + file)
	for _, tab := range tabs {
		b.do(chromedp.Navigate("file://" + file + "#" + tab.name))
		b.await(tab.ready)
	}
	if claims := eval[int](b, `document.querySelectorAll(".claims li").length`); claims == 0 {
		t.Error("the report has no claims")
	}
	b.do(chromedp.Navigate("file://" + file + "#floor"))
	b.await(`!document.querySelector("#floor").hidden`)
	b.press(kb.ArrowRight)
	b.await(`document.querySelector("#explain .place").textContent.includes("Tokens")`)
}
