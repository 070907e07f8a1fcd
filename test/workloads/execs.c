/*
 * Starts short-lived programs, and says what became of each.
 * usage: execs COUNT
 * Child I runs this file with the arguments: child I 'a b'. It exits with I % 256; every tenth is killed by SIGTERM, every
 * tenth but one by SIGSEGV.
 * Prints {"pid":…,"failed":ENOENT tries,"children":[[pid,exit code or -signal],…]}
 */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "workload.h"

enum { MOST = 2000 };

static int child(int i)
{
	if (i % 10 == 0)
		raise(SIGTERM);
	if (i % 10 == 1) {
		prctl(PR_SET_DUMPABLE, 0);
		raise(SIGSEGV);
	}
	return i % 256;
}

int main(int argc, char **argv)
{
	static int pids[MOST], ends[MOST];
	int count = argc > 1 ? atoi(argv[1]) : 0;
	char number[16];

	if (argc == 4 && strcmp(argv[1], "child") == 0)
		return child(atoi(argv[2]));
	if (count < 1 || count > MOST)
		return fprintf(stderr, "usage: execs COUNT\n"), 2;
	for (int i = 0; i < count; i++) {
		int status = 0;

		snprintf(number, sizeof(number), "%d", i);
		pids[i] = vfork();
		if (pids[i] == 0) {
			execl(argv[0], argv[0], "child", number, "a b", NULL);
			_exit(126);
		}
		waitpid(pids[i], &status, 0);
		ends[i] = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
	}
	for (int i = 0; i < 5; i++)
		execl("/nowhere/at-all", "at-all", NULL);
	printf("{\"pid\":%d,\"failed\":5,\"children\":[", getpid());
	for (int i = 0; i < count; i++)
		printf("%s[%d,%d]", i > 0 ? "," : "", pids[i], ends[i]);
	printf("]}\n");
	return 0;
}
