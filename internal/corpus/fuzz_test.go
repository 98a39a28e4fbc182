package corpus

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trainer/internal/fault"
)

// FuzzField holds that the text of a field is found where encoding/json finds it, and only there.
func FuzzField(f *testing.F) {
	for _, line := range []string{
		`{"text":"a"}`, `{"x":{"text":1},"text":"\"\\"}`, `{"text":"a","text":"b"}`, `{"t\u0065xt" : "\ud83d\ude42" }`, `{}`, `[]`, `{"text":1e5}`,
		`{"":"","text" :null,"a":[{},[],"]"]}`, "{\"text\":\"\xff\"}", `{"text":"\\\""}`, `"text"`, `{"text":"a"`,
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		line = []byte(strings.TrimSpace(string(line)))
		if len(line) == 0 {
			return
		}
		got, err := fieldOf(line, "text")
		var object map[string]any
		want, ok := "", false
		if json.Unmarshal(line, &object) == nil {
			want, ok = object["text"].(string)
		}
		switch {
		case err == nil && (!ok || got != want):
			t.Errorf("%q has the text %q, want %q (%t)", line, got, want, ok)
		case err != nil && ok && !strings.Contains(err.Error(), "which is UTF-8"):
			t.Errorf("%q: %v, want the text %q", line, err, want)
		}
	})
}

// fuzzFile holds that a file of any content is either read to its end or refused by an error of class data that names it.
func fuzzFile(f *testing.F, name string, seeds ...[]byte) {
	for _, seed := range seeds {
		f.Add(seed)
	}
	path := filepath.Join(f.TempDir(), name)
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(path, content, 0o666); err != nil {
			t.Fatal(err)
		}
		_, _, err := documents([]string{path}, options, Position{})
		if err != nil && (fault.ExitCode(err) != fault.ExitData || !strings.HasPrefix(err.Error(), path)) {
			t.Errorf("%v; want an error of class data that names the file", err)
		}
	})
}

func FuzzParquet(f *testing.F) {
	small := rows(f, "one", "two", "", "four")
	fuzzFile(f, "x.parquet", small, rows(f, "-"), rows(f), small[:len(small)-9], []byte("PAR1"))
}

func FuzzGzip(f *testing.F) {
	packed := gzipped(f, []byte("one two\nthree"))
	fuzzFile(f, "x.txt.gz", packed, packed[:12], append(packed, packed...), []byte("one"), nil)
}

func FuzzZstandard(f *testing.F) {
	packed := zstandard(f, []byte("{\"text\":\"one\"}\n"))
	fuzzFile(f, "x.jsonl.zst", packed, packed[:12], []byte("one"), nil)
}
