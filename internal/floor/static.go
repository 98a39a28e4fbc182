package floor

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"time"

	"trainer/internal/web"
)

// Types of the page's files, by extension. Those of the machine may be wrong, and browsers run no script of another type.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
}

// tokenPlace is where the page's document has the token for requests that change something; it is empty in the file.
const tokenPlace = `<meta name="floor-token" content="">`

// static serves the files of the page, from memory.
type static map[string]staticFile

type staticFile struct {
	kind, tag string
	content   []byte
}

// newStatic reads all files, and puts a token into index.html.
func newStatic(files fs.FS, token web.Token) (static, error) {
	s := make(static)
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		kind := contentTypes[path.Ext(name)]
		if err != nil || entry.IsDir() || kind == "" {
			return err
		}
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		if name == "index.html" {
			if !bytes.Contains(content, []byte(tokenPlace)) {
				return fmt.Errorf("%s has no place for the token: expected %s", name, tokenPlace)
			}
			filled := fmt.Sprintf("%s%s\">", tokenPlace[:len(tokenPlace)-len(`">`)], token)
			content = bytes.Replace(content, []byte(tokenPlace), []byte(filled), 1)
		}
		sum := sha256.Sum256(content)
		s["/"+name] = staticFile{kind, `"` + hex.EncodeToString(sum[:8]) + `"`, content}
		return nil
	})
	s["/"] = s["/index.html"]
	return s, err
}

// ServeHTTP implements http.Handler. Browsers keep a file, and ask whether it is still the same.
func (s static) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "expected GET", http.StatusMethodNotAllowed)
		return
	}
	file, ok := s[r.URL.Path]
	if !ok {
		http.Error(w, "there is no such page", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", file.kind)
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("ETag", file.tag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file.content))
}
