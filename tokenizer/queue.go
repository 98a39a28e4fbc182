package tokenizer

// queue is a binary heap: pop returns the first of its elements by their order.
type queue[T interface{ Before(T) bool }] []T

func (q *queue[T]) push(element T) {
	list := append(*q, element)
	i := len(list) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !element.Before(list[parent]) {
			break
		}
		list[i] = list[parent]
		i = parent
	}
	list[i] = element
	*q = list
}

// pop removes and returns the first element. The queue is not empty.
func (q *queue[T]) pop() T {
	list := *q
	first, last := list[0], list[len(list)-1]
	list = list[:len(list)-1]
	for i := 0; len(list) > 0; {
		child := 2*i + 1
		if child+1 < len(list) && list[child+1].Before(list[child]) {
			child++
		}
		if child >= len(list) || !list[child].Before(last) {
			list[i] = last
			break
		}
		list[i] = list[child]
		i = child
	}
	*q = list
	return first
}
