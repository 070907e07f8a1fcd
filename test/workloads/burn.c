/*
 * Keeps one CPU busy: in user mode, in the kernel, or half of the time in each.
 * usage: burn CPU user|system|mixed SECONDS
 */
#include "workload.h"

static char buffer[1 << 18];

int main(int argc, char **argv)
{
	const char *mode = argc > 3 ? argv[2] : "";
	int user = strcmp(mode, "system") != 0, system = strcmp(mode, "user") != 0;
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	double end = now_ms() + (argc > 3 ? atof(argv[3]) * 1e3 : 0), slice;
	volatile unsigned long spin = 0;
	struct rusage use;

	if (argc < 4)
		return fprintf(stderr, "usage: burn CPU user|system|mixed SECONDS\n"), 2;
	pin(atoi(argv[1]));
	name_self("w-burn");
	while (now_ms() < end) {
		for (slice = now_ms() + 5; user && now_ms() < slice;)
			for (int i = 0; i < 100000; i++)
				spin++;
		for (slice = now_ms() + 5; system && now_ms() < slice;)
			if (read(zero, buffer, sizeof(buffer)) < 0)
				die("read");
	}
	getrusage(RUSAGE_SELF, &use);
	printf("{\"pid\":%d,\"user_ms\":%.3f,\"system_ms\":%.3f}\n", getpid(),
	       (double)use.ru_utime.tv_sec * 1e3 + (double)use.ru_utime.tv_usec / 1e3,
	       (double)use.ru_stime.tv_sec * 1e3 + (double)use.ru_stime.tv_usec / 1e3);
	return 0;
}
