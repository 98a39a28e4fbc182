package native

import "errors"

// ErrNotBuilt says that a program was built without CUDA: without the tag gpu, without cgo, or for another system than Linux on amd64.
var ErrNotBuilt = errors.New("not part of this build")
