package memory

import (
	"bufio"
	"bytes"
	"io/fs"
	"math"
	"os"
	"path"
	"strconv"
	"strings"
)

// Available is how many bytes can be taken without swapping: the least of what the machine has and what the control groups of this process,
// such as a container's, allow. known is false where the system does not tell.
func Available() (bytes int, known bool) { return available(os.DirFS("/")) }

// available reads proc and sys of a filesystem.
func available(root fs.FS) (bytes int, known bool) {
	machine, known := field(root, "proc/meminfo", "MemAvailable:")
	if !known {
		return 0, false
	}
	free := machine << 10
	groups, _ := fs.ReadFile(root, "proc/self/cgroup")
	for line := range strings.Lines(string(groups)) {
		part := strings.SplitN(strings.TrimSpace(line), ":", 3) // hierarchy:controllers:path
		if len(part) < 3 {
			continue
		}
		for _, v := range versions {
			if v.controllers == part[1] {
				free = min(free, v.free(root, part[2]))
			}
		}
	}
	return max(0, free), true
}

// version is how one of the two versions of control groups names things.
type version struct{ controllers, root, limit, usage, reclaimable string }

var versions = []version{
	{"", "sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"},
	{"memory", "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"},
}

// free is the least that a group and those above it allow. Files that are cached count as used there, but give way.
func (v version) free(root fs.FS, group string) int {
	free := math.MaxInt
	for {
		dir := path.Join(v.root, group)
		limit, limited := number(root, path.Join(dir, v.limit))
		usage, used := number(root, path.Join(dir, v.usage))
		if limited && used {
			cached, _ := field(root, path.Join(dir, "memory.stat"), v.reclaimable)
			free = min(free, limit-usage+cached)
		}
		if group == "/" || group == "." {
			return free
		}
		group = path.Dir(group)
	}
}

// number is that of a file with nothing else. A limit that is none is "max".
func number(root fs.FS, name string) (n int, ok bool) {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, false
	}
	n, err = strconv.Atoi(strings.TrimSpace(string(text)))
	return n, err == nil
}

// field is the number behind a name in a file of lines that begin with one.
func field(root fs.FS, file, name string) (n int, ok bool) {
	text, err := fs.ReadFile(root, file)
	if err != nil {
		return 0, false
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if part := strings.Fields(lines.Text()); len(part) > 1 && part[0] == name {
			n, err := strconv.Atoi(part[1])
			return n, err == nil
		}
	}
	return 0, false
}
