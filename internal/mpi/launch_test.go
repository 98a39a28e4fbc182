package mpi

import "testing"

func TestLaunchersAreKnownByTheirVariables(t *testing.T) {
	for _, test := range []struct {
		set        map[string]string
		rank, size int
		ok         bool
	}{
		{map[string]string{}, 0, 0, false},
		{map[string]string{"OMPI_COMM_WORLD_SIZE": "1", "OMPI_COMM_WORLD_RANK": "0"}, 0, 1, false},
		{map[string]string{"OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "3"}, 3, 4, true},
		{map[string]string{"PMI_SIZE": "2", "PMI_RANK": "1"}, 1, 2, true},
		{map[string]string{"PMIX_RANK": "5", "SLURM_STEP_NUM_TASKS": "8"}, 5, 8, true},
		{map[string]string{"SLURM_STEP_NUM_TASKS": "8"}, 0, 0, false}, // without PMIx each task trains for itself
	} {
		for _, name := range []string{"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "PMI_SIZE", "PMI_RANK", "PMIX_RANK",
			"SLURM_STEP_NUM_TASKS"} {
			t.Setenv(name, test.set[name])
		}
		if rank, size, ok := Launched(); rank != test.rank || size != test.size || ok != test.ok {
			t.Errorf("%v: rank %d of %d, %v; want %d of %d, %v", test.set, rank, size, ok, test.rank, test.size, test.ok)
		}
	}
}
