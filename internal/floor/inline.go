package floor

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"trainer/internal/floor/api"
)

// WriteReport writes the page with its files and its data as one document, which needs no server and loads nothing: it can be opened from the
// disk, sent and kept. files is the page, as New is given it.
func WriteReport(w io.Writer, d *api.Document, files fs.FS) error {
	index, err := fs.ReadFile(files, "index.html")
	if err != nil {
		return err
	}
	data, err := json.Marshal(d) // which leaves no < in it that could end the script around it
	if err != nil {
		return err
	}
	page, err := inline(string(index), files)
	if err != nil {
		return err
	}
	const end = "</head>"
	head := fmt.Sprintf("<meta http-equiv=\"Content-Security-Policy\" content=\"%s\">\n<script type=\"application/json\" id=\"document\">%s</script>\n",
		reportPolicy, data)
	at := strings.Index(page, end)
	if at < 0 {
		return fmt.Errorf("index.html has no %s: expected the page's document", end)
	}
	_, err = io.WriteString(w, page[:at]+head+page[at:])
	return err
}

// reportPolicy lets a report run what stands in it, and load or send nothing.
const reportPolicy = "default-src 'none'; script-src 'unsafe-inline' data:; style-src 'unsafe-inline'; img-src data: blob:"

// How the page's document refers to its files.
var (
	styleLink  = regexp.MustCompile(`<link rel="stylesheet" href="([^"]+)">`)
	iconLink   = regexp.MustCompile(`<link rel="icon" href="([^"]+)"`)
	otherLink  = regexp.MustCompile(`<link rel="modulepreload"[^>]*>\n?`)
	moduleLink = regexp.MustCompile(`<script type="module" src="([^"]+)"></script>`)
	importFrom = regexp.MustCompile(`(from |import |import\()"\./([^"]+)"`)
)

// modulePrefix begins the names by which modules of a report know each other. A module in a data: URL has no folder in which to find others.
const modulePrefix = "floor/"

// inline puts the files that a document refers to into it: styles as they are, scripts as modules that an import map finds.
func inline(index string, files fs.FS) (string, error) {
	var failed error
	read := func(name string) []byte {
		text, err := fs.ReadFile(files, name)
		if err != nil && failed == nil {
			failed = err
		}
		return text
	}
	index = otherLink.ReplaceAllString(index, "")
	index = replace(styleLink, index, func(name string) string { return "<style>\n" + string(read(name)) + "</style>" })
	index = replace(iconLink, index, func(name string) string {
		return fmt.Sprintf(`<link rel="icon" href="data:%s;base64,%s"`, contentTypes[path.Ext(name)], base64.StdEncoding.EncodeToString(read(name)))
	})
	modules, err := importMap(files)
	if err != nil {
		return "", err
	}
	index = replace(moduleLink, index, func(name string) string {
		return fmt.Sprintf("<script type=\"importmap\">%s</script>\n<script type=\"module\">import %q;</script>", modules, modulePrefix+name)
	})
	return index, failed
}

// replace replaces each match of an expression by what its group, a file's name, becomes.
func replace(e *regexp.Regexp, text string, with func(name string) string) string {
	return e.ReplaceAllStringFunc(text, func(match string) string { return with(e.FindStringSubmatch(match)[1]) })
}

// importMap has all modules of the page, each as a data: URL.
func importMap(files fs.FS) ([]byte, error) {
	names, err := fs.Glob(files, "*.js")
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	imports := make(map[string]string)
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		text = importFrom.ReplaceAll(text, []byte(`$1"`+modulePrefix+`$2"`))
		imports[modulePrefix+name] = "data:text/javascript;base64," + base64.StdEncoding.EncodeToString(bytes.TrimSpace(text))
	}
	return json.Marshal(map[string]any{"imports": imports})
}
