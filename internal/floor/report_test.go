package floor

import (
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"trainer/internal/floor/api"
)

func TestAReportHasThePageAndItsDataInOneDocument(t *testing.T) {
	run, f, _ := ended(t, 6)
	beside, err := OpenRuns(run.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer beside.Close()
	d, err := Gather(t.Context(), f, beside)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Traces) != 2 || d.Example == nil || len(d.Metrics["sums"].Steps) != 6 {
		t.Errorf("the data has %d traces, the example %v and %d steps", len(d.Traces), d.Example, len(d.Metrics["sums"].Steps))
	}
	d.Run.Data = "</script><script>alert(1)</script>"
	files := fstest.MapFS{
		"index.html": {Data: []byte(`<head><link rel="stylesheet" href="style.css"><link rel="icon" href="icon.svg" type="image/svg+xml">
<script type="module" src="main.js"></script>
<link rel="modulepreload" href="main.js">
</head>`)},
		"style.css": {Data: []byte("p { color: red }")}, "icon.svg": {Data: []byte("<svg/>")},
		"main.js": {Data: []byte("import { x } from \"./other.js\";\nimport {\n  y,\n} from \"./other.js\";\nimport(\"./other.js\");\n")}, "other.js": {Data: []byte("export const x = 1, y = 2;")},
	}
	var text strings.Builder
	if err := WriteReport(&text, d, files); err != nil {
		t.Fatal(err)
	}
	got := text.String()
	if strings.Contains(got, "alert(1)</script>") {
		t.Error("the data ends the script around it")
	}
	for _, elsewhere := range []string{`src="`, `href="style`, `href="icon`, `href="main`} {
		if strings.Contains(got, elsewhere) {
			t.Errorf("the report loads something: %s", elsewhere)
		}
	}
	data := regexp.MustCompile(`(?s)<script type="application/json" id="document">(.*?)</script>`).FindStringSubmatch(got)
	var read api.Document
	if data == nil || json.Unmarshal([]byte(data[1]), &read) != nil || read.Run.Name != "sums" || len(read.Traces) != 2 || read.Run.Data != d.Run.Data {
		t.Errorf("the data is %.200q", data)
	}
	var modules struct{ Imports map[string]string }
	found := regexp.MustCompile(`<script type="importmap">(.*?)</script>`).FindStringSubmatch(got)
	if found == nil || json.Unmarshal([]byte(found[1]), &modules) != nil || !strings.Contains(got, `import "floor/main.js";`) {
		t.Fatalf("the modules are %q", found)
	}
	_, encoded, _ := strings.Cut(modules.Imports["floor/main.js"], ",")
	source, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || strings.Contains(string(source), `"./`) || strings.Count(string(source), `from "floor/other.js"`) != 2 ||
		!strings.Contains(string(source), `import("floor/other.js")`) {
		t.Errorf("a module is %q (%v)", source, err)
	}
	if _, ok := modules.Imports["floor/other.js"]; !ok {
		t.Error("a module is missing")
	}
}

func TestSpreadHasTheEndsOfAList(t *testing.T) {
	for n, want := range map[int]string{2: "ag", 3: "adg", 4: "aceg", 7: "abcdefg", 9: "abcdefg"} {
		if got := string(spread([]byte("abcdefg"), n)); got != want {
			t.Errorf("%d of them are %s, want %s", n, got, want)
		}
	}
}
