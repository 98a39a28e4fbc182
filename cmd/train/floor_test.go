package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// post acts on a run as its page does.
func post(t *testing.T, url, action string) (state string, step int) {
	t.Helper()
	_, text := get(t, url, "")
	token := regexp.MustCompile(`name="floor-token" content="([^"]+)"`).FindStringSubmatch(text)
	if token == nil {
		t.Fatalf("the page has no token: %s", text)
	}
	r, err := http.NewRequest("POST", url+"api/control", strings.NewReader(`{"action": "`+action+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Floor-Token", token[1])
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	var e struct {
		State string
		Step  int
	}
	if err != nil || answer.StatusCode != http.StatusOK || json.Unmarshal(body, &e) != nil {
		t.Fatalf("%s: status %d: %s", action, answer.StatusCode, body)
	}
	return e.State, e.Step
}

// floorOf is the address of the page that a process has told.
func floorOf(t *testing.T, p *process) string {
	t.Helper()
	note := p.next("note")
	if note == nil {
		t.Fatalf("there is no note: %s", &p.stderr)
	}
	url := regexp.MustCompile(`^Factory floor: (http://127\.0\.0\.1:[1-9][0-9]*/)$`).FindStringSubmatch(note["text"].(string))
	if url == nil {
		t.Fatalf("the note is %q", note["text"])
	}
	return url[1]
}

func TestARunThatItsPageHasPausedSavesWhenItIsInterrupted(t *testing.T) {
	t.Parallel()
	p := start(t, workplace(t), withoutQuiet(small("-steps", "1000000", "-http", ":0"))...)
	url := floorOf(t, p)
	go io.Copy(io.Discard, p.lines)
	state, step := post(t, url, "pause")
	if state != "paused" {
		t.Fatalf("the run is %s", state)
	}
	time.Sleep(20 * time.Millisecond)
	if _, again := post(t, url, "pause"); again != step {
		t.Errorf("a paused run went from step %d to %d", step, again)
	}
	if _, next := post(t, url, "step"); next != step+1 {
		t.Errorf("one step led from %d to %d", step, next)
	}
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); p.cmd.ProcessState.ExitCode() != 130 || !strings.Contains(p.stderr.String(), "which is saved") {
		t.Errorf("the run ended with %v: %s", err, &p.stderr)
	}
}

func TestAnAddressOfOthersIsToldWithItsToken(t *testing.T) {
	t.Parallel()
	p := start(t, workplace(t), withoutQuiet(small("-steps", "1000000", "-http", "0.0.0.0:0"))...)
	note := p.next("note")
	if note == nil {
		t.Fatalf("there is no note: %s", &p.stderr)
	}
	url := regexp.MustCompile(`http://[^/]+/\?token=[A-Z0-9]{20,}`).FindString(note["text"].(string))
	if url == "" {
		t.Fatalf("the note is %q", note["text"])
	}
	bare, _, _ := strings.Cut(url, "?")
	if code, _ := get(t, bare, ""); code != http.StatusUnauthorized {
		t.Errorf("without the token the page is answered with %d", code)
	}
}
