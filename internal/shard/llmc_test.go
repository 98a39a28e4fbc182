package shard

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trainer/internal/fault"
	"trainer/tokenizer"
)

// llmc is a file of llm.c that says it has n tokens.
func llmc(magic, version uint32, n int32, tokens any) []byte {
	var b bytes.Buffer
	head := [256]int32{int32(magic), int32(version), n}
	binary.Write(&b, binary.LittleEndian, head)
	binary.Write(&b, binary.LittleEndian, tokens)
	return b.Bytes()
}

func TestFilesOfLLMCAreReadWhereTheyAreAccepted(t *testing.T) {
	tok := tokenizer.NewBytes()
	folder := t.TempDir()
	for name, content := range map[string][]byte{
		"a_train_000001.bin": llmc(20240520, 1, 3, []uint16{257, 104, 195}),
		"a_train_000002.bin": llmc(20240801, 7, 2, []uint32{169, 257}),
		"readme.txt":         []byte("x"),
	} {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, tok, folder)
	got := make([]int32, s.Len())
	if s.Read(got, 0); !slices.Equal(got, []int32{257, 104, 195, 169, 257}) {
		t.Errorf("the tokens are %d", got)
	}
	if s.Bytes() != 3 || s.Documents() != 2 {
		t.Errorf("%d bytes in %d documents, want 3 in 2: the end of a sequence stands for no text", s.Bytes(), s.Documents())
	}
	_, err := Open([]string{folder}, Options{Tokenizer: tok})
	if want := "a_train_000001.bin is a file of llm.c, which does not say by which tokenizer"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %q", err, want)
	}
}

func TestBadFilesOfLLMCAreRefusedByName(t *testing.T) {
	good := func() []byte { return llmc(20240520, 1, 2, []uint16{1, 2}) }
	for _, c := range []struct {
		content []byte
		want    string
	}{
		{good()[:100], "is cut short: it has 100 bytes, and the header of llm.c alone takes 1024"},
		{good()[:1027], "is cut short: it has 1027 bytes and promises 2 tokens of 2 bytes"},
		{append(good(), 0), "something follows the 2 tokens"},
		{llmc(20240520, 7, 1, []uint16{1}), "has version 7 of llm.c's format 20240520, expected 1"},
		{llmc(20240801, 1, 1, []uint32{1}), "has version 1 of llm.c's format 20240801, expected 7"},
		{llmc(20240522, 1, 1, []uint16{1}), "has questions of llm.c for an evaluation"},
		{llmc(20240520, 1, -1, []uint16{1}), "promises -1 tokens"},
		{llmc(20240520, 1, 0, []uint16{}), "promises 0 tokens"},
		{llmc(20240520, 1, 3, []uint16{1, 258, 2}), "token 2 is 258, expected an id of the tokenizer, 0 to 257"},
		{llmc(20240801, 7, 1, []uint32{1 << 31}), "token 1 is 2147483648, expected an id"},
	} {
		path := filepath.Join(t.TempDir(), "x.bin")
		if err := os.WriteFile(path, c.content, 0o666); err != nil {
			t.Fatal(err)
		}
		_, err := Open([]string{path}, Options{Tokenizer: tokenizer.NewBytes(), Unmarked: true})
		if fault.ExitCode(err) != fault.ExitData || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), path) {
			t.Errorf("error %v, want one that names the file and says %q", err, c.want)
		}
	}
}
