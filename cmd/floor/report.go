package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"trainer/internal/atomicfile"
	"trainer/internal/floor"
	"trainer/internal/floor/page"
)

// report writes the page with its data into one file, and says so on info.
func report(ctx context.Context, f *floor.Folder, a *arguments, info io.Writer) error {
	if err := writeReport(ctx, f, a.run, a.report); err != nil {
		return fmt.Errorf("-report: %w", err)
	}
	size := int64(0)
	if stat, err := os.Stat(a.report); err == nil {
		size = stat.Size()
	}
	fmt.Fprintf(info, "%s shows %s in any browser, offline: %d KB\n", a.report, a.run, size/1000)
	return nil
}

// writeReport writes a report of a run to a path.
func writeReport(ctx context.Context, f *floor.Folder, dir, path string) error {
	beside, err := floor.OpenRuns(dir)
	if err != nil {
		return err
	}
	defer beside.Close()
	d, err := floor.Gather(ctx, f, beside)
	if err != nil {
		return err
	}
	return atomicfile.Write(path, func(w io.Writer) error { return floor.WriteReport(w, d, page.Files) })
}
