package page_test

import (
	"math"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// steps of the run that the tests look at.
const steps = 1200

var runOnce sync.Once

// trained is the folder of a calculator that is half done learning.
func trained(t testing.TB) string {
	t.Helper()
	dir, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(dir, "runs", "calculator")
	runOnce.Do(func() {
		train := exec.Command(filepath.Join(dir, "train"), "-device=cpu", "-quiet", "-steps", strconv.Itoa(steps), "-save-every=400", "-keep=3",
			"-out", folder)
		out, err := train.CombinedOutput()
		if err != nil {
			t.Fatalf("train: %v: %s", err, out)
		}
	})
	return folder
}

var lossSentence = regexp.MustCompile(`p = ([0-9.]+): the loss is −log p = ([0-9.e−]+)\.`)

func TestStepModeShowsLossAsMinusLogOfProbability(t *testing.T) {
	chromium(t)
	p := serve(t, "floor", trained(t))
	b := open(t, 1280, 720, "light")
	b.goTo(p.url)
	eval[any](b, `document.querySelector("#question").value = "two plus three equals five"; document.querySelector("#ask button").click()`)
	b.await(`document.querySelector("#explain").textContent.includes("loss")`)
	for range 20 {
		b.press(kb.ArrowRight)
		said := b.text("#explain")
		if !strings.Contains(said, ": Loss") {
			continue
		}
		found := lossSentence.FindStringSubmatch(said)
		if found == nil {
			t.Fatalf("the sentence on the loss is %q", said)
		}
		probability, loss := number(t, found[1]), number(t, found[2])
		digits := strings.NewReplacer("−", "-").Replace(found[2])
		format, precision := byte('f'), 4
		if strings.Contains(digits, "e") {
			format, precision = 'e', 3
		}
		if want := number(t, strconv.FormatFloat(-math.Log(probability), format, precision, 64)); want != loss {
			t.Errorf("the page says -log %s = %s, expected %v", found[1], found[2], want)
		}
		return
	}
	t.Error("twenty steps do not come to the loss")
}

func TestKeyboardAloneOperatesThePage(t *testing.T) {
	chromium(t)
	p := serve(t, "floor", trained(t))
	b := open(t, 1280, 720, "light")
	b.goTo(p.url)

	// focus moves with the tab key until it is where it should be.
	focus := func(selector string) {
		t.Helper()
		for range 60 {
			b.press(kb.Tab)
			if eval[bool](b, `document.activeElement.matches(`+strconv.Quote(selector)+`)`) {
				return
			}
		}
		t.Fatalf("the tab key does not reach %s", selector)
	}
	focus("#question")
	b.press("six times seven", kb.Enter)
	b.await(`document.querySelector("#explain").textContent.includes("six times seven equals")`)
	focus(`.machine[data-stage="attention 2"] .handle`)
	b.press(kb.Enter)
	b.await(`document.querySelector("#explain .place").textContent.includes("Attention 2")`)
	b.press(kb.ArrowRight)
	b.await(`document.querySelector("#explain .place").textContent.includes("MLP 2")`)
	b.press(kb.Escape)
	b.await(`document.querySelector("#explain .place").textContent.startsWith("Weights")`)
	eval[any](b, `document.activeElement.blur()`)
	focus("#tab-floor")
	b.press(kb.ArrowRight)
	b.await(`!document.querySelector("#run").hidden`)
	b.await(`document.querySelector(".chart svg") !== null`)
	focus("#theme")
	b.press(kb.Enter)
	b.await(`document.documentElement.dataset.theme === "dark"`)
	focus(".chart svg")
	b.press(kb.ArrowRight)
	b.await(`document.querySelector(".legend .at").textContent.startsWith("step")`)
	b.press("+")
	b.await(`document.querySelector(".chart .tick.middle").textContent !== "0"`)
}

func TestUnknownWordIsAnswerAndNoFault(t *testing.T) {
	chromium(t)
	p := serve(t, "floor", trained(t))
	b := open(t, 1280, 720, "light")
	b.goTo(p.url)
	b.refused.Store(2) // the untrained model's answer is the other
	eval[any](b, `document.querySelector("#question").value = "two plus banana"; document.querySelector("#ask button").click()`)
	b.await(`document.querySelector("#explain").textContent.includes("banana")`)

	// It stays when the page is drawn anew, until something else is asked for.
	b.do(chromedp.EmulateViewport(900, 720))
	b.await(`document.querySelector("#scene svg") !== null`)
	if said := b.text("#explain"); !strings.Contains(said, "banana") {
		t.Errorf("behind another drawing the page says %q", said)
	}
	eval[any](b, `document.querySelector("#question").value = "two plus three equals"; document.querySelector("#ask button").click()`)
	b.await(`!document.querySelector("#explain").textContent.includes("banana")`)
}
