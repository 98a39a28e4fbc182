// Package page is the page of the factory floor: plain HTML, CSS and JavaScript modules that a browser runs as they are, with no build
// step and nothing from elsewhere. What flows in is the JSON of package floor, over HTTP or from a document inside the page (a report);
// what flows out is requests to /api.
//
// Start at index.html and main.js. data.js is the only module that knows where values come from; types.d.ts says what they are, and
// .ci/run checks the modules against it. floor.js, run.js and learned.js are the three tabs; machines.js draws the stages of a model,
// chart.js everything with axes.
package page

import "embed"

// Files are the files of the page, index.html among them, as a server hands them out.
//
//go:embed index.html *.css *.js icon.svg
var Files embed.FS
