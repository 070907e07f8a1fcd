/*
 * Whether a CPU goes on: a heartbeat every 20 ms on it, before all ordinary tasks.
 * usage: beat CPU MS
 * Prints a line {"from_ms":…,"to_ms":…} for each beat that came more than MS late, CLOCK_MONOTONIC, until it is killed.
 */
#include "workload.h"

int main(int argc, char **argv)
{
	struct sched_param first = { .sched_priority = 10 };
	double before, now, late;

	if (argc != 3)
		return fprintf(stderr, "usage: beat CPU MS\n"), 2;
	pin(atoi(argv[1]));
	late = atof(argv[2]);
	name_self("w-beat");
	if (sched_setscheduler(0, SCHED_FIFO, &first) != 0)
		die("sched_setscheduler");
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (before = now_ms();; before = now) {
		pause_ms(20);
		now = now_ms();
		if (now - before > 20 + late)
			printf("{\"from_ms\":%.3f,\"to_ms\":%.3f}\n", before, now);
	}
}
