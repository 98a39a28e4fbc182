package corpus

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"

	"trainer/internal/fault"
	"trainer/tokenizer"
)

var options = Options{Field: "text", Cut: tokenizer.NewBytes().Cut}

// put writes a file into a folder.
func put(t testing.TB, folder, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

func gzipped(t testing.TB, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(content)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zstandard(t testing.TB, content []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll(content, nil)
}

// row is one of a Parquet file of the tests.
type row struct {
	ID    int64    `parquet:"id"`
	Text  *string  `parquet:"text,optional"`
	Tags  []string `parquet:"tags,list"`
	Inner struct {
		Text string `parquet:"text,zstd"`
	} `parquet:"inner"`
}

// rows is a Parquet file with a few rows in each group and page; "-" stands for null.
func rows(t testing.TB, texts ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[row](&b, parquet.PageBufferSize(64), parquet.MaxRowsPerRowGroup(7))
	for i, text := range texts {
		r := row{ID: int64(i), Text: &text}
		r.Inner.Text = text + "!"
		if text == "-" {
			r.Text = nil
		}
		if _, err := w.Write([]row{r}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// documents reads files to the end, from a position on, and returns the documents, and the positions behind the blocks.
func documents(paths []string, o Options, from Position) (texts []string, positions []Position, err error) {
	files, _, err := Find(paths)
	if err != nil {
		return nil, nil, err
	}
	r := NewReader(files, o, from)
	defer r.Close()
	var text strings.Builder
	for {
		b, err := r.Next()
		if err == io.EOF {
			if text.Len() > 0 { // the beginning of the document lies before the position
				return nil, nil, errors.New("the last document has no end")
			}
			return texts, positions, nil
		}
		if err != nil {
			return texts, positions, err
		}
		positions = append(positions, b.Next)
		err = b.Pieces(func(p Piece) error {
			if p.Text == "" && !p.Ends {
				return fmt.Errorf("an empty piece at %s:%d", p.File, p.At)
			}
			text.WriteString(p.Text)
			if p.Ends {
				whole := text.String()
				if from == (Position{}) && p.Head != whole[:min(len(whole), HeadSize)] {
					return fmt.Errorf("the head of the document before %s:%d is another", p.File, p.At)
				}
				texts = append(texts, whole)
				text.Reset()
			}
			return nil
		})
		if err != nil {
			return texts, positions, err
		}
	}
}

// prose is text of about n bytes, with lines.
func prose(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "line %d of the réport\n", i)
	}
	return b.String()
}

func TestEveryKindOfFileGivesItsDocuments(t *testing.T) {
	folder := t.TempDir()
	long := prose(3 * blockSize)
	lines := "{\"text\":\"one\"}\n\n" +
		"  {\"id\":[1,{\"text\":\"no\"}],\"text\":\"tw\\u006f \\\"\\\\\",\"text2\":3}\r\n{\"t\\u0065xt\":\"日本\",\"x\":\"\\\"}\"}"
	fromLines := []string{"one", `two "\`, "日本"}
	for _, c := range []struct {
		name    string
		content []byte
		want    []string
	}{
		{"a.txt", []byte(long), []string{long}},
		{"A.TXT", []byte("\xff short"), []string{"\xff short"}},
		{"empty.txt", nil, nil},
		{"a.txt.gz", gzipped(t, []byte(long)), []string{long}},
		{"two.txt.gz", append(gzipped(t, []byte("a ")), gzipped(t, []byte("b"))...), []string{"a b"}},
		{"a.txt.zst", zstandard(t, []byte(long)), []string{long}},
		{"empty.txt.gz", gzipped(t, nil), nil},
		{"a.jsonl", []byte(lines), fromLines},
		{"a.jsonl.gz", gzipped(t, []byte(lines)), fromLines},
		{"a.jsonl.zst", zstandard(t, []byte(lines)), fromLines},
		{"a.parquet", rows(t, "one", "", "three"), []string{"one", "", "three"}},
		{"empty.parquet", rows(t), nil},
	} {
		got, _, err := documents([]string{put(t, folder, c.name, c.content)}, options, Position{})
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %d documents, error %v, want %d others", c.name, len(got), err, len(c.want))
		}
	}
	inner := options
	inner.Field = "inner.text"
	got, _, err := documents([]string{filepath.Join(folder, "a.parquet")}, inner, Position{})
	if want := []string{"one!", "!", "three!"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("the inner column gives %q, error %v, want %q", got, err, want)
	}
}

func TestReadingGoesOnBehindAnyBlock(t *testing.T) {
	folder := t.TempDir()
	long := prose(5 * blockSize / 2)
	var lines strings.Builder
	var texts []string
	for i := range 300 {
		fmt.Fprintf(&lines, "{\"text\":\"%d %s\"}\n", i, strings.Repeat("word ", 2000))
		texts = append(texts, strings.Repeat(fmt.Sprint(i, " "), 3_000))
	}
	paths := []string{
		put(t, folder, "a.txt", []byte(long)), put(t, folder, "b.txt.gz", gzipped(t, []byte(long))),
		put(t, folder, "c.jsonl", []byte(lines.String())), put(t, folder, "d.jsonl.zst", zstandard(t, []byte(lines.String()))),
		put(t, folder, "e.parquet", rows(t, texts...)), put(t, folder, "f.txt", []byte("short")),
	}
	whole, positions, err := documents(paths, options, Position{})
	if err != nil || len(whole) != 2+2*300+300+1 {
		t.Fatalf("%d documents, error %v", len(whole), err)
	}
	all := strings.Join(whole, "")
	for _, at := range positions {
		got, rest, err := documents(paths, options, at)
		if err != nil {
			t.Fatalf("from %+v: %v", at, err)
		}
		if text := strings.Join(got, ""); !strings.HasSuffix(all, text) || !slices.Equal(rest, positions[len(positions)-len(rest):]) {
			t.Fatalf("from %+v %d bytes are read that are not those of the end, and %d blocks", at, len(text), len(rest))
		}
	}
	if len(positions) < 16 {
		t.Errorf("only %d positions", len(positions))
	}
}

func TestBlocksSayHowMuchOfTheFilesIsRead(t *testing.T) {
	folder := t.TempDir()
	long := prose(5 * blockSize / 2)
	for _, name := range []string{"a.txt", "b.jsonl", "c.parquet"} {
		content := map[string][]byte{".txt": []byte(long), ".jsonl": []byte("{\"text\":\"a\"}\n"), ".parquet": rows(t, "a", "b")}[filepath.Ext(name)]
		put(t, folder, name, content)
	}
	files, _, err := Find([]string{folder})
	if err != nil {
		t.Fatal(err)
	}
	var size, last int64
	for _, f := range files {
		size += f.Size
	}
	r := NewReader(files, options, Position{})
	for {
		b, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil || b.Consumed <= last || b.Consumed > size {
			t.Fatalf("%d bytes after %d of %d, error %v", b.Consumed, last, size, err)
		}
		last = b.Consumed
	}
	if last != size {
		t.Errorf("%d bytes are read in the end, want %d", last, size)
	}
}

func TestBadInputIsNamedWithItsPlace(t *testing.T) {
	unbroken := strings.Repeat("x", MaxPiece+1)
	packed := gzipped(t, []byte(prose(1<<17)))
	frame := zstandard(t, []byte(prose(1<<17)))
	damaged := func(b []byte, at int) []byte { b = bytes.Clone(b); b[at] ^= 0xff; return b }
	column := rows(t, "one", "two", "-", "four")
	for _, c := range []struct {
		name    string
		content []byte
		want    string
	}{
		{"no.jsonl", []byte("{\"text\":\"a\"}\n{\"text\":\n"), "no.jsonl:2: not JSON: byte 8 of the line: unexpected end"},
		{"two.jsonl", []byte("{\"text\":\"a\"} {}\n"), "two.jsonl:1: not JSON: byte 14 of the line"},
		{"bytes.jsonl", []byte("\n{\"text\":\"a\xff\"}\n"), "bytes.jsonl:2: not JSON, which is UTF-8: byte 11 of the line is 0xff"},
		{"list.jsonl", []byte("[\"text\"]\n"), `list.jsonl:1: found ["text"], expected a JSON object with the field "text"`},
		{"field.jsonl", []byte("{\"Text\":\"a\"}\n"), `field.jsonl:1: the object has no field "text": -field names`},
		{"type.jsonl", []byte("{\"text\":[1]}\n"), `type.jsonl:1: the field "text" is [1], expected text`},
		{"null.jsonl", []byte("{\"text\":null}\n"), `null.jsonl:1: the field "text" is null, expected text`},
		{"long.jsonl", []byte("{\"text\":\"a\"}\n" + unbroken), "long.jsonl: line 2 is longer than 16 MiB"},
		{"long.txt", []byte("a\n" + unbroken), "long.txt: 16 MiB from line 1 on have no space or line end"},
		{"cut.txt.gz", packed[:len(packed)-9], "cut.txt.gz: the packed file is cut short"},
		{"begun.txt.gz", packed[:5], "begun.txt.gz: the packed file is cut short"},
		{"empty.txt.gz", nil, "empty.txt.gz: the packed file is cut short"},
		{"plain.txt.gz", []byte("plain text, not packed"), "plain.txt.gz: the file is not packed as its name says"},
		{"sum.txt.gz", damaged(packed, len(packed)-8), "sum.txt.gz: the packed file is damaged"},
		{"cut.jsonl.zst", frame[:len(frame)-9], "cut.jsonl.zst: the packed file is cut short"},
		{"empty.jsonl.zst", nil, "empty.jsonl.zst: the file is empty"},
		{"plain.txt.zst", []byte("plain text, not packed"), "plain.txt.zst: the file is not packed as its name says"},
		{"sum.txt.zst", damaged(frame, len(frame)-1), "sum.txt.zst: the packed file is damaged"},
		{"null.parquet", column, "null.parquet: row 3 has no text: the column is null"},
		{"cut.parquet", column[:len(column)-9], "cut.parquet: not a Parquet file, or one that is cut short"},
		{"last.parquet", column[:len(column)-1], "last.parquet: not a Parquet file, or "},
		{"letters.parquet", damaged(column, len(column)-1), "letters.parquet: not a Parquet file, or a damaged one: "},
		{"empty.parquet", nil, "empty.parquet: not a Parquet file: it is too short"},
		{"page.parquet", damaged(column, 40), "page.parquet: "},
		{"x.csv", nil, "x.csv: files of the kind .csv cannot be read: expected .txt or .jsonl"},
		{"x.gz", nil, "x.gz: the name has no ending that says what it is"},
		{"x.parquet.gz", nil, "x.parquet.gz: a Parquet file within .gz cannot be read"},
	} {
		path := put(t, t.TempDir(), c.name, c.content)
		_, _, err := documents([]string{path}, options, Position{})
		if want := filepath.Join(filepath.Dir(path), c.want); fault.ExitCode(err) != fault.ExitData || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: error %v, want a data fault that begins with %q", c.name, err, want)
		}
	}
	path := put(t, t.TempDir(), "x.parquet", rows(t, "a"))
	for field, want := range map[string]string{
		"body": `there is no column "body": -field names the one with the text, one of id, text, tags.list.element, inner.text`,
		"id":   `the column "id" is of type INT(64,true), expected text`, "tags.list.element": "has lists, expected text", "inner": "there is no column",
	} {
		_, _, err := documents([]string{path}, Options{Field: field}, Position{})
		if fault.ExitCode(err) != fault.ExitData || !strings.Contains(err.Error(), want) {
			t.Errorf("column %s: error %v, want %q", field, err, want)
		}
	}
}

func TestFoldersAreReadInTheOrderOfPaths(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{"b.txt", "a/z.jsonl", "a/b/c.txt.gz", "a.txt", "notes.md", ".hidden.txt", ".git/x.txt", "d/x.csv", "a-b.txt"} {
		put(t, folder, name, nil)
	}
	if err := os.Symlink(filepath.Join(folder, "b.txt"), filepath.Join(folder, "c.txt")); err != nil {
		t.Fatal(err)
	}
	files, leftOut, err := Find([]string{filepath.Join(folder, "b.txt"), folder})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimPrefix(f.Path, folder+"/"))
	}
	if want := []string{"b.txt", "a-b.txt", "a.txt", "a/b/c.txt.gz", "a/z.jsonl", "b.txt", "c.txt"}; !slices.Equal(names, want) {
		t.Errorf("found %q, want %q", names, want)
	}
	if want := []string{filepath.Join(folder, "d/x.csv"), filepath.Join(folder, "notes.md")}; !slices.Equal(leftOut, want) {
		t.Errorf("left out %q, want %q", leftOut, want)
	}
	for path, want := range map[string]string{
		filepath.Join(folder, "d"): "has no text in it: expected .txt or .jsonl",
		filepath.Join(folder, "e"): "cannot read the text: stat",
		os.DevNull:                 "the name has no ending",
	} {
		if _, _, err := Find([]string{path}); fault.ExitCode(err) != fault.ExitData || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", path, err, want)
		}
	}
}
