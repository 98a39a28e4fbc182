package cuda

import (
	"errors"
	"fmt"

	"trainer/internal/cuda/driver"
)

// library is the vendor's matrix products, each shape prepared once.
type library struct {
	products  driver.MatMul
	plans     map[driver.Product]driver.MatMulPlan // nil for what the library has not got
	workspace driver.Pointer                       // of any product: they run one after the other
	room      int                                  // bytes there
}

// workspaceSize is what NVIDIA recommends (cuBLAS documentation, cublasSetWorkspace): 32 MiB for compute capability 9.0, 4 MiB before.
func workspaceSize(capability int) int {
	if capability >= 90 {
		return 32 << 20
	}
	return 4 << 20
}

// newLibrary returns an error where there is no library.
func newLibrary(d driver.Device) (*library, error) {
	products, err := d.MatMul()
	if err != nil {
		return nil, fmt.Errorf("matrix products: %w", err)
	}
	l := &library{products: products, plans: make(map[driver.Product]driver.MatMulPlan), room: workspaceSize(d.Properties().Capability)}
	if l.workspace, err = d.Allocate(l.room); err != nil {
		return nil, fmt.Errorf("room for matrix products: %w", err)
	}
	return l, nil
}

// plan returns the prepared product, nil where the library has none like it.
func (l *library) plan(p driver.Product) (driver.MatMulPlan, error) {
	if plan, ok := l.plans[p]; ok {
		return plan, nil
	}
	plan, err := l.products.Plan(p, l.room)
	if err != nil && !errors.Is(err, driver.ErrUnsupported) {
		return nil, fmt.Errorf("%s: a product of %d x %d x %d: %w", l.products.Name(), p.M, p.N, p.K, err)
	}
	if err != nil {
		plan = nil
	}
	l.plans[p] = plan
	return plan, nil
}
