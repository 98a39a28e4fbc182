package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// ask sends a request with headers to a handler.
func ask(h http.Handler, method, target string, headers map[string]string) *http.Response {
	r := httptest.NewRequest(method, target, nil)
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func TestASiteAnswersItsOwnPagesAndPrograms(t *testing.T) {
	type headers = map[string]string
	for name, c := range map[string]struct {
		method  string
		headers headers
		want    int
	}{
		"program":                      {"GET", nil, 200},
		"address typed":                {"GET", headers{"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}, 200},
		"own script":                   {"GET", headers{"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}, 200},
		"link of another site":         {"GET", headers{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 200},
		"script of another site":       {"GET", headers{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}, 403},
		"picture in another site":      {"GET", headers{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403},
		"another port of this machine": {"GET", headers{"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"}, 403},
		"own post":                     {"POST", headers{"Origin": "http://localhost:8080"}, 200},
		"post of another site":         {"POST", headers{"Origin": "http://evil.example"}, 403},
		"form of another site":         {"POST", headers{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 403},
		"post of another port":         {"POST", headers{"Origin": "http://localhost:8081"}, 403},
		"post of a page without one":   {"POST", headers{"Origin": "null"}, 403},
	} {
		r := ask(Site(hello), c.method, "http://localhost:8080/api", c.headers)
		if r.StatusCode != c.want {
			t.Errorf("%s: status %d, want %d", name, r.StatusCode, c.want)
		}
		if p := r.Header.Get("Content-Security-Policy"); !strings.Contains(p, "default-src 'self'") || strings.Contains(p, "unsafe") {
			t.Errorf("%s: the policy is %q", name, p)
		}
	}
}

func TestALockedPageOpensByItsAddressOnce(t *testing.T) {
	token := NewToken()
	h := token.Locked(hello)
	if got := ask(h, "GET", "/", nil).StatusCode; got != http.StatusUnauthorized {
		t.Errorf("without a token the status is %d", got)
	}
	r := ask(h, "GET", token.In("http://gpu.lab:8080/")+"&step=3", nil)
	if to := r.Header.Get("Location"); r.StatusCode != http.StatusSeeOther || to != "/?step=3" {
		t.Errorf("the address with the token leads to %q with status %d", to, r.StatusCode)
	}
	c := r.Cookies()[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" {
		t.Errorf("the cookie is %v", c)
	}
	for name, test := range map[string]struct {
		headers map[string]string
		want    int
	}{
		"cookie":       {map[string]string{"Cookie": c.Name + "=" + c.Value}, 200},
		"wrong cookie": {map[string]string{"Cookie": c.Name + "=" + c.Value[1:]}, 401},
		"empty cookie": {map[string]string{"Cookie": c.Name + "="}, 401},
		"bearer":       {map[string]string{"Authorization": "Bearer " + string(token)}, 200},
		"wrong bearer": {map[string]string{"Authorization": "Bearer x"}, 401},
		"basic":        {map[string]string{"Authorization": string(token)}, 401},
	} {
		if got := ask(h, "GET", "/", test.headers).StatusCode; got != test.want {
			t.Errorf("%s: status %d, want %d", name, got, test.want)
		}
	}
	if r := ask(h, "GET", token.In("http://gpu.lab//evil.example/"), nil); strings.HasPrefix(r.Header.Get("Location"), "//") {
		t.Errorf("a redirection leads elsewhere: %s", r.Header.Get("Location"))
	}
	if got := ask(h, "POST", token.In("/"), nil).StatusCode; got != http.StatusUnauthorized {
		t.Errorf("a post with the token in its address has status %d", got)
	}
}

func TestTheEmptyTokenIsKnownToNobody(t *testing.T) {
	if Token("").Is("") || Token("").IsBearer(httptest.NewRequest("GET", "/", nil)) {
		t.Error("it is known")
	}
	if a, b := NewToken(), NewToken(); a == b || len(a) < 20 {
		t.Error("a token can be guessed")
	}
	if got := Token("").In("http://localhost/"); got != "http://localhost/" {
		t.Errorf("an address without a token is %s", got)
	}
}

func TestALimiterBoundsBurstAndRate(t *testing.T) {
	l := NewLimiter(10, 3)
	now := l.last
	count := func() (n int) {
		for range 100 {
			if l.allow(now) {
				n++
			}
		}
		return n
	}
	if n := count(); n != 3 {
		t.Errorf("%d at once, want 3", n)
	}
	now = now.Add(200 * time.Millisecond)
	if n := count(); n != 2 {
		t.Errorf("%d in a fifth of a second at 10 a second, want 2", n)
	}
	now = now.Add(time.Hour)
	if n := count(); n != 3 {
		t.Errorf("%d after an hour, want 3", n)
	}
}
