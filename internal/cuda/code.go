package cuda

import (
	"fmt"

	"trainer/internal/cuda/driver"
	"trainer/internal/cuda/kernels"
)

// code is the machine code of the kernels: each source is loaded once, each kernel is looked up once.
type code struct {
	device  driver.Device
	modules map[string]driver.Module
	kernels map[kernelKey]driver.Kernel
}

type kernelKey struct {
	source, kernel string
	shared         int
}

func newCode(d driver.Device) *code {
	return &code{device: d, modules: make(map[string]driver.Module), kernels: make(map[kernelKey]driver.Kernel)}
}

// kernel returns the kernel of a launch.
func (c *code) kernel(l kernels.Launch) (driver.Kernel, error) {
	key := kernelKey{l.Source, l.Kernel, l.Shared}
	if k := c.kernels[key]; k != nil {
		return k, nil
	}
	m, err := c.module(l.Source)
	if err != nil {
		return nil, err
	}
	k, err := m.Kernel(l.Kernel, l.Shared)
	if err != nil {
		return nil, fmt.Errorf("kernel %s of %s: %w", l.Kernel, l.Source, err)
	}
	c.kernels[key] = k
	return k, nil
}

// module loads the machine code of a source, or its PTX, which the driver compiles.
func (c *code) module(source string) (driver.Module, error) {
	if m := c.modules[source]; m != nil {
		return m, nil
	}
	properties := c.device.Properties()
	image := kernels.Cubin(source, properties.Capability)
	if image == nil || properties.PTXOnly {
		image = []byte(kernels.PTX(source))
	}
	m, err := c.device.Load(source, image)
	if err != nil {
		return nil, fmt.Errorf("loading the kernels of %s: %w", source, err)
	}
	c.modules[source] = m
	return m, nil
}
