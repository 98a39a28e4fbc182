package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"trainer/internal/fault"
	"trainer/internal/floor"
)

// browsers are the names of Chromium and those that are made of it, which draw a page without a screen.
var browsers = []string{
	"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge",
	"/Applications/Google Chrome.app/Contents/MacOS/Google Chrome", "/Applications/Chromium.app/Contents/MacOS/Chromium",
}

// views are the tabs of the page, and what their pictures are called.
var views = []string{"floor", "run", "learned"}

// pictureLimit is the time for one picture.
const pictureLimit = time.Minute

// pictures draws each view of a run as a PNG into a folder, and says so on info.
func pictures(ctx context.Context, f *floor.Folder, a *arguments, info io.Writer) error {
	browser, err := findBrowser()
	if err != nil {
		return err
	}
	dir, err := filepath.Abs(a.pictures)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("-png: %w", err)
	}
	work, err := os.MkdirTemp("", "floor")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	report := filepath.Join(work, "report.html")
	if err := writeReport(ctx, f, a.run, report); err != nil {
		return fmt.Errorf("-png: %w", err)
	}
	for _, view := range views {
		path := filepath.Join(dir, view+".png")
		if err := photograph(ctx, browser, work, "file://"+filepath.ToSlash(report)+"#"+view, path); err != nil {
			return fmt.Errorf("-png: %w", err)
		}
		fmt.Fprintln(info, filepath.Join(a.pictures, view+".png"))
	}
	return nil
}

// findBrowser is the path of a browser that can draw.
func findBrowser() (string, error) {
	for _, name := range browsers {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fault.Usagef("-png: there is no Chromium or Chrome to draw with: install one, on Debian with `apt-get install chromium`, " +
		"or open the page of -report in a browser and save its charts there")
}

// photograph has a browser draw a page. Its sandbox needs rights that root and containers do not have, and the page is our own.
func photograph(ctx context.Context, browser, profile, address, path string) error {
	ctx, cancel := context.WithTimeout(ctx, pictureLimit)
	defer cancel()
	c := exec.CommandContext(ctx, browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--user-data-dir="+profile,
		"--window-size=1280,1000", "--force-device-scale-factor=2", "--virtual-time-budget=5000", "--screenshot="+path, address)
	output, err := c.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", browser, err, output)
	}
	if _, err := os.Stat(path); err != nil {
		return errors.New(browser + " has drawn nothing: " + string(output))
	}
	return nil
}
