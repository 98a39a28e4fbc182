//go:build mpi && linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"trainer/train"
)

// group is a running mpirun of the command.
type group struct {
	t      testing.TB
	dir    string
	cmd    *exec.Cmd
	output bytes.Buffer // of all ranks and of mpirun
}

// mpirun starts ranks of the command in a folder: as many as each list of flags says by its first element.
func mpirun(t testing.TB, dir string, parts ...[]string) *group {
	t.Helper()
	path, err := exec.LookPath("mpirun")
	if err != nil {
		t.Skip("no mpirun: on Debian, apt-get install openmpi-bin")
	}
	arguments := []string{"--oversubscribe", "--bind-to", "none"}
	for i, part := range parts {
		if i > 0 {
			arguments = append(arguments, ":")
		}
		arguments = append(append(arguments, "-n", part[0], os.Args[0]), part[1:]...)
	}
	g := &group{t: t, dir: dir, cmd: exec.Command(path, arguments...)}
	g.cmd.Dir = dir
	g.cmd.Env = append(os.Environ(), asCommand+"=1", "OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1")
	g.cmd.Stdout, g.cmd.Stderr = &g.output, &g.output
	if err := g.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		g.cmd.Process.Signal(syscall.SIGTERM) // which ends the ranks too
		g.cmd.Wait()
	})
	return g
}

// ranks are as many ranks with the same flags.
func ranks(n int, flags ...string) []string { return append([]string{strconv.Itoa(n)}, flags...) }

// end waits for the end, and returns the exit code, the lines that the command itself has written to its error output, and how long it took.
func (g *group) end(limit time.Duration) (code int, errors []string, took time.Duration) {
	g.t.Helper()
	begun := time.Now()
	late := time.AfterFunc(limit, func() {
		g.t.Errorf("the ranks have not ended in %v", limit)
		g.cmd.Process.Signal(syscall.SIGTERM)
	})
	defer late.Stop()
	g.cmd.Wait()
	for line := range strings.Lines(g.output.String()) {
		if strings.HasPrefix(line, "train: ") {
			errors = append(errors, strings.TrimSpace(line))
		}
	}
	return g.cmd.ProcessState.ExitCode(), errors, time.Since(begun)
}

// succeed waits for an end without error.
func (g *group) succeed() {
	g.t.Helper()
	if code, errors, _ := g.end(60 * time.Second); code != 0 || errors != nil {
		g.t.Fatalf("exit code %d: %s", code, &g.output)
	}
}

// process is the process of a rank.
func (g *group) process(rank int) *os.Process {
	g.t.Helper()
	dir, err := filepath.EvalSymlinks(g.dir)
	if err != nil {
		g.t.Fatal(err)
	}
	folders, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		g.t.Fatal(err)
	}
	for _, folder := range folders {
		at, err := os.Readlink(filepath.Join(folder, "cwd"))
		if err != nil || at != dir {
			continue
		}
		variables, err := os.ReadFile(filepath.Join(folder, "environ"))
		if err == nil && bytes.Contains(variables, fmt.Appendf(nil, "OMPI_COMM_WORLD_RANK=%d\x00", rank)) {
			pid, _ := strconv.Atoi(filepath.Base(folder))
			p, err := os.FindProcess(pid)
			if err != nil {
				g.t.Fatal(err)
			}
			return p
		}
	}
	g.t.Fatalf("no process of rank %d: %s", rank, &g.output)
	return nil
}

// awaitSteps waits until a checkpoint of step 10 or later is in the folder run.
func (g *group) awaitSteps() {
	g.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if s, err := train.ReadState(filepath.Join(g.dir, "run", train.StateFile)); err == nil && s != nil && s.Step >= 10 {
			return
		}
	}
	g.t.Fatalf("no checkpoint: %s", &g.output)
}

// endless are the flags of a run that goes on until something happens.
func endless(more ...string) []string {
	return append([]string{"-data", "sums.txt", "-out", "run", "-layers", "1", "-d-model", "8", "-heads", "2", "-batch", "8", "-threads", "1",
		"-steps", "10000000", "-quiet", "-save-every", "10"}, more...)
}

// resumes holds that the last checkpoint is whole: one process goes on from it.
func resumes(t *testing.T, dir string) {
	t.Helper()
	s, err := train.ReadState(filepath.Join(dir, "run", train.StateFile))
	if err != nil {
		t.Fatal(err)
	}
	succeed(t, dir, "-resume", "-out", "run", "-quiet", "-steps", strconv.Itoa(s.Step+2))
}

func TestProcessesOfMPITrainToTheBitsOfOneWithAsManyThreads(t *testing.T) {
	t.Parallel()
	flags := []string{"-steps", "60", "-evaluate-every", "20", "-save-every", "25", "-keep-best", "-d-model", "64"}
	for _, n := range []int{2, 3} {
		together, alone := workplace(t), workplace(t)
		mpirun(t, together, ranks(n, small(flags...)...)).succeed()
		succeed(t, alone, small(append(flags, "-threads", strconv.Itoa(n))...)...)
		got, want := contents(t, together), contents(t, alone)
		for _, name := range []string{"run/model.safetensors", "run/tokenizer.json", "run/config.json"} {
			if got[name] == "" || got[name] != want[name] {
				t.Errorf("%d processes: %s differs from that of one process", n, name)
			}
		}
		checkSteps(t, filepath.Join(together, "run"), 60)
	}
}

func TestARunOfSeveralProcessesGoesOnInAnotherNumberOfThem(t *testing.T) {
	t.Parallel()
	dir, alone := workplace(t), workplace(t)
	flags := []string{"-task", "text", "-context", "16", "-steps", "40", "-save-every", "7"}
	succeed(t, alone, small(append(flags, "-threads", "3")...)...)
	for _, stage := range []struct {
		n     int
		flags []string
	}{
		{3, small(append(flags, "-stop-after", "9")...)},
		{1, []string{"-resume", "-out", "run", "-quiet", "-threads", "3", "-stop-after", "21"}},
		{3, []string{"-resume", "-out", "run", "-quiet", "-threads", "1"}},
	} {
		if code, _, _ := mpirun(t, dir, ranks(stage.n, stage.flags...)).end(60 * time.Second); code != 0 && code != 130 {
			t.Fatalf("%d processes end with code %d", stage.n, code)
		}
	}
	name := "run/model.safetensors"
	if contents(t, dir)[name] != contents(t, alone)[name] {
		t.Error("the model of a run in 3, 1 and 3 processes differs from that of one process with 3 threads")
	}
}

func TestWhatMustBeTheSameIsNamedWithTheRankWhereItDiffers(t *testing.T) {
	t.Parallel()
	dir := workplace(t, "other.txt", strings.Replace(sums(), "one plus one equals two", "one plus two equals three", 1))
	for _, test := range []struct {
		first, second []string
		code          int
		says          string
	}{
		{small("-lr", "0.001"), small("-lr", "0.002"), 2, "train: -lr is 0.002 on rank 1 of 2, and 0.001 on rank 0: expected the same on all"},
		{small(), small("-data", "other.txt"), 3, "train: the fingerprint of the training data is "},
		{small(), small("-data", "none.txt"), 3, "train: rank 1 of 2: -data: open none.txt: no such file or directory"},
		{small("-layers", "0"), small("-layers", "0"), 2, "train: -layers 0: expected"},
		{small("-batch", "1"), small("-batch", "1"), 2, "train: -batch 1: expected at least 2"},
		{small("-resume", "-overwrite"), small("-resume", "-overwrite"), 2, "train: -resume and -overwrite"},
		{small("-no-flag"), small("-no-flag"), 2, "train: there is no flag -no-flag"},
	} {
		code, errors, _ := mpirun(t, dir, ranks(1, test.first...), ranks(1, test.second...)).end(30 * time.Second)
		if code != test.code || len(errors) != 1 || !strings.HasPrefix(errors[0], test.says) {
			t.Errorf("%v and %v: exit code %d, %q; want code %d and one line %q", test.first, test.second, code, errors, test.code, test.says)
		}
	}
}

func TestAnUnfinishedRunIsNotReplacedByOneOfSeveralProcesses(t *testing.T) {
	t.Parallel()
	dir := stopped(t)
	code, errors, _ := mpirun(t, dir, ranks(2, small()...)).end(30 * time.Second)
	if code != 2 || len(errors) != 1 || !strings.Contains(errors[0], "run holds an unfinished run") {
		t.Errorf("exit code %d, %q", code, errors)
	}
}

func TestASignalToAnyRankSavesAndEndsAll(t *testing.T) {
	t.Parallel()
	for rank := range 2 {
		dir := workplace(t)
		g := mpirun(t, dir, ranks(2, endless()...))
		g.awaitSteps()
		g.process(rank).Signal(syscall.SIGTERM)
		code, errors, _ := g.end(20 * time.Second)
		if code != 130 || len(errors) != 1 || !strings.HasPrefix(errors[0], "train: interrupted at step ") {
			t.Errorf("rank %d: exit code %d, %q", rank, code, errors)
		}
		resumes(t, dir)
	}
}

func TestAStoppedRankEndsAllInTime(t *testing.T) {
	t.Parallel()
	for rank := range 3 {
		dir := workplace(t)
		g := mpirun(t, dir, ranks(3, endless("-rank-timeout", "2")...))
		g.awaitSteps()
		g.process(rank).Signal(syscall.SIGSTOP)
		code, errors, took := g.end(20 * time.Second)
		if code != 1 || len(errors) != 1 || !strings.Contains(errors[0], fmt.Sprintf("rank %d, process ", rank)) ||
			!strings.Contains(errors[0], "has not been heard of for 2s") {
			t.Errorf("rank %d: exit code %d, %q", rank, code, errors)
		}
		if took < 1500*time.Millisecond || took > 10*time.Second {
			t.Errorf("rank %d: all have ended after %v, expected about 2 s", rank, took)
		}
		resumes(t, dir)
	}
}

func TestAPauseOfAllRanksEndsNone(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	g := mpirun(t, dir, ranks(2, endless("-rank-timeout", "2")...))
	g.awaitSteps()
	both := []*os.Process{g.process(0), g.process(1)}
	for _, p := range both {
		p.Signal(syscall.SIGSTOP)
	}
	time.Sleep(4 * time.Second)
	for _, p := range both {
		p.Signal(syscall.SIGCONT)
	}
	time.Sleep(time.Second)
	both[0].Signal(syscall.SIGTERM)
	if code, errors, _ := g.end(20 * time.Second); code != 130 {
		t.Errorf("exit code %d, %q", code, errors)
	}
}

func TestAKilledRankEndsAll(t *testing.T) {
	t.Parallel()
	for rank := range 2 {
		dir := workplace(t)
		g := mpirun(t, dir, ranks(2, endless()...))
		g.awaitSteps()
		g.process(rank).Kill()
		code, _, _ := g.end(20 * time.Second)
		text := strings.Join(strings.Fields(g.output.String()), " ")
		if code == 0 || !strings.Contains(text, fmt.Sprintf("process rank %d with PID", rank)) || !strings.Contains(text, "signal 9 (Killed)") {
			t.Errorf("rank %d: exit code %d: %s", rank, code, text)
		}
		resumes(t, dir)
	}
}

func TestAFullDiskOfRankZeroEndsAll(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	folder := filepath.Join(dir, "run")
	if err := os.Mkdir(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	mount(t, folder, "size=160k")
	code, errors, _ := mpirun(t, dir, ranks(2, endless()...)).end(60 * time.Second)
	if code != 1 || len(errors) != 1 || !strings.HasPrefix(errors[0], "train: rank 0 of 2: ") || !strings.Contains(errors[0], "the disk is full") {
		t.Errorf("exit code %d, %q", code, errors)
	}
	remount(t, folder, 0, "size=10m")
	resumes(t, dir)
}
