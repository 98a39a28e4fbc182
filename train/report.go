package train

import (
	"encoding/binary"
	"math"
)

// What a rank tells the others of a step, in the layout that all groups share: numbers of eight bytes, first what it has found, then what
// its updater adds to it.

// reportHead is how many numbers of a report come ahead of the squares of blocks: those of appendReport.
const reportHead = 5

// appendReport appends what this rank has found in a job, and wishes.
func (j *job) appendReport(b []byte) []byte {
	t := j.total()
	for _, v := range [reportHead]float64{t.loss, float64(t.right), float64(t.of), float64(t.tokens), float64(j.wish)} {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	}
	return b
}

// addReport adds what a rank has found to the first tally, by a function that reads the numbers of its report.
func (j *job) addReport(read func() float64) {
	all := &j.tallies[0]
	all.loss += read()
	all.right += int(read())
	all.of += int(read())
	all.tokens += int(read())
	j.wish |= wish(read())
}
