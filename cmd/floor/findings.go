package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"trainer/internal/cli"
	"trainer/internal/findings"
	"trainer/internal/floor"
	"trainer/internal/floor/api"
	"trainer/internal/format"
)

// printFindings says on out what the model has learned, and how its checkpoints came to it.
func printFindings(ctx context.Context, f *floor.Folder, out io.Writer) error {
	now, err := f.Findings(ctx, floor.Now)
	if err != nil {
		return err
	}
	terminal := cli.TerminalOf(out)
	if err := now.Write(out, terminal); err != nil {
		return err
	}
	list := []*findings.Findings{}
	for _, c := range f.Run().Checkpoints {
		found, err := f.Findings(ctx, c.Step)
		if refused := (*floor.Refusal)(nil); errors.As(err, &refused) && refused.Status == http.StatusNotFound {
			continue // it has gone meanwhile
		} else if err != nil {
			return err
		}
		list = append(list, found)
	}
	if len(list) < 2 || len(now.Claims) == 0 {
		return nil
	}
	_, err = io.WriteString(out, along(list, terminal))
	return err
}

// along is a table of the claims' numbers by checkpoint.
func along(list []*findings.Findings, terminal cli.Terminal) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s\n  %-12s", terminal.Paint(cli.Title, "Along the run"), "step")
	for _, c := range list[0].Claims {
		fmt.Fprintf(&b, "%14s", c.ID)
	}
	row := func(name string, of func(c findings.Claim) api.Number) {
		fmt.Fprintf(&b, "\n  %-12s", name)
		for _, c := range list[0].Claims {
			fmt.Fprintf(&b, "%14.2f", float64(of(c)))
		}
	}
	for _, f := range list {
		row(format.Thousands(f.Step), func(c findings.Claim) api.Number {
			for _, own := range f.Claims {
				if own.ID == c.ID {
					return own.Value
				}
			}
			return 0
		})
	}
	row("borne out by", func(c findings.Claim) api.Number { return c.Threshold })
	b.WriteString("\n")
	return b.String()
}
