package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
)

// launch runs the processes of a series once, over a link where it has one, and returns what rank 0 has measured.
func launch(ctx context.Context, links *links, s *series) (*measured, error) {
	binary, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(s.settings)
	if err != nil {
		return nil, err
	}
	command := []string{binary, rankArgument, string(text)}
	if s.Ranks > 1 {
		mpirun := []string{"mpirun", "--bind-to", "none", "-n", fmt.Sprint(s.Ranks)}
		if os.Getuid() == 0 {
			mpirun = append(mpirun, "--allow-run-as-root")
		}
		if s.rate > 0 {
			if err := links.setRate(s.rate); err != nil {
				return nil, err
			}
			mpirun = links.across(mpirun)
		}
		command = append(mpirun, command...)
	}
	var out, problems bytes.Buffer
	c := exec.CommandContext(ctx, command[0], command[1:]...)
	c.Stdout, c.Stderr = &out, &problems
	if err := c.Run(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, bytes.TrimSpace(problems.Bytes()))
	}
	m := &measured{}
	if err := json.Unmarshal(out.Bytes(), m); err != nil {
		return nil, fmt.Errorf("rank 0 said %q: %w", out.Bytes(), err)
	}
	return m, nil
}
