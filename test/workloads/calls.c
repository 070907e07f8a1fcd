/*
 * System calls of known number, result and length.
 * usage: calls mix | slow COUNT MS | hang FIFO | nothing
 *   mix:   all kinds, also threads that end, children that end, signals, and execs, one of them by a second thread
 *   slow:  reads of a pipe that is filled MS later, as the program measures them
 *   hang:  opens a FIFO that nobody else has open
 * Prints {"pid":…,"pids":[…],"calls":{…},"errors":{…},"waits_ms":[…]}; named w-calls.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "workload.h"

enum { PLAIN = 10000, BAD_FILES = 300, MISSING = 200, SIGNALS = 50, THREADS = 20, CHILDREN = 10, EXECS = 5, MOST = 1000 };

static const char *self;
static int pids[1 + CHILDREN + EXECS + 1], count;

static void on_signal(int sig)
{
	(void)sig;
}

static void *thread(void *arg)
{
	for (int i = 0; i < 100; i++)
		syscall(SYS_getpgrp);
	return arg;
}

static void *exec_in_thread(void *arg)
{
	execl(self, self, "nothing", NULL);
	return arg;
}

static pid_t child(void)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid != 0)
		pids[count++] = pid;
	return pid;
}

static void wait_all(void)
{
	while (wait(NULL) > 0)
		;
}

static void mix(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	pthread_t threads[THREADS], other;

	for (int i = 0; i < PLAIN; i++)
		syscall(SYS_getppid);
	for (int i = 0; i < BAD_FILES; i++)
		syscall(SYS_fchdir, -1);
	for (int i = 0; i < MISSING; i++)
		syscall(SYS_chdir, "/nonexistent/w-calls");
	sigaction(SIGUSR1, &action, NULL);
	for (int i = 0; i < SIGNALS; i++)
		syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, thread, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < CHILDREN; i++)
		if (child() == 0)
			_exit(0);
	wait_all();
	for (int i = 0; i < EXECS; i++)
		if (child() == 0)
			execl(self, self, "nothing", NULL);
	wait_all();
	if (child() == 0) {
		pthread_create(&other, NULL, exec_in_thread, NULL);
		pthread_join(other, NULL);
	}
	wait_all();
}

/* Its own exec is one of them, by whoever started it. */
static void print_truth(void)
{
	printf("{\"pid\":%d,\"pids\":[", getpid());
	for (int i = 0; i < count; i++)
		printf("%s%d", i > 0 ? "," : "", pids[i]);
	printf("],\"calls\":{\"getppid\":%d,\"fchdir\":%d,\"chdir\":%d,\"tgkill\":%d,\"rt_sigreturn\":%d,\"getpgrp\":%d,"
	       "\"exit\":%d,\"execve\":%d},\"errors\":{\"fchdir EBADF\":%d,\"chdir ENOENT\":%d}}\n",
	       PLAIN, BAD_FILES, MISSING, SIGNALS, SIGNALS, THREADS * 100, THREADS, EXECS + 2, BAD_FILES, MISSING);
}

static void slow(int times, double ms)
{
	static double waits[MOST];
	int ends[2];
	char c;

	if (pipe(ends) != 0)
		die("pipe");
	if (fork() == 0) {
		name_self("w-filler");
		for (int i = 0; i < times; i++) {
			pause_ms(ms);
			if (write(ends[1], "", 1) != 1)
				die("write");
		}
		_exit(0);
	}
	for (int i = 0; i < times; i++) {
		double start = now_ms();

		if (read(ends[0], &c, 1) != 1)
			die("read");
		waits[i] = now_ms() - start;
	}
	wait(NULL);
	printf("{\"pid\":%d,\"waits_ms\":[", getpid());
	for (int i = 0; i < times; i++)
		printf("%s%.3f", i > 0 ? "," : "", waits[i]);
	printf("]}\n");
}

static void hang(const char *fifo)
{
	double start;

	printf("{\"pid\":%d}\n", getpid());
	fflush(stdout);
	start = now_ms();
	if (open(fifo, O_RDONLY) < 0)
		die(fifo);
	printf("{\"waits_ms\":[%.3f]}\n", now_ms() - start);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	self = argv[0];
	if (strcmp(mode, "nothing") == 0)
		return 0;
	name_self("w-calls");
	pids[count++] = getpid();
	if (strcmp(mode, "mix") == 0) {
		mix();
		print_truth();
	} else if (strcmp(mode, "slow") == 0 && argc > 3 && atoi(argv[2]) <= MOST) {
		slow(atoi(argv[2]), atof(argv[3]));
	} else if (strcmp(mode, "hang") == 0 && argc > 2) {
		hang(argv[2]);
	} else {
		return fprintf(stderr, "usage: see calls.c\n"), 2;
	}
	stay();
	return 0;
}
