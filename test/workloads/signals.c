/*
 * Signals of known number, sender and receiver.
 * usage: signals KILLS QUEUED PENDING
 *   w-signals sends USR1 (kill) and RTMIN+3 (sigqueue), each waited for by its child w-receiver, then USR2 that
 *   often without being waited for, then a POSIX timer of its own fires three times; a second child, w-fault, reads
 *   address 0. Both children end: CHLD from the kernel.
 * Prints {"sender","receiver","fault","kills","queued","pending","timers"}.
 */
#include <signal.h>
#include <sys/wait.h>

#include "workload.h"

enum { QUEUED = 3, TIMERS = 3 };
static sigset_t set;

static void receive(int started, int count)
{
	char c = 'r';

	name_self("w-receiver");
	if (write(started, &c, 1) != 1)
		_exit(1);
	while (count-- > 0)
		if (sigwaitinfo(&set, NULL) < 0 || write(started, &c, 1) != 1)
			_exit(1);
	sigwaitinfo(&set, NULL);
	_exit(0);
}

static void fault(void)
{
	name_self("w-fault");
	pause_ms(20);
	*(volatile int *)0;
	_exit(1);
}

static void own_timer(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
	struct itimerspec once = { .it_value = { .tv_nsec = 2000000 } };
	timer_t timer;

	if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0)
		die("timer_create");
	for (int i = 0; i < TIMERS; i++) {
		timer_settime(timer, 0, &once, NULL);
		sigwaitinfo(&set, NULL);
	}
	timer_delete(timer);
}

int main(int argc, char **argv)
{
	int kills = argc > 3 ? atoi(argv[1]) : 0, queued = argc > 3 ? atoi(argv[2]) : 0;
	int pending = argc > 3 ? atoi(argv[3]) : 0, fds[2];
	pid_t receiver, faulty;
	char c;

	if (kills < 1 || queued < 1 || pending < 1)
		return fprintf(stderr, "usage: signals KILLS QUEUED PENDING\n"), 2;
	name_self("w-signals");
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGALRM);
	sigaddset(&set, SIGRTMIN + QUEUED);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigdelset(&set, SIGUSR2);
	if (pipe(fds) != 0)
		die("pipe");
	if ((receiver = fork()) == 0)
		receive(fds[1], kills + queued);
	if (read(fds[0], &c, 1) != 1)
		die("the receiver");
	for (int i = 0; i < kills; i++)
		if (kill(receiver, SIGUSR1) != 0 || read(fds[0], &c, 1) != 1)
			die("kill");
	for (int i = 0; i < queued; i++)
		if (sigqueue(receiver, SIGRTMIN + QUEUED, (union sigval){ .sival_int = i }) != 0 ||
		    read(fds[0], &c, 1) != 1)
			die("sigqueue");
	for (int i = 0; i < pending; i++)
		kill(receiver, SIGUSR2);
	own_timer();
	if ((faulty = fork()) == 0)
		fault();
	waitpid(faulty, NULL, 0);
	kill(receiver, SIGKILL);
	waitpid(receiver, NULL, 0);
	printf("{\"sender\":%d,\"receiver\":%d,\"fault\":%d,\"kills\":%d,\"queued\":%d,\"pending\":%d,\"timers\":%d}\n",
	       getpid(), receiver, faulty, kills, queued, pending, TIMERS);
	stay();
	return 0;
}
