package corpus

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"trainer/internal/fault"
)

// File is an input.
type File struct {
	Path     string
	Size     int64 // on the disk, in bytes
	Modified time.Time
	kind     kind
	packing  string // ".gz", ".zst" or ""
}

// kind opens files of one layout.
type kind func(f *File, o Options, from Position) (stream, error)

var kinds = map[string]kind{".txt": openText, ".jsonl": openLines, ".parquet": openRows}

// expected lists the names of files that can be read.
const expected = "expected .txt or .jsonl, also with .gz or .zst behind it, or .parquet"

// kindOf returns the kind and packing of a file by its name.
func kindOf(path string) (k kind, packing string, err error) {
	name := strings.ToLower(filepath.Base(path))
	extension := filepath.Ext(name)
	if extension == ".gz" || extension == ".zst" {
		packing = extension
		extension = filepath.Ext(strings.TrimSuffix(name, packing))
	}
	k = kinds[extension]
	switch {
	case k == nil && extension == "":
		return nil, "", fmt.Errorf("the name has no ending that says what it is: %s", expected)
	case k == nil:
		return nil, "", fmt.Errorf("files of the kind %s cannot be read: %s", extension, expected)
	case packing != "" && extension == ".parquet":
		return nil, "", fmt.Errorf("a Parquet file within %s cannot be read, as it is not read from front to back: unpack it", packing)
	}
	return k, packing, nil
}

func (f *File) open(o Options, from Position) (stream, error) { return f.kind(f, o, from) }

// Find returns the files that paths name, in that order. A folder stands for the files in it and in its folders, in the order
// of their paths; those in it that cannot be read, hidden ones apart, are listed in leftOut. Errors are of class data.
func Find(paths []string) (files []File, leftOut []string, err error) {
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, nil, fault.Dataf("cannot read the text: %w", err)
		}
		if !info.IsDir() {
			f, err := newFile(path, info)
			if err != nil {
				return nil, nil, fault.Dataf("%s: %w", path, err)
			}
			files = append(files, f)
			continue
		}
		before := len(files)
		if files, leftOut, err = walk(path, files, leftOut); err != nil {
			return nil, nil, fault.Dataf("cannot read the text: %w", err)
		}
		if len(files) == before {
			return nil, nil, fault.Dataf("the folder %s has no text in it: %s", path, expected)
		}
	}
	return files, leftOut, nil
}

func newFile(path string, info os.FileInfo) (File, error) {
	k, packing, err := kindOf(path)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("is not an ordinary file: pipes and devices cannot be read")
	}
	return File{Path: path, Size: info.Size(), Modified: info.ModTime(), kind: k, packing: packing}, err
}

// walk appends the files in a folder. Links to files are followed, links to folders are not: they may lead in a circle.
func walk(folder string, files []File, leftOut []string) ([]File, []string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, nil, err
	}
	// By the path, in which the name of a folder ends with a separator, so that the order is that of the paths of the files.
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return strings.Compare(sortName(a), sortName(b)) })
	for _, entry := range entries {
		path := filepath.Join(folder, entry.Name())
		if strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		if entry.IsDir() {
			if files, leftOut, err = walk(path, files, leftOut); err != nil {
				return nil, nil, err
			}
			continue
		}
		info, err := os.Stat(path)
		if err != nil {
			return nil, nil, err
		}
		if f, err := newFile(path, info); err == nil {
			files = append(files, f)
		} else {
			leftOut = append(leftOut, path)
		}
	}
	return files, leftOut, nil
}

func sortName(e os.DirEntry) string {
	if e.IsDir() {
		return e.Name() + "/"
	}
	return e.Name()
}
