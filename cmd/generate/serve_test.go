package main

import (
	"bufio"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// served starts the command with -serve, and returns what it says until a line matches, and the match's first group.
func served(t *testing.T, address string, line *regexp.Regexp) (c *exec.Cmd, said, found string) {
	t.Helper()
	c = exec.Command(os.Args[0], "-model", textModel(t), "-serve", address)
	c.Env = append(os.Environ(), "GENERATE_AS_COMMAND=1")
	errs, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	lines := bufio.NewScanner(errs)
	for lines.Scan() {
		said += lines.Text() + "\n"
		if m := line.FindStringSubmatch(lines.Text()); m != nil {
			return c, said, m[1]
		}
	}
	t.Fatalf("the server did not start:\n%s", said)
	return nil, "", ""
}

var servedURL = regexp.MustCompile(`(http://[0-9.:\[\]]+)/v1`)

func TestServeAnswersThisMachineUntilAnInterrupt(t *testing.T) {
	c, said, url := served(t, ":0", servedURL)
	if !strings.HasPrefix(url, "http://127.0.0.1:") || !strings.Contains(said, `model "book"`) {
		t.Errorf("the server says\n%s", said)
	}
	r, err := http.Post(url+"/v1/completions", "application/json", strings.NewReader(`{"prompt": "ab", "max_tokens": 3}`))
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%v, error %v", r, err)
	}
	r.Body.Close()
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(10*time.Second, func() { c.Process.Kill() })
	defer late.Stop()
	if err := c.Wait(); err != nil {
		t.Errorf("the server ended with %v, want exit code 0", err)
	}
}

func TestAnotherAddressThanThisMachinesNeedsAToken(t *testing.T) {
	_, said, token := served(t, "0.0.0.0:0", regexp.MustCompile(`Bearer (\S+)`))
	port := regexp.MustCompile(`:(\d+)/v1`).FindStringSubmatch(said)[1]
	for header, want := range map[string]int{"": http.StatusUnauthorized, "Bearer " + token: http.StatusOK} {
		r, err := http.NewRequest("GET", "http://127.0.0.1:"+port+"/v1/models", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", header)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("with the header %q the status is %d, want %d", header, answer.StatusCode, want)
		}
	}
}
