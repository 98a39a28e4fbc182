// Package page is the factory floor's page, as files: no build step, nothing from elsewhere. The server puts a token for requests that
// change something into the document's <meta name="floor-token">.
package page

import "embed"

// Files are the files of the page, index.html first.
//
//go:embed *.html
var Files embed.FS
