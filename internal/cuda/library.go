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
}

// workspaceSize is what NVIDIA recommends for compute capability 9.0 (cuBLAS documentation, cublasSetWorkspace): 32 MiB.
const workspaceSize = 32 << 20

// newLibrary returns an error where there is no library.
func newLibrary(d driver.Device) (*library, error) {
	products, err := d.MatMul()
	if err != nil {
		return nil, fmt.Errorf("matrix products: %w", err)
	}
	l := &library{products: products, plans: make(map[driver.Product]driver.MatMulPlan)}
	l.workspace, err = d.Allocate(workspaceSize)
	return l, err
}

// plan returns the prepared product, nil where the library has none like it.
func (l *library) plan(p driver.Product) (driver.MatMulPlan, error) {
	if plan, ok := l.plans[p]; ok {
		return plan, nil
	}
	plan, err := l.products.Plan(p, workspaceSize)
	if err != nil && !errors.Is(err, driver.ErrUnsupported) {
		return nil, fmt.Errorf("%s: a product of %d x %d x %d: %w", l.products.Name(), p.M, p.N, p.K, err)
	}
	if err != nil {
		plan = nil
	}
	l.plans[p] = plan
	return plan, nil
}
