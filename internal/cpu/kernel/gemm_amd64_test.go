//go:build amd64 && !noasm

package kernel

func init() {
	tilings := map[string]*gemmTiling{"avx2": &gemmTilingAVX2, "avx512": &gemmTilingAVX512}
	for _, s := range native() {
		gemmTilings[s.Name] = tilings[s.Name]
		if s.FastBF16 {
			gemmBF16Tilings["avx512"] = &gemmTilingBF16
		}
	}
}
