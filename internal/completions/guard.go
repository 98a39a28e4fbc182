package completions

import (
	"net/http"

	"trainer/internal/web"
)

// guard lets requests through that may be answered. Pages of other sites that a browser on this machine shows may not ask: neither from
// their own address, nor by a name of theirs that resolves to this machine (DNS rebinding).
func guard(next http.Handler, token web.Token) http.Handler {
	origin := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case token == "" && !web.IsLoopback(r.Host):
			fail(w, refuse(http.StatusForbidden, "invalid_request_error", "",
				"the host %q is not this machine: expected localhost or 127.0.0.1", r.Host))
		case token != "" && !token.IsBearer(r):
			w.Header().Set("WWW-Authenticate", "Bearer")
			fail(w, refuse(http.StatusUnauthorized, "invalid_request_error", "invalid_api_key",
				"expected the header Authorization: Bearer with the token that the server printed when it started"))
		case origin.Check(r) != nil:
			fail(w, refuse(http.StatusForbidden, "invalid_request_error", "", "a page of another site asks: expected a program, or no page"))
		default:
			next.ServeHTTP(w, r)
		}
	})
}
