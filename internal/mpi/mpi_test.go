//go:build mpi && linux

package mpi

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"trainer/internal/collective/collectivetest"
	"trainer/internal/fault"
	"trainer/internal/mpi/openmpi"
)

// asRank makes the test binary, in the environment of a process that mpirun starts, a rank that goes through collectivetest.
const asRank = "MPI_TEST_AS_RANK"

func TestMain(m *testing.M) {
	if os.Getenv(asRank) != "" {
		os.Exit(rank())
	}
	os.Exit(m.Run())
}

func rank() int {
	c, err := Join(Options{Timeout: 20 * time.Second, Lost: func(err error) { fmt.Println(err) }})
	if err == nil {
		err = errors.Join(collectivetest.Check(c), c.Close())
	}
	if err != nil {
		fmt.Println(err)
	}
	return fault.ExitCode(err)
}

// mpirun starts ranks of this test, with more variables.
func mpirun(t *testing.T, ranks string, variables ...string) (output string, code int) {
	t.Helper()
	path, err := exec.LookPath("mpirun")
	if err != nil {
		t.Skip("no mpirun: on Debian, apt-get install openmpi-bin")
	}
	c := exec.Command(path, "-n", ranks, "--oversubscribe", "--bind-to", "none", os.Args[0])
	c.Env = append(os.Environ(), asRank+"=1", "OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1")
	c.Env = append(c.Env, variables...)
	text, err := c.CombinedOutput()
	if c.ProcessState == nil {
		t.Fatal(err)
	}
	return string(text), c.ProcessState.ExitCode()
}

func TestOperationsAmongProcesses(t *testing.T) {
	for _, ranks := range []string{"1", "2", "4"} {
		if output, code := mpirun(t, ranks); code != 0 || output != "" {
			t.Errorf("%s ranks: exit code %d: %s", ranks, code, output)
		}
	}
}

// As between machines: shared memory is not used.
func TestOperationsAmongProcessesOverTCP(t *testing.T) {
	if output, code := mpirun(t, "3", "OMPI_MCA_btl=tcp,self"); code != 0 || output != "" {
		t.Errorf("exit code %d: %s", code, output)
	}
}

func TestAMissingLibraryIsNamed(t *testing.T) {
	output, code := mpirun(t, "2", openmpi.FileVariable+"=/nothing.so")
	if code != fault.ExitDevice || !strings.Contains(output, "/nothing.so of Open MPI cannot be used") || !strings.Contains(output, "install Open MPI") {
		t.Errorf("exit code %d: %s", code, output)
	}
}

func TestALauncherOfAnotherMPIIsRefused(t *testing.T) {
	t.Setenv(asRank, "1")
	t.Setenv("PMI_SIZE", "3")
	output, err := exec.Command(os.Args[0]).CombinedOutput()
	if err == nil || !strings.Contains(string(output), "3 processes were started together, but Open MPI knows of 1") {
		t.Errorf("%v: %s", err, output)
	}
}
