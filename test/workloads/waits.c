/*
 * Waits of known length, each measured from inside.
 * usage: waits sleep COUNT MS | disk COUNT MS | stop COUNT MS | starve MS CPU
 *   sleep:  nanosleep (state S), w-sleep
 *   disk:   a vfork parent until its child ends (state D), w-disksleep
 *   stop:   a child stops itself, is continued after MS (state T), w-stopped
 *   starve: w-victim is runnable while w-hog holds its CPU under SCHED_FIFO
 * Prints {"tid":…,"comm":…,"waits_ms":[…],"holding_since_ms":…}: CLOCK_MONOTONIC, ms.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "workload.h"

enum { MAX_WAITS = 1000 };
static double waits[MAX_WAITS];

static void print(pid_t tid, const char *comm, int count)
{
	printf("{\"tid\":%d,\"comm\":\"%s\",\"waits_ms\":[", tid, comm);
	for (int i = 0; i < count; i++)
		printf("%s%.3f", i > 0 ? "," : "", waits[i]);
	printf("]}\n");
}

static void wait_in_vfork(double ms)
{
	struct timespec t = { .tv_sec = (time_t)(ms / 1e3), .tv_nsec = (long)(ms * 1e6) % 1000000000 };
	pid_t child = vfork();

	if (child == 0) {
		nanosleep(&t, NULL);
		_exit(0);
	}
	waitpid(child, NULL, 0);
}

/* The child measures how long it stood still. */
static pid_t stop_child(int count, double ms)
{
	double *shared = mmap(NULL, sizeof(waits), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child = fork();
	int status;

	if (child == 0) {
		name_self("w-stopped");
		for (int i = 0; i < count; i++) {
			double start = now_ms();
			raise(SIGSTOP);
			shared[i] = now_ms() - start;
		}
		stay();
		_exit(0);
	}
	for (int i = 0; i < count; i++) {
		waitpid(child, &status, WUNTRACED);
		pause_ms(ms);
		kill(child, SIGCONT);
	}
	pause_ms(20);
	memcpy(waits, shared, sizeof(waits));
	return child;
}

static void hog(double ms, int cpu)
{
	struct sched_param high = { .sched_priority = 10 };

	pin(cpu);
	name_self("w-hog");
	pause_ms(50);
	if (sched_setscheduler(0, SCHED_FIFO, &high) != 0)
		die("SCHED_FIFO");
	for (double end = now_ms() + ms; now_ms() < end;)
		;
	_exit(0);
}

/* The longest time the spinning victim did not run. */
static void starve(double ms, int cpu)
{
	double last, end, now;

	pin(cpu);
	name_self("w-victim");
	if (fork() == 0)
		hog(ms, cpu);
	for (last = now_ms(), end = last + ms + 300; last < end; last = now)
		if ((now = now_ms()) - last > waits[0])
			waits[0] = now - last;
	wait(NULL);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 3 ? argv[1] : "";
	int count = argc > 3 ? atoi(argv[2]) : 0;
	double ms = argc > 3 ? atof(argv[3]) : 0;

	if (strcmp(mode, "starve") == 0) {
		starve((double)count, (int)ms);
		print(getpid(), "w-victim", 1);
	} else if (count < 1 || count > MAX_WAITS) {
		return fprintf(stderr, "usage: see waits.c\n"), 2;
	} else if (strcmp(mode, "stop") == 0) {
		print(stop_child(count, ms), "w-stopped", count);
	} else {
		int disk = strcmp(mode, "disk") == 0;

		name_self(disk ? "w-disksleep" : "w-sleep");
		for (int i = 0; i < count; i++) {
			double start = now_ms();

			disk ? wait_in_vfork(ms) : pause_ms(ms);
			waits[i] = now_ms() - start;
		}
		print(getpid(), disk ? "w-disksleep" : "w-sleep", count);
	}
	stay();
	return 0;
}
