package completions

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"trainer/internal/cpu"
	"trainer/internal/cpu/kernel"
	"trainer/internal/web"
	"trainer/model"
	"trainer/tokenizer"
)

// testModel is a small model of bytes that has learned nothing.
func testModel(t testing.TB, context int) Model {
	t.Helper()
	of := tokenizer.NewBytes()
	c := model.Calculator(of.VocabSize())
	c.Context, c.Width, c.Layers, c.Heads, c.MLPWidth, c.EOS = context, 16, 1, 2, 32, int(of.EOS())
	return modelOf(t, of, c)
}

// slowModel never finds the end of a text likeliest, and takes so long for a token that a client on a busy machine keeps up with it.
func slowModel(t testing.TB) Model {
	t.Helper()
	of := tokenizer.NewBytes()
	c := model.Calculator(of.VocabSize())
	c.Context, c.Width, c.Layers, c.Heads, c.MLPWidth, c.EOS = 4096, 256, 4, 4, 1024, int(of.EOS())
	c.TiedHead = true
	return modelOf(t, of, c, func(m *model.Model) {
		clear(m.Parameters[0].Value[c.EOS*c.Width:][:c.Width]) // its logit is 0, as the embeddings are those of the output
	})
}

func modelOf(t testing.TB, of tokenizer.Tokenizer, c model.Config, changes ...func(m *model.Model)) Model {
	t.Helper()
	m, err := model.New(c, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range changes {
		change(m)
	}
	backend := cpu.New(1, kernel.Best())
	t.Cleanup(func() { backend.Close() })
	return Model{Name: "book", Tokenizer: of, Generator: model.NewGenerator(model.NewExecutor(m, backend)), Context: c.Context}
}

// post asks a server, and returns the status and the body of its answer.
func post(t testing.TB, url, body string) (int, string) {
	t.Helper()
	r, err := http.Post(url+"/v1/completions", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	answer, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(answer)
}

// ask is post for a request that must succeed.
func ask(t testing.TB, url, body string) completion {
	t.Helper()
	status, answer := post(t, url, body)
	var c completion
	if err := json.Unmarshal([]byte(answer), &c); status != http.StatusOK || err != nil {
		t.Fatalf("%s: status %d, %v: %s", body, status, err, answer)
	}
	return c
}

// overJSON is a text as it is behind JSON, in which bytes that are no UTF-8 become U+FFFD.
func overJSON(t testing.TB, text string) (got string) {
	t.Helper()
	data, err := json.Marshal(text)
	if err == nil {
		err = json.Unmarshal(data, &got)
	}
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func serve(t testing.TB, m Model, token web.Token) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(New(m, token))
	t.Cleanup(s.Close)
	return s
}

func TestCompletionsAreWhatTheModelGenerates(t *testing.T) {
	m := testModel(t, 64)
	s := serve(t, m, "")
	got := ask(t, s.URL, `{"model": "book", "prompt": ["ab", "c"], "n": 2, "seed": 7, "max_tokens": 5, "user": "unknown fields are ignored"}`)
	if len(got.Choices) != 4 || got.Object != "text_completion" || got.Model != "book" || !strings.HasPrefix(got.ID, "cmpl-") {
		t.Fatalf("answer is %+v", got)
	}
	made := 0
	for i, c := range got.Choices {
		prompt, err := m.Tokenizer.Encode([]string{"ab", "c"}[i/2])
		if err != nil {
			t.Fatal(err)
		}
		sampling := model.Sampling{Temperature: 1, TopP: 1, Seed: 7 + uint64(i), MaxTokens: 5}
		choices, err := m.Generator.Generate([][]int32{prompt}, sampling, 0)
		if err != nil {
			t.Fatal(err)
		}
		var ids []int32
		for _, c := range choices[0] {
			ids = append(ids, c.Token)
		}
		made += len(ids)
		if want := overJSON(t, m.Tokenizer.Decode(ids)); c.Text != want ||
			c.Index != i || c.Finish == nil || c.Logprobs != nil {
			t.Errorf("choice %d is %+v, want the text %q", i, c, want)
		}
	}
	if *got.Usage != (usage{3, made, 3 + made}) {
		t.Errorf("usage is %+v, want 3 and %d tokens", *got.Usage, made)
	}
}

func TestAStreamIsTheAnswerInPieces(t *testing.T) {
	s := serve(t, testModel(t, 64), "")
	const body = `"prompt": "ab", "seed": 3, "n": 2, "max_tokens": 20, "echo": true, "logprobs": 2, "stop": ["e", "t"]`
	whole := ask(t, s.URL, "{"+body+"}")
	_, events := post(t, s.URL, "{"+body+`, "stream": true, "stream_options": {"include_usage": true}}`)
	texts, finishes, tokens := make([]string, 2), make([]string, 2), 0
	list := strings.Split(strings.TrimSuffix(events, "\n\n"), "\n\n")
	if len(list) < 6 || list[len(list)-1] != "data: [DONE]" {
		t.Fatalf("events are\n%s", events)
	}
	var last completion
	for _, e := range list[:len(list)-1] {
		last = completion{}
		if err := json.Unmarshal([]byte(strings.TrimPrefix(e, "data: ")), &last); err != nil {
			t.Fatalf("%v: %s", err, e)
		}
		for _, c := range last.Choices {
			texts[c.Index] += c.Text
			tokens += len(c.Logprobs.Tokens)
			if c.Finish != nil {
				finishes[c.Index] = *c.Finish
			}
		}
	}
	for i, c := range whole.Choices {
		if texts[i] != c.Text || finishes[i] != *c.Finish || !strings.HasPrefix(c.Text, "ab") {
			t.Errorf("choice %d is %q (%s) in pieces, %q (%s) as a whole", i, texts[i], finishes[i], c.Text, *c.Finish)
		}
	}
	if *last.Usage != *whole.Usage || tokens != whole.Usage.Completion+2*2 {
		t.Errorf("usage is %+v with %d tokens in pieces, %+v as a whole", last.Usage, tokens, whole.Usage)
	}
}

func TestATextEndsBeforeAStopString(t *testing.T) {
	s := serve(t, testModel(t, 64), "")
	whole := ask(t, s.URL, `{"prompt": "ab", "seed": 5, "max_tokens": 40}`).Choices[0].Text
	var stop string
	for _, letter := range whole[1:] {
		if letter > ' ' && letter < 127 && letter != '"' && letter != '\\' {
			stop = string(letter)
			break
		}
	}
	got := ask(t, s.URL, fmt.Sprintf(`{"prompt": "ab", "seed": 5, "max_tokens": 40, "stop": %q}`, stop)).Choices[0]
	if want := whole[:strings.Index(whole, stop)]; stop == "" || got.Text != want || *got.Finish != "stop" {
		t.Errorf("%q with the stop string %q becomes %q (%s)", whole, stop, got.Text, *got.Finish)
	}
}

// TestAnEchoTellsHowLikelyThePromptIs asks as programs do that score given texts.
func TestAnEchoTellsHowLikelyThePromptIs(t *testing.T) {
	m := testModel(t, 64)
	s := serve(t, m, "")
	got := ask(t, s.URL, `{"prompt": [[97, 98, 195, 169]], "echo": true, "max_tokens": 0, "logprobs": 3}`)
	c := got.Choices[0]
	scores, err := m.Generator.Score([]int32{97, 98, 195, 169}, 3)
	if err != nil {
		t.Fatal(err)
	}
	l := c.Logprobs
	if c.Text != "abé" || *c.Finish != "length" || got.Usage.Completion != 0 || len(l.Tokens) != 4 ||
		l.TokenLogprobs[0] != nil || l.TopLogprobs[0] != nil {
		t.Fatalf("choice is %+v with %+v", c, l)
	}
	for i, want := range scores {
		if p := *l.TokenLogprobs[i+1]; math.Abs(p-math.Log(want.Probability)) > 1e-9 || len(l.TopLogprobs[i+1]) != 3 {
			t.Errorf("token %d has the log-probability %g, want that of %v", i+1, p, want)
		}
	}
	if l.Tokens[1] != "b" || l.TextOffset[2] != 2 {
		t.Errorf("tokens are %q at %v", l.Tokens, l.TextOffset)
	}
}

func TestTheFullContextEndsATextByItsLength(t *testing.T) {
	got := ask(t, serve(t, testModel(t, 16), "").URL, `{"prompt": "abcdefgh", "temperature": 0, "max_tokens": 100}`)
	if c := got.Choices[0]; *c.Finish != "length" || got.Usage.Completion != 16-8+1 {
		t.Errorf("a text in a full context ends by %q after %d tokens", *c.Finish, got.Usage.Completion)
	}
}

func TestMistakesAreErrorsOfTheAPI(t *testing.T) {
	s := serve(t, testModel(t, 16), "")
	for body, want := range map[string]string{
		`{`:                      `400 "the body is not JSON`,
		`{}`:                     `400 "there is no prompt`,
		`{"prompt": 3}`:          `400 "prompt: expected a string`,
		`{"prompt": ""}`:         `400 "prompt 1 is empty`,
		`{"prompt": []}`:         `400 "there is no prompt`,
		`{"prompt": [[1, 999]]}`: `400 "prompt 1: token 999 is not in the vocabulary of 258`,
		`{"prompt": "` + strings.Repeat("x", 17) + `"}`: `400 "prompt 1 has 17 tokens: expected at most 16`,
		`{"prompt": "a", "temperature": "hot"}`:         `400 "temperature is a string: expected a number`,
		`{"prompt": "a", "temperature": -1}`:            `400 "temperature -1: expected 0 (greedy) to 100`,
		`{"prompt": "a", "n": 1.5}`:                     `400 "n is a number 1.5: expected a whole number`,
		`{"prompt": "a", "n": 500}`:                     `400 "n 500 of 1 prompts: expected 1 or more`,
		`{"prompt": "a", "stream": 1}`:                  `400 "stream is a number: expected true or false`,
		`{"prompt": "a", "max_tokens": -1}`:             `400 "max_tokens -1: expected 0 or more`,
		`{"prompt": "a", "logprobs": 21}`:               `400 "logprobs 21: expected 0 to 20`,
		`{"prompt": "a", "stop": 1}`:                    `400 "stop: expected a string`,
		`{"prompt": "a", "stop": ""}`:                   `400 "stop: expected at most 16 strings`,
		`{"prompt": "a", "model": "other"}`:             `404 "there is no model \"other\" here: expected \"book\"`,
		strings.Repeat(" ", maxBody+1):                  `413 "the body is longer than`,
	} {
		status, answer := post(t, s.URL, body)
		var e envelope
		if err := json.Unmarshal([]byte(answer), &e); err != nil || e.Error == nil || e.Error.Type != "invalid_request_error" {
			t.Errorf("%.60s: the answer is no error of the API: %s", body, answer)
			continue
		}
		if got := fmt.Sprintf("%d %q", status, e.Error.Message); !strings.HasPrefix(got, want) {
			t.Errorf("%.60s: error %s, want %s", body, got, want)
		}
	}
	ask(t, s.URL, `{"prompt": "a", "max_tokens": 1, "n": null, "stop": null, "temperature": null, "logprobs": null, "seed": null}`)
}

// status sends a request to a handler and returns the status.
func status(h http.Handler, change func(r *http.Request)) int {
	r := httptest.NewRequest("POST", "http://localhost:8080/v1/completions", strings.NewReader(`{"prompt": "a", "max_tokens": 1}`))
	change(r)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

func TestOnlyThisMachineOrTheTokenIsAnswered(t *testing.T) {
	m := testModel(t, 16)
	local, open := New(m, ""), New(m, "secret")
	bearer := func(token string) func(*http.Request) {
		return func(r *http.Request) { r.Host = "models.example"; r.Header.Set("Authorization", "Bearer "+token) }
	}
	host := func(host string) func(*http.Request) { return func(r *http.Request) { r.Host = host } }
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for name, c := range map[string]struct {
		h      http.Handler
		change func(*http.Request)
		want   int
	}{
		"localhost":         {local, host("localhost:8080"), 200},
		"127.0.0.1":         {local, host("127.0.0.1"), 200},
		"[::1]":             {local, host("[::1]:8080"), 200},
		"another name":      {local, host("evil.example:8080"), 403},
		"a name like ours":  {local, host("localhost.evil.example"), 403},
		"no name":           {local, host(""), 403},
		"page of a site":    {local, header("Origin", "http://evil.example"), 403},
		"browser says so":   {local, header("Sec-Fetch-Site", "cross-site"), 403},
		"page of our own":   {local, header("Origin", "http://localhost:8080"), 200},
		"token":             {open, bearer("secret"), 200},
		"wrong token":       {open, bearer("secre"), 401},
		"no token":          {open, host("localhost"), 401},
		"token as password": {open, header("Authorization", "secret"), 401},
		"wrong method":      {local, func(r *http.Request) { r.Method = "GET" }, 405},
		"wrong path":        {local, func(r *http.Request) { r.URL.Path = "/v1/chat/completions" }, 404},
		"models":            {local, func(r *http.Request) { r.Method, r.URL.Path = "GET", "/v1/models" }, 200},
	} {
		if got := status(c.h, c.change); got != c.want {
			t.Errorf("%s: status %d, want %d", name, got, c.want)
		}
	}
}

func TestModelsNamesTheModel(t *testing.T) {
	r, err := http.Get(serve(t, testModel(t, 16), "").URL + "/v1/models")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if body, err := io.ReadAll(r.Body); err != nil || !strings.Contains(string(body), `"data":[{"id":"book","object":"model"`) {
		t.Errorf("answer is %s, error %v", body, err)
	}
}

// slow is a request for more than a test can wait for, of slowModel. crowded is one for texts faster than they can be read.
const (
	slow    = `{"prompt": "ab", "max_tokens": 100000, "stream": true, "temperature": 0}`
	crowded = `{"prompt": "ab", "n": 128, "max_tokens": 100000, "stream": true, "temperature": 2}`
)

// begin sends a request and waits for the first bytes of its answer. close ends the connection.
func begin(t testing.TB, url, body string) (close func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, "POST", url+"/v1/completions", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(answer.Body).ReadString('\n'); err != nil || answer.StatusCode != 200 {
		t.Fatalf("status %d, %q, %v", answer.StatusCode, line, err)
	}
	return func() { cancel(); answer.Body.Close() }
}

// A long answer leaves the model to others while it comes, and for good when its client goes away.
func TestRequestsAreAnsweredTogether(t *testing.T) {
	m := testModel(t, 4096)
	s := serve(t, m, "")
	const short = `{"prompt": "ab", "max_tokens": 20, "temperature": 0}`
	_, alone := post(t, s.URL, short)
	end := begin(t, s.URL, crowded)
	status, together := post(t, s.URL, short)
	if text := choiceOf(t, alone); status != 200 || choiceOf(t, together) != text || text == "" {
		t.Errorf("beside another request the answer is %d %s, alone %s", status, together, alone)
	}
	end()
	gone := make(chan error)
	go func() {
		_, err := m.Generator.Generate([][]int32{{97}}, model.Sampling{TopP: 1, MaxTokens: 2000}, 0)
		gone <- err
	}()
	select {
	case err := <-gone:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the model still works for a client that has gone")
	}
}

// choiceOf is the text of an answer's first choice.
func choiceOf(t testing.TB, answer string) string {
	t.Helper()
	var a struct{ Choices []struct{ Text string } }
	if err := json.Unmarshal([]byte(answer), &a); err != nil || len(a.Choices) == 0 {
		t.Fatalf("answer is %s, error %v", answer, err)
	}
	return a.Choices[0].Text
}

// stuck is a client that takes nothing of an answer until it is told to.
type stuck struct {
	*httptest.ResponseRecorder
	begun, read chan struct{}
}

func (s stuck) Write(data []byte) (int, error) {
	select {
	case s.begun <- struct{}{}:
	default:
	}
	<-s.read
	return s.ResponseRecorder.Write(data)
}

func TestAClientThatDoesNotReadHoldsNobodyUp(t *testing.T) {
	m := testModel(t, 4096)
	h := &handler{model: m, created: 1, places: make(chan struct{}, atWork)}
	w, ended := stuck{httptest.NewRecorder(), make(chan struct{}, 1), make(chan struct{})}, make(chan struct{})
	go func() {
		h.complete(w, httptest.NewRequest("POST", "/v1/completions", strings.NewReader(crowded)))
		close(ended)
	}()
	<-w.begun
	for range 3 { // in each step the 128 texts that nobody reads get a token, too
		if _, err := m.Generator.Generate([][]int32{{97}}, model.Sampling{TopP: 1, MaxTokens: 50}, 0); err != nil {
			t.Fatal(err)
		}
	}
	close(w.read)
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("the request of a client that did not read goes on")
	}
	if body := w.Body.String(); !strings.Contains(body, errSlow.Error()) {
		t.Errorf("the answer ends with %q, want %q in it", body[max(0, len(body)-200):], errSlow)
	}
}

// The limit of the time for reading a request would otherwise look like a client that has gone.
func TestALongAnswerOutlivesTheTimeForReadingItsRequest(t *testing.T) {
	s := httptest.NewUnstartedServer(New(slowModel(t), ""))
	s.Config.ReadTimeout = 100 * time.Millisecond
	s.Start()
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "POST", s.URL+"/v1/completions", strings.NewReader(slow))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the answer ended with %v before the client did", err)
	}
}

func TestRequestsBeyondThoseAtWorkAreRefused(t *testing.T) {
	h := &handler{model: testModel(t, 16), places: make(chan struct{}, 1)}
	h.places <- struct{}{}
	w := httptest.NewRecorder()
	h.complete(w, httptest.NewRequest("POST", "/v1/completions", strings.NewReader(`{"prompt": "a"}`)))
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
		t.Errorf("status %d, %s", w.Code, w.Body)
	}
}

func TestTheServerEndsWhenItsRequestsHave(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- Serve(ctx, l, New(slowModel(t), "")) }()
	url := "http://" + l.Addr().String()
	end := begin(t, url, slow)
	cancel()
	select {
	case err := <-ended:
		t.Fatalf("the server ended while it answered: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	end()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(3 * time.Second):
		t.Error("the server does not end")
	}
	if _, err := http.Get(url + "/v1/models"); err == nil {
		t.Error("the server still answers")
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"prompt": "a", "stop": ["b"], "n": 2, "logprobs": 1}`, `{"prompt": [[1, 2], []], "seed": -1}`, `{"prompt": ["a", "b"], "top_p": 0.5}`,
		`[]`, `null`, slow,
	} {
		f.Add([]byte(seed))
	}
	m := Model{Tokenizer: tokenizer.NewBytes(), Context: 16}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := parse(body)
		if err == nil {
			var lists [][]int32
			if lists, err = r.encode(&m); err == nil && (len(lists)*r.N > maxChoices || len(lists) == 0 || len(lists[0]) > 16 || r.Seed == nil) {
				t.Errorf("%s became %+v", body, r)
			}
		}
		if err == nil {
			return
		}
		if e := asAPIError(err); e.status != http.StatusBadRequest || e.Message == "" || bytes.Contains([]byte(e.Message), []byte("%!")) {
			t.Errorf("%s: status %d, %s", body, e.status, e.Message)
		}
	})
}
