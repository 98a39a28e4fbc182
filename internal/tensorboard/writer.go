// Package tensorboard writes event files, which TensorBoard shows: numbers and texts by step go in, records of Protocol Buffers come out.
// Start at Create. The messages are few and small, so they are encoded by hand: message.go; record.go frames them.
package tensorboard

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"trainer/internal/atomicfile"
)

// Writer appends to an event file. It is for one goroutine. After an error it only repeats that.
type Writer struct {
	path    string
	file    *os.File
	buffer  *bufio.Writer
	summary message
	value   message
	event   message
	record  []byte
}

// Scalar is a number and what it is of. TensorBoard shows tags with a common beginning up to a slash together.
type Scalar struct {
	Tag   string
	Value float64 // written as float32, NaN and infinities too
}

// prefix is what the names of event files begin with; the second at which the file was begun follows.
const prefix = "events.out.tfevents."

// Create begins a new event file in a folder, which is made where it is missing. What older files there tell of steps behind a step,
// TensorBoard forgets, in the way of a program that was started again from a checkpoint of that step.
func Create(dir string, step int) (*Writer, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, explain(dir, err)
	}
	// TensorBoard reads the files by name, so that a new one must come behind the older, whatever the clock says.
	old, err := files(dir)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	second := now.Unix()
	for _, path := range old {
		digits, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(path), prefix), ".")
		if s, err := strconv.ParseInt(digits, 10, 64); err == nil {
			second = max(second, s+1)
		}
	}
	w := &Writer{path: filepath.Join(dir, fmt.Sprintf("%s%010d.trainer", prefix, second))}
	if w.file, err = os.OpenFile(w.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666); err != nil {
		return nil, explain(w.path, err)
	}
	w.buffer = bufio.NewWriterSize(w.file, 1<<16)
	w.event.event(0, now)
	w.event.text(eventFileVersion, "brain.Event:2") // from which on session logs are understood
	err = w.append()
	if len(old) > 0 {
		var log message
		log.varint(sessionLogStatus, sessionStart)
		w.event.event(step+1, now)
		w.event.inner(eventSessionLog, log)
		err = cmp.Or(err, w.append())
	}
	if err = cmp.Or(err, w.Flush()); err != nil {
		return nil, errors.Join(err, w.file.Close())
	}
	return w, nil
}

// files are the paths of the event files of a folder, none where there is no folder.
func files(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("event files: %w", err)
	}
	var paths []string
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), prefix) {
			paths = append(paths, filepath.Join(dir, entry.Name()))
		}
	}
	return paths, nil
}

// Remove removes the event files of a folder, if there is one.
func Remove(dir string) error {
	list, err := files(dir)
	for _, path := range list {
		if removed := os.Remove(path); removed != nil && !errors.Is(removed, fs.ErrNotExist) {
			err = errors.Join(err, fmt.Errorf("an earlier event file: %w", removed))
		}
	}
	return err
}

// Scalars adds numbers of a step. Unless an error occurs it allocates nothing, once it has met the longest list.
func (w *Writer) Scalars(step int, at time.Time, list []Scalar) error {
	w.summary = w.summary[:0]
	for _, s := range list {
		w.value = w.value[:0]
		w.value.text(valueTag, s.Tag)
		w.value.float(valueNumber, float32(s.Value))
		w.summary.inner(summaryValue, w.value)
	}
	w.event.event(step, at)
	w.event.inner(eventSummary, w.summary)
	return w.append()
}

// Text adds a text, in Markdown.
func (w *Writer) Text(step int, at time.Time, tag, markdown string) error {
	w.summary = w.summary[:0]
	w.summary.inner(summaryValue, textValue(tag, markdown))
	w.event.event(step, at)
	w.event.inner(eventSummary, w.summary)
	return w.append()
}

// append adds the event to the file.
func (w *Writer) append() error {
	w.record = appendRecord(w.record[:0], w.event)
	if _, err := w.buffer.Write(w.record); err != nil {
		return explain(w.path, err)
	}
	return nil
}

// Flush lets TensorBoard see what was added.
func (w *Writer) Flush() error {
	if err := w.buffer.Flush(); err != nil {
		return explain(w.path, err)
	}
	return nil
}

// Close flushes and closes the file.
func (w *Writer) Close() error { return cmp.Or(w.Flush(), w.file.Close()) }

func explain(path string, err error) error {
	return atomicfile.Explain(path, "TensorBoard shows what was written before", err)
}
