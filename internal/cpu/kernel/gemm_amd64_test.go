//go:build amd64 && !noasm

package kernel

func gemmTilingNative(name string) *gemmTiling {
	return map[string]*gemmTiling{"avx2": &gemmTilingAVX2, "avx512": &gemmTilingAVX512}[name]
}
