//go:build !(gpu && cgo && linux && amd64)

package native

import "trainer/internal/cuda/driver"

// Open returns ErrNotBuilt.
func Open() (driver.Driver, error) { return nil, ErrNotBuilt }
