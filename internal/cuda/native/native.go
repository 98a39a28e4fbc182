// Package native drives an NVIDIA GPU: package driver on the CUDA driver, through gorgonia.org/cu.
//
// It is there in builds with the tag gpu on Linux for amd64; in all others Open returns ErrNotBuilt. Such a build needs cuda.h and
// a C compiler, but no GPU, driver or CUDA toolkit: package libcuda finds the driver while the program runs, and package cublaslt the
// library of matrix products, package nccl what connects several GPUs. The environment variables TRAINER_LIBCUDA, TRAINER_LIBCUBLASLT and
// TRAINER_LIBNCCL name other files for them.
//
// The CUDA driver keeps a current context for every thread, while goroutines move between threads. So each call holds its thread, makes
// the device's context current and lets the thread go: see device.enter.
//
// An error of the work on the GPU surfaces in a later call, which knows no kernel. With CUDA_LAUNCH_BLOCKING=1 each launch is waited for,
// so that the kernel is named.
//
// Start at Open, then device and stream.
package native
