// Package arithmetic writes small sums as English words: the calculator's training data. Problems lists every one,
// Problem.Question and Problem.Answer give its text ("two plus three equals", "five"), and Words lists the vocabulary
// that the texts are made of.
package arithmetic

import "fmt"

// MaxOperand is the largest operand of a problem.
const MaxOperand = 99

// maxProduct is the largest product that is asked for, so that operands and products are the same two-digit numbers.
const maxProduct = 99

// Operation is an arithmetic operation, named by the word that stands for it in a question.
type Operation string

// The operations.
const (
	Plus  Operation = "plus"
	Minus Operation = "minus"
	Times Operation = "times"
)

// Operations returns the operations in the order of Problems.
func Operations() []Operation { return []Operation{Plus, Minus, Times} }

// Problem is one question, A Op B.
type Problem struct {
	A, B int
	Op   Operation
}

// Result returns the number that answers the problem.
func (p Problem) Result() int {
	switch p.Op {
	case Plus:
		return p.A + p.B
	case Minus:
		return p.A - p.B
	case Times:
		return p.A * p.B
	}
	panic(fmt.Sprintf("arithmetic: unknown operation %q", p.Op))
}

// Question returns the problem in words, up to and with "equals": "two plus three equals".
func (p Problem) Question() string {
	return Number(p.A) + " " + string(p.Op) + " " + Number(p.B) + " " + Equals
}

// Answer returns the result in words: "five".
func (p Problem) Answer() string { return Number(p.Result()) }

// asked reports whether the problem belongs to the set: its result is neither negative nor, for a product, too large.
func (p Problem) asked() bool {
	result := p.Result()
	return result >= 0 && (p.Op != Times || result <= maxProduct)
}

// Problems returns every problem with operands 0 to MaxOperand, ordered by operation, then A, then B: all 10,000 sums,
// the 5,050 differences that are not negative and the 672 products up to 99, which makes 15,722.
func Problems() []Problem {
	var problems []Problem
	for _, op := range Operations() {
		for a := range MaxOperand + 1 {
			for b := range MaxOperand + 1 {
				if p := (Problem{a, b, op}); p.asked() {
					problems = append(problems, p)
				}
			}
		}
	}
	return problems
}
