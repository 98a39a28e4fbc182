package floor

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"trainer/internal/arithmetic"
	"trainer/internal/floor/api"
	"trainer/internal/web"
	"trainer/model"
	"trainer/tokenizer"
	"trainer/train"
	"trainer/train/examples"
)

// site is a page of nothing.
var site = fstest.MapFS{
	"index.html": {Data: []byte("<!doctype html><head>" + tokenPlace + "</head>")}, "main.js": {Data: []byte("// nothing")}, "notes.txt": {},
}

// training is a short run, with its folder open.
type training struct {
	*train.Trainer
	plan      train.Plan
	dir       string
	interrupt context.CancelFunc
}

// newTraining is a run of a small calculator in a folder of its own, beside which there is no other.
func newTraining(t testing.TB, steps int) *training {
	t.Helper()
	o := train.Calculator()
	o.Steps, o.Batch, o.WarmUp = steps, 8, 1
	c := model.Calculator(0)
	c.Width, c.Layers, c.Heads, c.MLPWidth = 32, 1, 2, 64
	return newTrainingOf(t, c, o)
}

// newCalculator is a run of the calculator as it is trained without flags, on one thread.
func newCalculator(t testing.TB, steps int) *training {
	t.Helper()
	o := train.Calculator()
	o.Steps = steps
	return newTrainingOf(t, model.Calculator(0), o)
}

func newTrainingOf(t testing.TB, c model.Config, o train.Options) *training {
	t.Helper()
	words, err := tokenizer.NewWord(arithmetic.Words())
	if err != nil {
		t.Fatal(err)
	}
	c.VocabSize, c.EOS = words.VocabSize(), int(words.EOS())
	m, err := model.New(c, o.Seed)
	if err != nil {
		t.Fatal(err)
	}
	list := examples.Calculator()
	data := func(list []examples.Example) *train.Dataset {
		d, err := train.NewDataset(words, list, c.Context)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	trainer, err := train.New(m, words, data(list[:1000]), data(list[1000:1050]), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { trainer.Close() })
	dir := filepath.Join(t.TempDir(), "sums")
	folder, err := train.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { folder.Close() })
	if _, err := folder.OpenMetrics(0); err != nil {
		t.Fatal(err)
	}
	return &training{Trainer: trainer, plan: train.Plan{Folder: folder}, dir: dir}
}

// port takes the port of an address.
func port(t testing.TB, address string) *web.Listener {
	t.Helper()
	l, err := web.Listen(address)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// begin runs a training in the background, shown at an address. ended has what came of it.
func (r *training) begin(t testing.TB) (live *Live, s *Server, ended chan error) {
	t.Helper()
	live, err := NewLive(r.Trainer, About{Dir: r.dir, Kind: api.Examples, Data: "sums", Questions: []string{"two plus three equals"}, Open: "floor " + r.dir})
	if err != nil {
		t.Fatal(err)
	}
	if s, err = Serve(live, r.dir, port(t, "127.0.0.1:0"), site, nil); err != nil {
		t.Fatal(err)
	}
	r.plan.Interlude = live.Interlude()
	ctx, cancel := context.WithCancel(t.Context())
	r.interrupt = cancel
	ended = make(chan error, 1)
	go func() {
		err := r.Trainer.Run(ctx, r.plan, live)
		state := api.Ended
		if err != nil {
			state = api.Interrupted
		}
		live.End(state)
		ended <- err
		close(ended)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		s.Close()
	})
	return live, s, ended
}

// get asks for a document, which must be there.
func get[T any](t testing.TB, s *Server, path string) (document T) {
	t.Helper()
	status, text := fetch(t, s, "GET", path, "", nil)
	if status != http.StatusOK {
		t.Fatalf("%s: status %d: %s", path, status, text)
	}
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		t.Fatalf("%s: %v: %s", path, err, text)
	}
	return document
}

// fetch sends a request.
func fetch(t testing.TB, s *Server, method, path, body string, headers map[string]string) (status int, text string) {
	t.Helper()
	r, err := http.NewRequest(method, "http://"+s.Address()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range headers {
		r.Header.Set(name, value)
		if name == "Host" {
			r.Host = value
		}
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(data)
}

// tokenOf is the token that the page of a server has.
func tokenOf(t testing.TB, s *Server) string {
	t.Helper()
	_, text := fetch(t, s, "GET", "/", "", nil)
	_, rest, _ := strings.Cut(text, `<meta name="floor-token" content="`)
	token, _, ok := strings.Cut(rest, `"`)
	if !ok || token == "" {
		t.Fatalf("the page has no token: %s", text)
	}
	return token
}

// control acts on a run, as the page does.
func control(t testing.TB, s *Server, action string) api.StateEvent {
	t.Helper()
	status, text := fetch(t, s, "POST", "/api/control", `{"action": "`+action+`"}`, map[string]string{controlHeader: tokenOf(t, s)})
	var e api.StateEvent
	if err := json.Unmarshal([]byte(text), &e); status != http.StatusOK || err != nil {
		t.Fatalf("%s: status %d: %s", action, status, text)
	}
	return e
}

// listener reads events.
type listener struct{ body io.ReadCloser }

// told is an event.
type told struct{ name, data string }

// listen opens the events of a server, and returns when the server has taken note.
func listen(t testing.TB, s *Server) *listener {
	t.Helper()
	before := s.hub.Readers()
	r, err := http.Get("http://" + s.Address() + "/api/events")
	if err != nil {
		t.Fatal(err)
	}
	if r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("status %d, %s", r.StatusCode, r.Header.Get("Content-Type"))
	}
	t.Cleanup(func() { r.Body.Close() })
	eventually(t, "a reader", func() bool { return s.hub.Readers() > before })
	return &listener{r.Body}
}

// all are the events up to the end of the stream.
func (l *listener) all(t testing.TB) (list []told) {
	t.Helper()
	text, err := io.ReadAll(l.body)
	if err != nil {
		t.Fatalf("%v behind %q", err, text)
	}
	for _, block := range strings.Split(string(text), "\n\n") {
		name, data, ok := strings.Cut(block, "\ndata: ")
		if name, ok2 := strings.CutPrefix(name, "event: "); ok && ok2 {
			list = append(list, told{name, data})
		}
	}
	return list
}

// eventually waits until something is so.
func eventually(t testing.TB, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !so(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never came: %s", what)
		}
	}
}
