package ptx

import "fmt"

// Module is loaded PTX: its kernels and its variables in global and constant memory.
type Module struct {
	name      string
	device    *Device
	kernels   map[string]*Kernel
	globals   map[string]*placed
	constants region
}

// Kernel is an entry of a module.
type Kernel struct {
	module  *Module
	program *program
	shared  int // bytes a block may use
}

// Load parses and decodes PTX text; name stands for it in errors. Whatever the emulator does not implement is an error that names
// the line, also in code that would never be executed.
func (d *Device) Load(name, text string) (*Module, error) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	parsed, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	m := &Module{name: name, device: d, kernels: map[string]*Kernel{}, globals: map[string]*placed{}}
	if err := m.placeVariables(parsed); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	programs, err := decode(parsed, m.globals)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	for _, p := range programs {
		m.kernels[p.name] = &Kernel{module: m, program: p, shared: maxShared}
	}
	return m, nil
}

// placeVariables gives the .global and .const variables memory with their initial values, zero where none are given.
func (m *Module) placeVariables(parsed *module) error {
	var constants []byte
	for _, v := range parsed.variables {
		if v.space == shared {
			continue // each kernel places what it uses
		}
		if v.extern {
			return syntaxError(v.line, ".extern variable %s: modules are not linked", v.name)
		}
		if m.globals[v.name] != nil {
			return syntaxError(v.line, "variable %s is already defined", v.name)
		}
		data := v.data
		if data == nil {
			data = make([]byte, v.size)
		}
		p := &placed{variable: v, space: v.space}
		if v.space == constant {
			for len(constants)%v.align != 0 {
				constants = append(constants, 0)
			}
			p.address = uint64(len(constants))
			constants = append(constants, data...)
		} else {
			address, err := m.device.alloc(v.size)
			if err != nil {
				return syntaxError(v.line, "variable %s: %v", v.name, err)
			}
			r, _ := m.device.find(uint64(address))
			copy(r.data, data)
			r.mark(0, v.size)
			p.address = uint64(address)
		}
		m.globals[v.name] = p
	}
	if len(constants) > maxConstant {
		return fmt.Errorf("the .const variables take %d bytes, and constant memory has %d", len(constants), maxConstant)
	}
	m.constants = region{space: constant, data: constants}
	return nil
}

// Global returns the address and size in bytes of a .global variable.
func (m *Module) Global(name string) (Address, int, error) {
	p := m.globals[name]
	if p == nil || p.space != global {
		return 0, 0, fmt.Errorf("%s has no .global variable %q", m.name, name)
	}
	return Address(p.address), p.size, nil
}

// Kernel returns the entry of that name.
func (m *Module) Kernel(name string) (*Kernel, error) {
	k := m.kernels[name]
	if k == nil {
		return nil, fmt.Errorf("%s has no kernel %q", m.name, name)
	}
	return k, nil
}

// Kernels returns all entries, by name.
func (m *Module) Kernels() map[string]*Kernel {
	all := make(map[string]*Kernel, len(m.kernels))
	for name, k := range m.kernels {
		all[name] = k
	}
	return all
}

// Name is the kernel's name in its PTX.
func (k *Kernel) Name() string { return k.program.name }

// ParamBytes returns the size of each parameter, in order.
func (k *Kernel) ParamBytes() []int {
	sizes := make([]int, len(k.program.params))
	for i, p := range k.program.params {
		sizes[i] = p.size
	}
	return sizes
}

// StaticShared is the shared memory, in bytes of a block, that the kernel declares itself.
func (k *Kernel) StaticShared() int { return k.program.shared }

// AllowShared lets a launch use up to bytes of dynamic shared memory, as CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES does.
// Without it, static and dynamic together may be 48 KiB.
func (k *Kernel) AllowShared(bytes int) error {
	total := k.program.shared + bytes
	if bytes < 0 || total > maxSharedOptIn {
		return fmt.Errorf("kernel %s: %d bytes of dynamic and %d of static shared memory: at most %d together are possible",
			k.Name(), bytes, k.program.shared, maxSharedOptIn)
	}
	k.shared = max(maxShared, total)
	return nil
}
