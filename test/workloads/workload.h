/* What the load programs share. A program prints its truth as one line of JSON and, where its
 * state must last (objects kept, counters of a living process), stays until its stdin ends. */
#ifndef WORKLOAD_H
#define WORKLOAD_H

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static inline void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static inline double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static inline void pause_ms(double ms)
{
	struct timespec t = { .tv_sec = (time_t)(ms / 1e3) };

	t.tv_nsec = (long)((ms - (double)t.tv_sec * 1e3) * 1e6);
	while (nanosleep(&t, &t) != 0 && errno == EINTR)
		;
}

static inline void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) != 0)
		die("sched_setaffinity");
}

static inline void name_self(const char *name)
{
	prctl(PR_SET_NAME, name);
}

/* Until the other end of stdin is closed. */
static inline void stay(void)
{
	char c;

	fflush(stdout);
	while (read(0, &c, 1) > 0)
		;
}

#endif
