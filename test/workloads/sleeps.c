/*
 * Sleeps of known number and length, each followed by one getppid.
 * usage: sleeps COUNT MS
 * Prints {"tid":…,"sleeps":…,"waits_ms":[…]}
 */
#include <sys/syscall.h>

#include "workload.h"

enum { MOST = 1000 };

int main(int argc, char **argv)
{
	int count = argc > 2 ? atoi(argv[1]) : 0;
	double ms = argc > 2 ? atof(argv[2]) : 0;
	struct timespec t = { .tv_nsec = (long)(ms * 1e6) };
	static double waits[MOST];

	if (count < 1 || count > MOST || ms <= 0 || ms >= 1000)
		return fprintf(stderr, "usage: sleeps COUNT MS\n"), 2;
	name_self("w-sleeps");
	for (int i = 0; i < count; i++) {
		double start = now_ms();

		/* clock_nanosleep is what the library makes of nanosleep(). */
		syscall(SYS_nanosleep, &t, NULL);
		waits[i] = now_ms() - start;
		syscall(SYS_getppid);
	}
	printf("{\"tid\":%d,\"sleeps\":%d,\"waits_ms\":[", getpid(), count);
	for (int i = 0; i < count; i++)
		printf("%s%.3f", i > 0 ? "," : "", waits[i]);
	printf("]}\n");
	return 0;
}
