package memory

import "syscall"

// total is the size of the machine's memory in bytes, swap included, or 0 where it is not known. It may be more than a container allows.
func total() uint64 {
	var info syscall.Sysinfo_t
	if syscall.Sysinfo(&info) != nil {
		return 0
	}
	return (uint64(info.Totalram) + uint64(info.Totalswap)) * uint64(info.Unit)
}
