package web

import "net/http"

// policy is the Content-Security-Policy of a page: it loads what is its own alone, runs no script and follows no style that stands in the
// document, sends nothing elsewhere and is shown in no frame. Pictures may be made by its scripts.
const policy = "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Site serves a page with its API to itself alone: requests that a page of another site makes are refused, be it by a form, a script or
// a picture, and the browser is told what the page may do. A link from elsewhere may lead here.
func Site(h http.Handler) http.Handler {
	origin := http.NewCrossOriginProtection() // of requests that change something
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", policy)
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Referrer-Policy", "no-referrer")
		if origin.Check(r) != nil || elsewhere(r) {
			http.Error(w, "a page of another site asks: expected a page of this one, or a program", http.StatusForbidden)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// elsewhere says that a browser asks for the sake of a page of another site, and not because its user follows a link. A browser that
// says nothing of it keeps the answer from that page.
func elsewhere(r *http.Request) bool {
	site, mode := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Sec-Fetch-Mode")
	return site != "" && site != "same-origin" && site != "none" && mode != "navigate"
}
