//go:build !(gpu && cgo && linux && amd64)

package native

import (
	"errors"

	"trainer/internal/cuda/driver"
)

// Open returns an error: this program was built without CUDA.
func Open() (driver.Driver, error) {
	return nil, errors.New("this program was built without CUDA; on Linux for amd64, build it in with: " +
		`eval "$(scripts/cuda-env)" && go build -tags gpu ./cmd/train`)
}
