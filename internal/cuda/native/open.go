//go:build gpu && cgo && linux && amd64

package native

import (
	"errors"
	"fmt"

	"gorgonia.org/cu"

	"trainer/internal/cuda/driver"
	"trainer/internal/cuda/native/libcuda"
)

// installed is the driver of this machine.
type installed struct{}

// Open finds the installed driver. Its error says why there is none that works.
func Open() (driver.Driver, error) {
	if err := libcuda.Load(); err != nil {
		return nil, explain(err)
	}
	return installed{}, nil
}

// explain says what an error of Load means and what helps.
func explain(err error) error {
	var missing *libcuda.NotFound
	if errors.As(err, &missing) {
		return fmt.Errorf("no NVIDIA driver: %w; install one, or name its library in %s", err, libcuda.FileVariable)
	}
	switch status(err) {
	case 34: // CUDA_ERROR_STUB_LIBRARY
		return fmt.Errorf("the library of the driver is a stand-in that programs are linked with (%w): put the folder of the driver's own "+
			"libcuda.so.1 before the toolkit's in LD_LIBRARY_PATH", err)
	case 100: // CUDA_ERROR_NO_DEVICE
		return fmt.Errorf("the driver finds no GPU (%w): look with nvidia-smi, and at CUDA_VISIBLE_DEVICES", err)
	case 802: // CUDA_ERROR_SYSTEM_NOT_READY
		return fmt.Errorf("the GPUs are not ready (%w): on a machine with NVSwitch, start the service nvidia-fabricmanager", err)
	case 803: // CUDA_ERROR_SYSTEM_DRIVER_MISMATCH
		return fmt.Errorf("driver and kernel module do not match (%w): after an update of the driver, restart the machine; in a container, "+
			"use the driver of the host", err)
	case 804: // CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE
		return fmt.Errorf("the library of the driver is newer than this GPU allows (%w): remove the package cuda-compat, or its folder from "+
			"LD_LIBRARY_PATH", err)
	}
	return fmt.Errorf("the NVIDIA driver does not start (%w): see whether nvidia-smi works", err)
}

func (installed) Version() int { return cu.Version() }

func (installed) Devices() ([]driver.Properties, error) {
	n, err := cu.NumDevices()
	if err != nil {
		return nil, fmt.Errorf("counting GPUs: %w", translate(err))
	}
	all := make([]driver.Properties, n)
	for i := range all {
		gpu, err := cu.GetDevice(i)
		if err == nil {
			all[i], err = properties(gpu)
		}
		if err != nil {
			return nil, fmt.Errorf("GPU %d: %w", i, translate(err))
		}
	}
	return all, nil
}

// properties asks the driver about a device.
func properties(d cu.Device) (driver.Properties, error) {
	const sharedMemoryPerBlockOptin cu.DeviceAttribute = 97 // CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, which cu does not name
	name, err := d.Name()
	if err != nil {
		return driver.Properties{}, err
	}
	memory, err := d.TotalMem()
	if err != nil {
		return driver.Properties{}, err
	}
	p := driver.Properties{Name: name, Memory: int(memory)}
	var major, minor int
	for attribute, value := range map[cu.DeviceAttribute]*int{
		cu.ComputeCapabilityMajor: &major,
		cu.ComputeCapabilityMinor: &minor,
		cu.MultiprocessorCount:    &p.Multiprocessors,
		sharedMemoryPerBlockOptin: &p.SharedMemory,
	} {
		if *value, err = d.Attribute(attribute); err != nil {
			return driver.Properties{}, err
		}
	}
	p.Capability = 10*major + minor
	return p, nil
}
