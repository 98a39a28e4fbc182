package train

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"

	"trainer/internal/atomicfile"
)

// OpenMetrics opens metrics.jsonl to go on behind a step. What it and samples.jsonl hold of later steps, of which no checkpoint was kept, and
// a line that was cut off are dropped. It returns how long the run has taken up to there.
func (f *Folder) OpenMetrics(step int) (seconds float64, err error) {
	path := f.Path(MetricsFile)
	if seconds, err = cutLines(path, step); err != nil {
		return 0, err
	}
	if _, err := cutLines(f.Path(SamplesFile), step-1); err != nil { // those of the step are taken again
		return 0, err
	}
	f.metrics, err = os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0o666)
	f.buffer = bufio.NewWriterSize(f.metrics, 1<<16)
	return seconds, err
}

// cutLines drops the lines of a file behind a step, and returns the seconds of the last one that stays. A file that is missing is made.
func cutLines(path string, step int) (seconds float64, err error) {
	kept, seconds, err := readLines(path, step)
	if err != nil {
		return 0, err
	}
	return seconds, atomicfile.Write(path, func(w io.Writer) error {
		_, err := w.Write(kept)
		return err
	})
}

// readLines returns the lines of a file up to a step, and the seconds of the last of them.
func readLines(path string, step int) (kept []byte, seconds float64, err error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	for len(data) > 0 {
		end := bytes.IndexByte(data, '\n')
		var line struct {
			Step    int
			Seconds float64
		}
		if end < 0 || json.Unmarshal(data[:end], &line) != nil || line.Step > step {
			break
		}
		seconds = max(seconds, line.Seconds)
		kept = append(kept, data[:end+1]...)
		data = data[end+1:]
	}
	return kept, seconds, err
}

// RecentLoss is the mean training loss of the last n steps in metrics.jsonl, of fewer when there are not so many, and 0 of none.
func (f *Folder) RecentLoss(n int) (float64, error) {
	if err := f.buffer.Flush(); err != nil {
		return 0, err
	}
	data, err := os.ReadFile(f.Path(MetricsFile))
	if err != nil {
		return 0, err
	}
	sum, steps := 0.0, 0
	for lines := bytes.Split(data, []byte{'\n'}); len(lines) > 0 && steps < n; lines = lines[:len(lines)-1] {
		var line struct{ Loss *float64 }
		if json.Unmarshal(lines[len(lines)-1], &line) == nil && line.Loss != nil {
			sum, steps = sum+*line.Loss, steps+1
		}
	}
	return sum / float64(max(1, steps)), nil
}

// Log appends a step to metrics.jsonl.
func (f *Folder) Log(m *Metrics) error {
	f.line = append(m.AppendJSON(f.line[:0]), '\n')
	_, err := f.buffer.Write(f.line)
	return f.explain(err)
}

// LogEvaluation appends an evaluation to metrics.jsonl.
func (f *Folder) LogEvaluation(step int, e *Evaluation) error {
	f.line = append(e.appendJSON(f.line[:0], step), '\n')
	_, err := f.buffer.Write(f.line)
	return f.explain(err)
}

// Sample is what a model makes of a prompt at a step: a line of samples.jsonl.
type Sample struct {
	Step   int    `json:"step"`
	Prompt string `json:"prompt"`
	Text   string `json:"text"`
}

// LogSamples appends to samples.jsonl.
func (f *Folder) LogSamples(list []Sample) error {
	var text bytes.Buffer
	lines := json.NewEncoder(&text)
	for _, s := range list {
		if err := lines.Encode(s); err != nil {
			return err
		}
	}
	path := f.Path(SamplesFile)
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o666)
	if err == nil {
		_, err = file.Write(text.Bytes())
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		return metricsError(path, err)
	}
	return nil
}

// flush gives the lines of metrics.jsonl to the operating system.
func (f *Folder) flush() error {
	if f.metrics == nil {
		return nil
	}
	return f.explain(f.buffer.Flush())
}

// syncMetrics brings what was flushed to the disk.
func (f *Folder) syncMetrics() error {
	if f.metrics == nil {
		return nil
	}
	if err := f.metrics.Sync(); err != nil {
		return metricsError(f.metrics.Name(), err)
	}
	return nil
}

// explain words an error of writing metrics.jsonl, which ends the run.
func (f *Folder) explain(err error) error {
	if err == nil {
		return nil
	}
	f.failed = true
	return metricsError(f.metrics.Name(), err)
}

func metricsError(path string, err error) error {
	return atomicfile.Explain(path, "the last checkpoint is kept", err)
}
