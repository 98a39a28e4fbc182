package floor

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"trainer/internal/floor/api"
)

// ended is a run that has ended, in its folder, served.
func ended(t *testing.T, steps int) (*training, *Folder, *Server) {
	t.Helper()
	run := newTraining(t, steps)
	run.plan.EvaluateEvery = 2
	if err := run.Trainer.Run(t.Context(), run.plan, discard{}); err != nil {
		t.Fatal(err)
	}
	if err := run.plan.Folder.LogSamples(questionsOf(run)); err != nil {
		t.Fatal(err)
	}
	if err := run.plan.Folder.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := OpenFolder(run.dir)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Serve(f, run.dir, port(t, "127.0.0.1:0"), site, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		f.Close()
	})
	return run, f, s
}

func TestAttacksAreRefused(t *testing.T) {
	run := newTraining(t, endless)
	_, s, _ := run.begin(t)
	eventually(t, "a step, behind the first checkpoint", func() bool { return get[api.Run](t, s, "/api/run").Step > 0 })
	secret := filepath.Join(filepath.Dir(filepath.Dir(run.dir)), "metrics.jsonl")
	if err := os.WriteFile(secret, []byte(`{"step":1,"loss":1,"accuracy":1,"blame":{}}`+"\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	beside := filepath.Join(filepath.Dir(run.dir), "link")
	if err := os.Symlink(filepath.Dir(secret), beside); err != nil {
		t.Skip("no symbolic links here: ", err)
	}
	token := tokenOf(t, s)
	type headers = map[string]string
	pause := `{"action": "pause"}`
	for name, c := range map[string]struct {
		method, path, body string
		headers            headers
		want               int
	}{
		"DNS rebinding":               {"GET", "/api/run", "", headers{"Host": "evil.example"}, http.StatusMisdirectedRequest},
		"DNS rebinding of events":     {"GET", "/api/events", "", headers{"Host": "evil.example:80"}, http.StatusMisdirectedRequest},
		"post of another site":        {"POST", "/api/control", pause, headers{controlHeader: token, "Origin": "http://evil.example"}, 403},
		"script of another site":      {"GET", "/api/run", "", headers{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403},
		"post without the token":      {"POST", "/api/control", pause, nil, 403},
		"post with a wrong token":     {"POST", "/api/control", pause, headers{controlHeader: strings.ToLower(token)}, 403},
		"token in the address":        {"POST", "/api/control?token=" + token, pause, nil, 403},
		"action by GET":               {"GET", "/api/control?action=pause", "", headers{controlHeader: token}, 404},
		"unknown action":              {"POST", "/api/control", `{"action": "rm"}`, headers{controlHeader: token}, 400},
		"no JSON":                     {"POST", "/api/control", "action=pause", headers{controlHeader: token}, 400},
		"huge body":                   {"POST", "/api/control", strings.Repeat(" ", maxBody+1), headers{controlHeader: token}, 413},
		"run above the folder":        {"GET", "/api/metrics?run=..", "", nil, 404},
		"run far above the folder":    {"GET", "/api/metrics?run=../../etc", "", nil, 404},
		"run by an absolute path":     {"GET", "/api/metrics?run=" + url.QueryEscape(filepath.Dir(secret)), "", nil, 404},
		"run behind a link":           {"GET", "/api/metrics?run=link", "", nil, 404},
		"run with a zero byte":        {"GET", "/api/metrics?run=a%00b", "", nil, 404},
		"file above the page":         {"GET", "/../go.mod", "", nil, 404},
		"file above the page, hidden": {"GET", "/%2e%2e/%2e%2e/etc/passwd", "", nil, 404},
		"file that is not the page's": {"GET", "/notes.txt", "", nil, 404},
		"huge question":               {"GET", "/api/trace?text=" + strings.Repeat("a", maxText+1), "", nil, 400},
		"question of unknown words":   {"GET", "/api/trace?text=rm+-rf", "", nil, 400},
		"no question":                 {"GET", "/api/trace", "", nil, 400},
		"question without an end":     {"GET", "/api/trace?text=" + strings.Repeat("two+", 100), "", nil, 400},
		"target that is none":         {"GET", "/api/trace?text=two&target=%22", "", nil, 400},
		"step that is none":           {"GET", "/api/trace?text=two&step=-1", "", nil, 400},
		"step without a checkpoint":   {"GET", "/api/trace?text=two&step=123456789", "", nil, 404},
		"post to what is only read":   {"POST", "/api/run", "", headers{controlHeader: token}, 404},
		"post to the page":            {"POST", "/", "", nil, 405},
		"path that is none":           {"GET", "/api/secrets", "", nil, 404},
	} {
		status, text := fetch(t, s, c.method, c.path, c.body, c.headers)
		if status != c.want {
			t.Errorf("%s: status %d, want %d: %.200s", name, status, c.want, text)
		}
		if strings.Contains(text, token) {
			t.Errorf("%s: the answer has the token: %.200s", name, text)
		}
	}
	if e := get[api.Run](t, s, "/api/run"); e.State != api.Training {
		t.Errorf("one of them made the run %s", e.State)
	}
}

func TestQuestionsAreLimitedAndTheRestIsAnsweredStill(t *testing.T) {
	_, _, s := ended(t, 2)
	refused := 0
	for range 3 * questionBurst {
		if status, _ := fetch(t, s, "GET", "/api/trace?text=two+plus+three+equals", "", nil); status == http.StatusTooManyRequests {
			refused++
		}
	}
	if refused == 0 {
		t.Errorf("none of %d questions at once was refused", 3*questionBurst)
	}
	get[api.Run](t, s, "/api/run")
}

func TestReloadingAHundredTimesLeavesMemoryFlat(t *testing.T) {
	_, _, s := ended(t, 2)
	reload := func() {
		for _, path := range []string{"/", "/main.js", "/api/run", "/api/metrics"} {
			if status, text := fetch(t, s, "GET", path, "", nil); status != http.StatusOK {
				t.Fatalf("%s: status %d: %s", path, status, text)
			}
		}
		r, err := http.Get("http://" + s.Address() + "/api/events")
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
	}
	live := func() uint64 {
		eventually(t, "no reader", func() bool { return s.hub.Readers() == 0 })
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for range 10 {
		reload()
	}
	before := live()
	for range 100 {
		reload()
	}
	if after := live(); after > before+before/2+1<<20 {
		t.Errorf("the heap grew from %d to %d bytes", before, after)
	}
}

func TestTheServerOfOthersNeedsTheToken(t *testing.T) {
	_, f, _ := ended(t, 2)
	s, err := Serve(f, f.dir, port(t, "0.0.0.0:0"), site, map[string]http.Handler{"/metrics": http.NotFoundHandler()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, path := range []string{"/", "/api/run", "/api/events", "/main.js"} {
		if status, _ := fetch(t, s, "GET", path, "", nil); status != http.StatusUnauthorized {
			t.Errorf("%s: status %d without the token", path, status)
		}
	}
	u, err := url.Parse(s.URL())
	if err != nil || u.Query().Get("token") == "" {
		t.Fatalf("the URL is %s (%v)", s.URL(), err)
	}
	if status, _ := fetch(t, s, "GET", "/api/run", "", map[string]string{"Authorization": "Bearer " + u.Query().Get("token")}); status != http.StatusOK {
		t.Errorf("status %d with the token", status)
	}
	if status, _ := fetch(t, s, "GET", "/metrics", "", nil); status != http.StatusNotFound {
		t.Errorf("what is served beside the page has status %d", status)
	}
}

func TestTheFilesOfThePageAreAskedForAgainOnlyWhenTheyChange(t *testing.T) {
	_, _, s := ended(t, 2)
	r, err := http.Get("http://" + s.Address() + "/main.js")
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if kind := r.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/javascript") {
		t.Errorf("a script is of type %s", kind)
	}
	if status, text := fetch(t, s, "GET", "/main.js", "", map[string]string{"If-None-Match": r.Header.Get("ETag")}); status != 304 || text != "" {
		t.Errorf("the same file again: status %d, %q", status, text)
	}
}

func TestEveryDocumentIsJSON(t *testing.T) {
	_, _, s := ended(t, 4)
	for _, path := range []string{"/api/run", "/api/metrics", "/api/example", "/api/trace?text=two+plus+three+equals&step=0", "/api/nothing"} {
		_, text := fetch(t, s, "GET", path, "", nil)
		if !json.Valid([]byte(text)) {
			t.Errorf("%s: %.100s", path, text)
		}
	}
	if status, text := fetch(t, s, "GET", "/api/example", "", nil); status != 200 || !strings.Contains(text, "two plus three equals") {
		t.Errorf("the example is %d %.200s", status, text)
	}
}

func TestAnAnswerThatTookLongerThanARequestMayIsStillSent(t *testing.T) {
	const limit = 20 * time.Millisecond
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(3 * limit)
		reply(w, http.StatusOK, api.Error{})
	}))
	s.Config.WriteTimeout = limit
	s.Start()
	defer s.Close()
	r, err := http.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if text, err := io.ReadAll(r.Body); err != nil || !json.Valid(text) {
		t.Errorf("the answer is %q, %v", text, err)
	}
}
