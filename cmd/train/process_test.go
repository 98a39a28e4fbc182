package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os/exec"
	"testing"
	"time"
)

// process is a running command that tells about its run in JSON.
type process struct {
	t      testing.TB
	cmd    *exec.Cmd
	lines  *bufio.Reader
	stderr bytes.Buffer
}

// start starts the command with -json in a folder. It is killed at the end of the test, if it still runs.
func start(t testing.TB, dir string, arguments ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: newCommand(dir, append(arguments, "-json")...)}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.lines = bufio.NewReader(stdout)
	p.cmd.Stderr = &p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.kill() })
	return p
}

// await reads lines up to the next one of a type. It returns false when the process has ended before.
func (p *process) await(kind string) bool {
	p.t.Helper()
	return p.next(kind) != nil
}

// next is the next line of a type, nil when the process has ended before.
func (p *process) next(kind string) object {
	p.t.Helper()
	for {
		text, err := p.lines.ReadBytes('\n')
		if err != nil {
			return nil
		}
		var line object
		if err := json.Unmarshal(text, &line); err != nil {
			p.t.Fatalf("%v: %s", err, text)
		}
		if line["type"] == kind {
			return line
		}
	}
}

// end waits for the end of the process and returns its exit code.
func (p *process) end() int {
	p.t.Helper()
	late := time.AfterFunc(20*time.Second, func() { p.cmd.Process.Kill() })
	defer late.Stop()
	io.Copy(io.Discard, p.lines)
	p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode() // -1 when it was killed
}

// kill ends the process as a power cut would, as far as a process sees.
func (p *process) kill() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}
