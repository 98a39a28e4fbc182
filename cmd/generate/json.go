package main

import (
	"encoding/json"
	"io"
	"os"

	"trainer/internal/cli"
)

// printer prints what was asked for.
type printer interface {
	// live returns what prints the text of the reply to a prompt as it comes, or nil where replies are printed when they are whole.
	live(prompt string) func(text string) error
	reply(r *reply) error
	score(s *score) error
	exported(e *exported) error
}

// newPrinter returns the printer to standard output that the flags ask for.
func newPrinter(a *arguments) printer {
	switch {
	case a.json:
		return jsonPrinter{os.Stdout}
	case a.quiet:
		return quietPrinter{os.Stdout, a.stream}
	}
	return &screen{out: os.Stdout, terminal: cli.TerminalOf(os.Stdout), stream: a.stream}
}

// jsonPrinter prints one JSON object a line.
type jsonPrinter struct{ out io.Writer }

func (p jsonPrinter) print(v any) error {
	e := json.NewEncoder(p.out)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

func (p jsonPrinter) live(string) func(string) error { return nil }

func (p jsonPrinter) reply(r *reply) error {
	return p.print(struct {
		Prompt   string   `json:"prompt"`
		Answer   string   `json:"answer"`
		Complete bool     `json:"complete"` // the answer has an end token, or ends before a stop string
		Tokens   []chosen `json:"tokens"`
	}{r.prompt, r.answer, r.stop == "", r.tokens})
}

func (p jsonPrinter) score(s *score) error {
	byOperation := make(map[string]float64)
	for _, t := range s.byOperation {
		byOperation[t.operation] = t.exactMatch()
	}
	return p.print(struct {
		ExactMatch  float64            `json:"exact_match"`
		Examples    int                `json:"examples"`
		ByOperation map[string]float64 `json:"by_operation"`
		Wrong       []mistake          `json:"wrong"`
	}{s.total.exactMatch(), s.total.total, byOperation, append([]mistake{}, s.wrong...)})
}

func (p jsonPrinter) exported(e *exported) error { return p.print(e) }
