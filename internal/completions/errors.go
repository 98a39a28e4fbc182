package completions

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// apiError is an error in the shape that clients of the API know.
type apiError struct {
	status  int
	Message string `json:"message"`
	Type    string `json:"type"`
	Param   string `json:"param,omitempty"`
	Code    string `json:"code,omitempty"`
}

func (e *apiError) Error() string { return e.Message }

// refuse returns an error with an HTTP status.
func refuse(status int, kind, code, format string, args ...any) *apiError {
	return &apiError{status: status, Message: fmt.Sprintf(format, args...), Type: kind, Code: code}
}

// invalid returns the error of a field that cannot be.
func invalid(field, format string, args ...any) *apiError {
	e := refuse(http.StatusBadRequest, "invalid_request_error", "", format, args...)
	e.Param = field
	return e
}

// envelope is an error as it goes over the wire.
type envelope struct {
	Error *apiError `json:"error"`
}

// asAPIError makes an error one of the API; what no request is to blame for is the server's.
func asAPIError(err error) *apiError {
	var e *apiError
	if errors.As(err, &e) {
		return e
	}
	return refuse(http.StatusInternalServerError, "server_error", "", "%v", err)
}

// fail answers with an error.
func fail(w http.ResponseWriter, err error) {
	e := asAPIError(err)
	if e.status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "1")
	}
	reply(w, e.status, envelope{e})
}

// reply answers with JSON.
func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v) // an error is that of a client that has gone
}
