package memory

import (
	"testing"
	"testing/fstest"
)

func TestAvailableIsTheLeastThatMachineAndContainersAllow(t *testing.T) {
	for name, test := range map[string]struct {
		files map[string]string
		want  int
	}{
		"a machine": {nil, 1000 << 10},
		"a group without a limit": {map[string]string{
			"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "max\n", "sys/fs/cgroup/a/memory.current": "500\n"}, 1000 << 10},
		"a container that sees itself as the root": {map[string]string{
			"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "9000\n", "sys/fs/cgroup/memory.current": "500\n"}, 8500},
		"a group inside of one with less": {map[string]string{
			"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "9000\n", "sys/fs/cgroup/a/b/memory.current": "500\n",
			"sys/fs/cgroup/a/memory.max": "2000\n", "sys/fs/cgroup/a/memory.current": "700\n"}, 1300},
		"a group full of cached files": {map[string]string{
			"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "9000\n", "sys/fs/cgroup/a/memory.current": "9000\n",
			"sys/fs/cgroup/a/memory.stat": "file 8000\ninactive_file 6000\n"}, 6000},
		"a group of the first version": {map[string]string{
			"proc/self/cgroup": "5:cpu,cpuacct:/c\n4:memory:/m\n", "sys/fs/cgroup/memory/m/memory.limit_in_bytes": "3000\n",
			"sys/fs/cgroup/memory/m/memory.usage_in_bytes": "1000\n"}, 2000},
		"a group over its limit": {map[string]string{
			"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "100\n", "sys/fs/cgroup/a/memory.current": "500\n"}, 0},
	} {
		root := fstest.MapFS{"proc/meminfo": {Data: []byte("MemTotal:  5000 kB\nMemAvailable:    1000 kB\n")}}
		for path, text := range test.files {
			root[path] = &fstest.MapFile{Data: []byte(text)}
		}
		if got, known := available(root); got != test.want || !known {
			t.Errorf("%s: %d bytes, %t; want %d", name, got, known, test.want)
		}
	}
	if _, known := available(fstest.MapFS{}); known {
		t.Error("a system that tells nothing is known")
	}
	if n, known := Available(); !known || n <= 0 {
		t.Errorf("this machine: %d bytes, %t", n, known)
	}
}
