package floor

import (
	"errors"
	"fmt"
	"net/http"
)

// Refusal is an error that the asker can do something about, with the HTTP status that says what kind it is.
type Refusal struct {
	Status int
	text   string
}

func (r *Refusal) Error() string { return r.text }

// refuse returns a Refusal.
func refuse(status int, format string, args ...any) error {
	return &Refusal{status, fmt.Sprintf(format, args...)}
}

// statusOf is the HTTP status of an error: what no asker is to blame for is the server's.
func statusOf(err error) int {
	if r := (*Refusal)(nil); errors.As(err, &r) {
		return r.Status
	}
	return http.StatusInternalServerError
}
