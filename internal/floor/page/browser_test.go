package page_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// patience is how long anything on a page may take, on a machine that does other things too.
const patience = 30 * time.Second

// programs are the commands whose page is tested, built once.
var programs = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "floor-page")
	if err != nil {
		return "", err
	}
	end = append(end, func() { os.RemoveAll(dir) })
	out, err := exec.Command("go", "build", "-o", dir+string(filepath.Separator), "trainer/cmd/train", "trainer/cmd/floor").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return dir, nil
})

// end undoes what tests share.
var end []func()

func TestMain(m *testing.M) {
	code := m.Run()
	for _, undo := range end {
		undo()
	}
	os.Exit(code)
}

// chromium skips a test where there is no browser, or no time for one.
func chromium(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser takes seconds: not with -short")
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if _, err := exec.LookPath(name); err == nil {
			return
		}
	}
	t.Skip("no Chromium: install it, on Debian with apt-get install chromium")
}

// program is a running command that serves the page.
type program struct {
	url    string
	output bytes.Buffer // what it wrote, to be read when it has ended
	ended  chan error
}

var address = regexp.MustCompile(`http://[0-9.:]+/?`)

// serve starts one of the programs, and waits until it says where its page is.
func serve(t testing.TB, name string, arguments ...string) *program {
	t.Helper()
	dir, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(dir, name), append(arguments, "-http=127.0.0.1:0")...)
	if name == "floor" { // flags come before the folder
		cmd = exec.Command(filepath.Join(dir, name), append([]string{"-http=127.0.0.1:0"}, arguments...)...)
	}
	pipe, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = cmd.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &program{ended: make(chan error, 1)}
	found := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(pipe)
		for lines.Scan() {
			p.output.WriteString(lines.Text() + "\n")
			if url := address.FindString(lines.Text()); url != "" {
				select {
				case found <- url:
				default: // it is known
				}
			}
		}
		p.ended <- cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-p.ended
	})
	select {
	case p.url = <-found:
	case <-time.After(patience):
		cmd.Process.Kill()
		<-p.ended
		t.Fatalf("%s has not said where its page is within %s: %s", name, patience, &p.output)
	}
	return p
}

// browser is a tab of Chromium. What a page writes to its console is an error of the test, but for requests that the test means to be
// refused, which Chromium writes there.
type browser struct {
	t       testing.TB
	ctx     context.Context
	refused atomic.Int32
}

// window is the browser, started once: each test has a tab of its own.
var window = sync.OnceValue(func() context.Context {
	options := []chromedp.ExecAllocatorOption{chromedp.Headless, chromedp.DisableGPU}
	if os.Geteuid() == 0 { // Chromium's sandbox is for users
		options = append(options, chromedp.NoSandbox)
	}
	ctx, cancelAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(ctx)
	end = append(end, func() {
		cancel()
		cancelAllocator()
	})
	return ctx
})

// open opens a tab of a size in a colour scheme, light or dark. It is opened after the program that it shows, to be closed before it.
func open(t testing.TB, width, height int, scheme string) *browser {
	t.Helper()
	if err := chromedp.Do(window()); err != nil { // the first tab is the browser's
		t.Fatal(err)
	}
	ctx, cancelTab := chromedp.NewContext(window(), chromedp.WithNewBrowserContext())
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	b := &browser{t: t, ctx: ctx}
	b.do(chromedp.EmulateViewport(int64(width), int64(height)))
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
	if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, media); err != nil {
		t.Fatal(err)
	}
	listening := make(chan struct{})
	go func() {
		defer close(listening)
		for message, err := range chromedp.Console(ctx) {
			if err != nil {
				return
			}
			if message.Source == "network" && b.refused.Add(-1) >= 0 {
				continue
			}
			t.Errorf("the page writes to its console: %s: %s (%s:%d)", message.Type, message.Text, message.URL, message.Line+1)
		}
	}()
	t.Cleanup(func() {
		cancel()
		cancelTab()
		<-listening
	})
	return b
}

// do takes steps, which must succeed.
func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// goTo opens a page and waits for an example on its floor.
func (b *browser) goTo(url string) {
	b.t.Helper()
	b.do(chromedp.Navigate(url))
	b.await(`document.querySelector("#scene svg") !== null`)
}

// eval is the value of an expression in the page.
func eval[T any](b *browser, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// await waits until an expression in the page is true.
func (b *browser) await(expression string) {
	b.t.Helper()
	for end := time.Now().Add(patience); !eval[bool](b, expression); time.Sleep(30 * time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatalf("not within %s: %s\nthe page says: %s", patience, expression, eval[string](b, `document.body.innerText`))
		}
	}
}

// press presses keys, one after the other.
func (b *browser) press(keys ...string) {
	b.t.Helper()
	for _, key := range keys {
		b.do(chromedp.KeyEvent(key))
	}
}

// text is what an element shows.
func (b *browser) text(selector string) string {
	b.t.Helper()
	return strings.ReplaceAll(eval[string](b, fmt.Sprintf("document.querySelector(%q).textContent", selector)), "\u00a0", " ")
}
