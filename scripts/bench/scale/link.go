package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// links is two network namespaces of this machine, joined by a pair of virtual Ethernet devices. A token bucket (tc tbf) on each gives the link
// its rate, in each direction. The processor does the work of both ends, and of the network between them, beside training.
type links struct {
	spaces [2]string
	agent  string // what mpirun starts processes of the other host with, in place of ssh
}

// device is the end of the link in both namespaces, and addresses its two addresses.
const device = "veth0"

var addresses = [2]string{"10.99.0.1", "10.99.0.2"}

const network = "10.99.0.0/24"

// newLinks makes the namespaces. Its error says why there are none: the programs ip, tc and mpirun, and the rights of root, are needed.
func newLinks(agent string) (*links, error) {
	for _, name := range []string{"ip", "tc", "mpirun"} {
		if _, err := exec.LookPath(name); err != nil {
			return nil, fmt.Errorf("%w: on Debian, install iproute2 and openmpi-bin", err)
		}
	}
	l := &links{agent: agent}
	for i := range l.spaces {
		l.spaces[i] = fmt.Sprintf("scale-%d-%d", os.Getpid(), i)
	}
	// mpirun gives its agent a host and a command of the shell.
	script := fmt.Sprintf("#!/bin/sh\nshift\nexec ip netns exec %s sh -c \"$*\"\n", l.spaces[1])
	if err := os.WriteFile(agent, []byte(script), 0o700); err != nil {
		return nil, err
	}
	a, b := l.spaces[0], l.spaces[1]
	commands := []string{"ip netns add " + a, "ip netns add " + b,
		fmt.Sprintf("ip link add %s netns %s type veth peer name %s netns %s", device, a, device, b)}
	for i, space := range l.spaces {
		commands = append(commands, fmt.Sprintf("ip -n %s addr add %s/24 dev %s", space, addresses[i], device),
			fmt.Sprintf("ip -n %s link set %s up", space, device), fmt.Sprintf("ip -n %s link set lo up", space))
	}
	if err := shell(commands...); err != nil {
		l.close()
		return nil, err
	}
	if err := l.setRate(gigabit); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// setRate gives the link a rate in bytes a second.
func (l *links) setRate(rate float64) error {
	const burst = 256 << 10 // bytes that may go at once: less would hold the rate down, for the kernel's clock ticks
	for _, space := range l.spaces {
		limit := fmt.Sprintf("ip netns exec %s tc qdisc replace dev %s root tbf rate %.0fbit burst %d latency 20ms", space, device, 8*rate, burst)
		if err := shell(limit); err != nil {
			return err
		}
	}
	return nil
}

// across returns a command of mpirun that starts in the first namespace, with a rank in each, between which there is TCP alone.
func (l *links) across(mpirun []string) []string {
	command := append([]string{"ip", "netns", "exec", l.spaces[0]}, mpirun...)
	return append(command, "--mca", "plm_rsh_agent", l.agent, "--mca", "btl", "tcp,self", "--mca", "pml", "ob1", "--mca", "btl_tcp_if_include", network,
		"--mca", "oob_tcp_if_include", network, "-host", addresses[0]+":1,"+addresses[1]+":1")
}

// close removes the namespaces, and the link with them.
func (l *links) close() {
	for _, space := range l.spaces {
		exec.Command("ip", "netns", "del", space).Run() // what newLinks has not made is not there
	}
}

// shell runs commands without quotes in their words.
func shell(commands ...string) error {
	for _, command := range commands {
		words := strings.Fields(command)
		if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", command, err, bytes.TrimSpace(out))
		}
	}
	return nil
}
