package atomicfile

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// saverFolder names, in the environment of a child process of a test, the folder into which it saves until it is killed.
const saverFolder = "ATOMICFILE_TEST_SAVER_FOLDER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(saverFolder); dir != "" {
		fmt.Println(saveForever(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

var saved = []string{"a", "b", "c"}

// saveForever saves version after version; all files of one have the same content.
func saveForever(dir string) error {
	for version := 0; ; version++ {
		g, err := Begin(dir)
		if err != nil {
			return err
		}
		for _, name := range saved {
			content := bytes.Repeat(fmt.Appendf(nil, "%08d", version), 1000)
			if err := g.Write(name, func(w io.Writer) error { _, err := w.Write(content); return err }); err != nil {
				return err
			}
		}
		if err := g.Commit(); err != nil {
			return err
		}
	}
}

func TestKilledProcessLeavesFilesOfOneVersion(t *testing.T) {
	dir := t.TempDir()
	for i := range 8 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), saverFolder+"="+dir)
		var output bytes.Buffer
		child.Stdout = &output
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		// The first save has to happen; after that any moment will do.
		deadline := time.Now().Add(5 * time.Second)
		for exists := false; !exists && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
			_, err := os.Stat(filepath.Join(dir, saved[len(saved)-1]))
			exists = err == nil
		}
		time.Sleep(time.Duration(10+i) * time.Millisecond)
		child.Process.Kill()
		child.Wait()
		if output.Len() > 0 {
			t.Fatalf("the child failed: %s", &output)
		}
		if err := Recover(dir); err != nil {
			t.Fatal(err)
		}
		var first []byte
		for _, name := range saved {
			content, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if first == nil {
				first = content
			}
			if len(content) != 8000 || !bytes.Equal(content, first) {
				t.Fatalf("file %s has version %.8s (%d bytes), file %s has %.8s", name, content, len(content), saved[0], first)
			}
		}
		if names, err := (disk{}).list(dir); err != nil || len(names) != len(saved) {
			t.Fatalf("the folder has %q, error %v", names, err)
		}
	}
}
