package safetensors

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
)

// metadataKey is the member of the header that is no tensor.
const metadataKey = "__metadata__"

// parseHeader reads the JSON and checks each tensor by itself; the order is that of the text.
func parseHeader(text []byte) (tensors []Info, metadata map[string]string, err error) {
	if len(text) == 0 || text[0] != '{' {
		return nil, nil, errors.New("the header does not begin with '{': not a safetensors file")
	}
	p, err := newParser(text)
	if err != nil {
		return nil, nil, fmt.Errorf("the header is %w", err)
	}
	err = p.object(func(key string) error {
		if key == metadataKey {
			metadata, err = p.texts()
			return err
		}
		info, err := p.info()
		info.Name = key
		tensors = append(tensors, info)
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("the header is wrong: %w", err)
	}
	return tensors, metadata, nil
}

// parser walks JSON by tokens: decoding into maps and structs would hide duplicate keys and nulls.
type parser struct{ *json.Decoder }

// newParser checks the whole first, as a Decoder is lenient about what stands between tokens. The error says what text is not.
func newParser(text []byte) (parser, error) {
	if !utf8.Valid(text) {
		return parser{}, errors.New("not UTF-8")
	}
	if err := json.Unmarshal(text, new(json.RawMessage)); err != nil {
		return parser{}, fmt.Errorf("not JSON: %w", err)
	}
	p := parser{json.NewDecoder(bytes.NewReader(text))}
	p.UseNumber()
	return p, nil
}

// object reads an object; member reads the value of a key.
func (p parser) object(member func(key string) error) error {
	if token, err := p.Token(); err != nil || token != json.Delim('{') {
		return fmt.Errorf("found %v, expected an object", token)
	}
	seen := make(map[string]bool)
	for p.More() {
		token, err := p.Token()
		if err != nil {
			return err
		}
		key := token.(string) // the text is valid JSON
		if seen[key] {
			return fmt.Errorf("%q is there twice", key)
		}
		seen[key] = true
		if err := member(key); err != nil {
			return fmt.Errorf("%q: %w", key, err)
		}
	}
	_, err := p.Token()
	return err
}

func (p parser) text() (string, error) {
	token, err := p.Token()
	text, ok := token.(string)
	if err == nil && !ok {
		err = fmt.Errorf("found %v, expected a string", token)
	}
	return text, err
}

// integers reads an array of integers which are not negative.
func (p parser) integers() ([]int64, error) {
	if token, err := p.Token(); err != nil || token != json.Delim('[') {
		return nil, fmt.Errorf("found %v, expected an array", token)
	}
	integers := []int64{}
	for p.More() {
		token, err := p.Token()
		if err != nil {
			return nil, err
		}
		number, ok := token.(json.Number)
		n, err := strconv.ParseInt(number.String(), 10, 64)
		if !ok || err != nil || n < 0 {
			return nil, fmt.Errorf("found %v, expected an integer from 0 to %d", token, math.MaxInt64)
		}
		integers = append(integers, n)
	}
	_, err := p.Token()
	return integers, err
}

// texts reads an object of strings.
func (p parser) texts() (map[string]string, error) {
	texts := make(map[string]string)
	err := p.object(func(key string) (err error) {
		texts[key], err = p.text()
		return err
	})
	return texts, err
}

// info reads the description of one tensor.
func (p parser) info() (Info, error) {
	var dtype string
	var shape, offsets []int64
	err := p.object(func(key string) (err error) {
		switch key {
		case "dtype":
			dtype, err = p.text()
		case "shape":
			shape, err = p.integers()
		case "data_offsets":
			offsets, err = p.integers()
		default:
			err = errors.New("unknown key, expected dtype, shape and data_offsets")
		}
		return err
	})
	info := Info{DType: DType(dtype), Shape: make([]int, len(shape))}
	switch {
	case err != nil:
		return Info{}, err
	case dtype == "" || shape == nil || offsets == nil:
		return Info{}, errors.New("expected dtype, shape and data_offsets")
	case sizes[info.DType] == 0:
		return Info{}, fmt.Errorf("unknown dtype %q", dtype)
	case len(offsets) != 2 || offsets[0] > offsets[1]:
		return Info{}, fmt.Errorf("data_offsets are %v, expected begin and end", offsets)
	}
	info.begin, info.end = offsets[0], offsets[1]
	for i, n := range shape {
		info.Shape[i] = int(min(n, math.MaxInt))
	}
	n, ok := elements(info.Shape)
	if !ok || n > math.MaxInt64/sizes[info.DType] {
		return Info{}, fmt.Errorf("shape %v is too large", shape)
	}
	if size := n * sizes[info.DType]; size != info.end-info.begin {
		return Info{}, fmt.Errorf("data_offsets %v hold %d bytes, but shape %v of %s takes %d",
			offsets, info.end-info.begin, shape, dtype, size)
	}
	return info, nil
}

// elements is the product of a shape, which is false where it does not fit an int64 or a dimension is negative.
func elements(shape []int) (int64, bool) {
	product := int64(1)
	for _, n := range shape {
		if n < 0 || n > 0 && product > math.MaxInt64/int64(n) {
			return 0, false
		}
		product *= int64(n)
	}
	return product, true
}

// layOut sorts the tensors by their offsets and checks that they fill the data section of that size without gap or overlap.
func layOut(tensors []Info, size int64) error {
	slices.SortFunc(tensors, func(a, b Info) int {
		return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end), cmp.Compare(a.Name, b.Name))
	})
	var end int64
	for _, t := range tensors {
		if t.begin != end {
			return fmt.Errorf("tensor %q begins at byte %d of the data, expected %d, where the one before ends: overlap or gap",
				t.Name, t.begin, end)
		}
		end = t.end
	}
	switch {
	case size < end:
		return fmt.Errorf("the tensors take %d bytes, but only %d follow the header: the file is cut short", end, size)
	case size > end:
		return fmt.Errorf("the tensors take %d bytes, but %d follow the header: expected none after them", end, size)
	}
	return nil
}
