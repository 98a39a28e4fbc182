package train

import (
	"trainer/internal/device"
	"trainer/model"
)

// Open returns an executor of a model on a device by its name, to predict, measure or look into it: "cpu", "cuda", "cuda:1", or "auto" for the
// best there is. It computes in float32, on the CPU with one thread. Close frees the device. A device that there is not is an error of
// class device, another name one of class usage.
func Open(m *model.Model, name string) (*model.Executor, error) {
	const weights = 4 // bytes each
	choice, err := device.Choose(name, weights*len(m.Weights))
	if err != nil {
		return nil, err
	}
	if !device.IsGPU(choice.Name) {
		return model.NewExecutor(m, device.OpenCPU(1, device.Precisions[0], device.Weights[0])), nil
	}
	b, err := device.Open(choice.Name, device.Precisions[0], device.GEMMs[0])
	if err != nil {
		return nil, err
	}
	return model.NewExecutor(m, b), nil
}
