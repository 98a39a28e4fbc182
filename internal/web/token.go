package web

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
)

// Token is a secret that a request has to know. The empty token is known to nobody.
type Token string

// NewToken returns a token that cannot be guessed: 130 random bits or more, in letters and digits.
func NewToken() Token { return Token(rand.Text()) }

// Is says whether a given text is the token, in a time that tells nothing about it.
func (t Token) Is(given string) bool {
	return t != "" && subtle.ConstantTimeCompare([]byte(given), []byte(t)) == 1
}

// IsBearer says whether a request has the token in its header, "Authorization: Bearer TOKEN".
func (t Token) IsBearer(r *http.Request) bool {
	given, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return bearer && t.Is(given)
}

// tokenKey is the parameter of an address that has the token.
const tokenKey = "token"

// In is an address with the token in it, which opens what Locked has locked.
func (t Token) In(address string) string {
	if t == "" {
		return address
	}
	return address + "?" + url.Values{tokenKey: {string(t)}}.Encode()
}

// cookie is the name of the cookie. A browser shares cookies among the ports of a machine, and on each there may be another server.
func (t Token) cookie() string {
	sum := sha256.Sum256([]byte(t))
	return "trainer-" + hex.EncodeToString(sum[:4])
}

// Locked lets requests through that know the token. A browser is given it in the address, as In has it, once: it is answered with a cookie,
// which scripts cannot read and other sites cannot use, and sent on to the address without the token, so that this is not left in the
// browser's history. A program may have the token in its header.
func (t Token) Locked(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		if r.Method == http.MethodGet && t.Is(query.Get(tokenKey)) {
			http.SetCookie(w, &http.Cookie{Name: t.cookie(), Value: string(t), Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
			query.Del(tokenKey)
			// Of the path with one slash alone: "//host" would be an address elsewhere.
			to := url.URL{Path: "/" + strings.TrimLeft(r.URL.Path, "/"), RawQuery: query.Encode()}
			http.Redirect(w, r, to.String(), http.StatusSeeOther)
			return
		}
		cookie, err := r.Cookie(t.cookie())
		if (err != nil || !t.Is(cookie.Value)) && !t.IsBearer(r) {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "expected the token: open the address that was printed when the program started", http.StatusUnauthorized)
			return
		}
		h.ServeHTTP(w, r)
	})
}
