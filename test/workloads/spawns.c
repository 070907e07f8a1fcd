/*
 * Processes that live for microseconds, one after the other, as fast as it goes.
 * usage: spawns SECONDS
 * Prints {"pid","count","seconds"}.
 */
#include <sys/wait.h>

#include "workload.h"

static void spawn(void)
{
	pid_t pid = vfork();

	if (pid == 0)
		_exit(0);
	if (pid < 0 || waitpid(pid, NULL, 0) != pid)
		die("vfork");
}

int main(int argc, char **argv)
{
	double start, seconds = argc > 1 ? atof(argv[1]) : 0;
	unsigned long count = 0;

	if (seconds <= 0)
		return fprintf(stderr, "usage: see spawns.c\n"), 2;
	name_self("w-spawns");
	for (start = now_ms(); now_ms() < start + seconds * 1e3;)
		for (int i = 0; i < 16; i++, count++)
			spawn();
	printf("{\"pid\":%d,\"count\":%lu,\"seconds\":%.3f}\n", getpid(), count, (now_ms() - start) / 1e3);
	stay();
	return 0;
}
