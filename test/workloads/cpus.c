/*
 * Tasks that use, share and change CPUs in a known way; named w-cpus.
 * usage: cpus share COUNT MS CPU | move COUNT | hold MS CPU
 *   share: COUNT processes, all busy on one CPU for MS
 *   move:  goes to the other one of CPU 0 and 1 COUNT times, 2 ms on each
 *   hold:  has a CPU for itself under SCHED_FIFO, from before it prints to the end
 * Prints {"pids":[…],"delay_ms":[…],"run_ms":[…]}: the kernel's own sums, /proc/PID/schedstat, when the work is done.
 */
#include <signal.h>
#include <sys/wait.h>

#include "workload.h"

enum { MOST = 16 };

static void busy(double ms)
{
	for (double end = now_ms() + ms; now_ms() < end;)
		;
}

/* What the kernel says of a process that is busy no more but alive. */
static void schedstat(pid_t pid, double *run_ms, double *delay_ms)
{
	char path[64];
	unsigned long long run, delay;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", pid);
	file = fopen(path, "r");
	if (file == NULL || fscanf(file, "%llu %llu", &run, &delay) != 2)
		die(path);
	fclose(file);
	*run_ms = (double)run / 1e6;
	*delay_ms = (double)delay / 1e6;
}

static void list(const char *name, const double *values, int count)
{
	printf(",\"%s\":[", name);
	for (int i = 0; i < count; i++)
		printf("%s%.3f", i > 0 ? "," : "", values[i]);
	printf("]");
}

static void print(const pid_t *pids, int count)
{
	double run[MOST], delay[MOST];

	printf("{\"pids\":[");
	for (int i = 0; i < count; i++) {
		schedstat(pids[i], &run[i], &delay[i]);
		printf("%s%d", i > 0 ? "," : "", pids[i]);
	}
	printf("]");
	list("run_ms", run, count);
	list("delay_ms", delay, count);
	printf("}\n");
}

static void share(int count, double ms, int cpu)
{
	pid_t pids[MOST];

	for (int i = 0; i < count; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			pin(cpu);
			busy(ms);
			raise(SIGSTOP);
			_exit(0);
		}
	}
	for (int i = 0; i < count; i++)
		waitpid(pids[i], NULL, WUNTRACED);
	print(pids, count);
	stay();
	for (int i = 0; i < count; i++)
		kill(pids[i], SIGKILL);
}

static void move(int count)
{
	pid_t self = getpid();

	for (int i = 0; i <= count; i++) {
		pin(i % 2);
		busy(2);
	}
	print(&self, 1);
	stay();
}

static void hold(double ms, int cpu)
{
	struct sched_param high = { .sched_priority = 10 };

	pin(cpu);
	if (sched_setscheduler(0, SCHED_FIFO, &high) != 0)
		die("SCHED_FIFO");
	printf("{\"pids\":[%d]}\n", getpid());
	fflush(stdout);
	busy(ms);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 2 ? argv[1] : "";

	name_self("w-cpus");
	if (strcmp(mode, "share") == 0 && argc > 4 && atoi(argv[2]) <= MOST)
		share(atoi(argv[2]), atof(argv[3]), atoi(argv[4]));
	else if (strcmp(mode, "move") == 0)
		move(atoi(argv[2]));
	else if (strcmp(mode, "hold") == 0 && argc > 3)
		hold(atof(argv[2]), atoi(argv[3]));
	else
		return fprintf(stderr, "usage: see cpus.c\n"), 2;
	return 0;
}
