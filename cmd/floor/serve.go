package main

import (
	"context"
	"fmt"
	"io"

	"trainer/internal/floor"
	"trainer/internal/floor/page"
	"trainer/internal/web"
)

// serve shows the run until ctx ends, and says on info where.
func serve(ctx context.Context, f *floor.Folder, a *arguments, info io.Writer) error {
	l, err := web.Listen(a.http)
	if err != nil {
		return fmt.Errorf("-http: %w", err)
	}
	s, err := floor.Serve(f, a.run, l, page.Files, nil)
	if err != nil {
		return err
	}
	fmt.Fprintf(info, "Factory floor of %s: %s   Ctrl-C ends it.\n", a.run, s.URL())
	<-ctx.Done()
	return s.Close()
}
