package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
)

// process is a program that answers requests, each a line of JSON.
type process struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	errors  strings.Builder
}

// startProcess starts a command and reads its first line, which nobody asked for.
func startProcess(command *exec.Cmd, hello any) (*process, error) {
	p := &process{command: command}
	p.command.Stderr = &p.errors
	var err error
	if p.in, err = p.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	if err := p.command.Start(); err != nil {
		return nil, err
	}
	return p, p.read(hello)
}

// ask writes a request and reads its answer.
func (p *process) ask(request, answer any) error {
	line, err := json.Marshal(request)
	if err != nil {
		return err
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		return p.explain(err)
	}
	return p.read(answer)
}

func (p *process) read(answer any) error {
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return p.explain(err)
	}
	return json.Unmarshal(line, answer)
}

// explain replaces an error of the connection by what ended it, the last line that the process printed as an error.
func (p *process) explain(err error) error {
	p.command.Wait()
	lines := strings.Split(strings.TrimSpace(p.errors.String()), "\n")
	if reason := lines[len(lines)-1]; reason != "" {
		return errors.New(reason)
	}
	return err
}

// close ends the process and returns the most memory that it held, in bytes.
func (p *process) close() (memory int64, err error) {
	p.in.Close()
	if p.command.ProcessState == nil {
		err = p.command.Wait()
	}
	return maxResident(p.command.ProcessState), err
}
