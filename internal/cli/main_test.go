package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"trainer/internal/fault"
)

// asCommand makes the test binary a command that does what the value says.
const asCommand = "CLI_TEST_COMMAND"

func TestMain(m *testing.M) {
	do := os.Getenv(asCommand)
	if do == "" {
		os.Exit(m.Run())
	}
	f, _ := testFlags()
	Main(f, func(ctx context.Context) error {
		switch do {
		case "data":
			return fmt.Errorf("reading: %w", fault.Dataf("bad line"))
		case "fail":
			return errors.New("broken")
		case "save", "hang":
			fmt.Println("ready")
			<-ctx.Done()
			fmt.Println("saving")
			if do == "hang" {
				select {}
			}
			return fault.ErrInterrupted
		}
		return nil
	})
}

// command is a command line of the test binary.
func command(do string, arguments ...string) *exec.Cmd {
	c := exec.Command(os.Args[0], arguments...)
	c.Env = append(os.Environ(), asCommand+"="+do)
	return c
}

func TestErrorsBecomeExitCodes(t *testing.T) {
	for _, test := range []struct {
		do, arguments string
		code          int
		errors        string
	}{
		{"succeed", "", 0, ""},
		{"succeed", "-h", 0, ""},
		{"fail", "", 1, "test: broken\n"},
		{"succeed", "-nope", 2, "test: there is no flag -nope; -h lists them\n"},
		{"data", "", 3, "test: reading: bad line\n"},
	} {
		c := command(test.do, strings.Fields(test.arguments)...)
		var errs strings.Builder
		c.Stderr = &errs
		c.Run()
		if code := c.ProcessState.ExitCode(); code != test.code || errs.String() != test.errors {
			t.Errorf("%s %s: exit code %d with %q, want %d with %q", test.do, test.arguments, code, errs.String(), test.code, test.errors)
		}
	}
}

func TestTheFirstSignalAsksToSaveAndTheSecondEndsAtOnce(t *testing.T) {
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		for _, do := range []string{"save", "hang"} {
			c := command(do)
			out, err := c.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(out)
			for _, want := range []string{"ready", "saving"} {
				if !lines.Scan() || lines.Text() != want {
					t.Fatalf("%s says %q, want %q", do, lines.Text(), want)
				}
				if want == "ready" || do == "hang" {
					c.Process.Signal(signal)
				}
			}
			c.Wait()
			if code := c.ProcessState.ExitCode(); code != fault.ExitInterrupted {
				t.Errorf("%s, %v: exit code %d, want %d", do, signal, code, fault.ExitInterrupted)
			}
		}
	}
}
