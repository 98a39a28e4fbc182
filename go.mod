module trainer

go 1.26

require (
	gorgonia.org/gorgonia v0.9.18
	gorgonia.org/tensor v0.9.24
)
