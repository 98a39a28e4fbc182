package ptx

import (
	"errors"
	"testing"
)

// A race, an access out of bounds and a read of what was never written, each in a kernel that does nothing else wrong.
const (
	racingText = header + `
.entry k(.param .u64 out)
{
.reg .b64 %rd; .reg .b32 %r;
ld.param.u64 %rd, [out]; mov.u32 %r, %tid.x;
st.global.u32 [%rd], %r;
}`
	strayText = header + `
.entry k(.param .u64 out)
{
.reg .b64 %rd; .reg .b32 %r;
ld.param.u64 %rd, [out]; mov.u32 %r, %tid.x; mad.wide.u32 %rd, %r, 4, %rd;
st.global.u32 [%rd], %r;
}`
	unwrittenText = header + `
.entry k(.param .u64 out)
{
.reg .b64 %rd; .reg .b32 %r;
ld.param.u64 %rd, [out];
ld.global.u32 %r, [%rd];
}`
)

func TestIgnoringRacesLeavesTheOtherChecksOn(t *testing.T) {
	for _, c := range []struct {
		name, text string
		ignored    bool
	}{{"race", racingText, true}, {"out of bounds", strayText, false}, {"never written", unwrittenText, false}} {
		for _, ignore := range []bool{false, true} {
			d := NewDevice(Options{IgnoreRaces: ignore})
			k := must[*Kernel](t)(must[*Module](t)(d.Load("k.ptx", c.text)).Kernel("k"))
			p := must[Address](t)(d.Alloc(4))
			var fault *Fault
			_, err := d.Launch(k, Launch{Block: [3]int{32}, Args: []any{p}})
			if found := errors.As(err, &fault); found == (ignore && c.ignored) {
				t.Errorf("%s, with IgnoreRaces %v: %v", c.name, ignore, err)
			}
		}
	}
}
