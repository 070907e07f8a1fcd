/*
 * A storm of one kind of event, as fast as it goes, or so many operations a second: it is called w-paced then, and
 * watching it does not make it less.
 * usage: storm pipe|kmalloc|udp|getppid|direct|open SECONDS [FILE|- [RATE]]
 *   pipe: a byte to and fro between two processes; kmalloc: pipe() and close();
 *   udp: a datagram to itself; direct: 4 KiB O_DIRECT reads of FILE; open: opens, reads and closes FILE
 * Prints {"mode","ops","seconds","ops_per_s","cpu_ms"}: cpu_ms of itself and its child.
 */
#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "workload.h"

static int there[2], back[2], file, udp;
static char *block;
static const char *path;
static unsigned long turn;

static void ping(void)
{
	char c = 'p';

	if (write(there[1], &c, 1) != 1 || read(back[0], &c, 1) != 1)
		die("pipe");
}

static void make_pipe(void)
{
	int fds[2];

	if (pipe(fds) != 0)
		die("pipe");
	close(fds[0]);
	close(fds[1]);
}

static void datagram(void)
{
	char text[64] = "storm";

	if (send(udp, text, sizeof(text), 0) < 0 || recv(udp, text, sizeof(text), 0) < 0)
		die("udp");
}

static void read_block(void)
{
	if (pread(file, block, 4096, (off_t)(turn++ % 1024) * 4096) <= 0)
		die("pread");
}

static void open_file(void)
{
	char text[64];
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, text, sizeof(text)) < 0 || close(fd) != 0)
		die(path);
}

static void call(void)
{
	syscall(SYS_getppid);
}

static void open_udp(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);

	udp = socket(AF_INET, SOCK_DGRAM, 0);
	if (bind(udp, (struct sockaddr *)&address, length) != 0 ||
	    getsockname(udp, (struct sockaddr *)&address, &length) != 0 ||
	    connect(udp, (struct sockaddr *)&address, length) != 0)
		die("udp socket");
}

static pid_t open_pipes(void)
{
	pid_t child;
	char c;

	if (pipe(there) != 0 || pipe(back) != 0)
		die("pipe");
	if ((child = fork()) != 0)
		return close(there[0]), close(back[1]), child;
	close(there[1]);
	while (read(there[0], &c, 1) == 1 && write(back[1], &c, 1) == 1)
		;
	_exit(0);
}

/* Waits until so many operations were due: a thousandth of a second at least, so that the waiting itself is rare. */
static void keep_to(double rate, unsigned long ops, double start)
{
	double early = start + (double)ops * 1e3 / rate - now_ms();

	if (early > 1)
		pause_ms(early);
}

static double cpu_ms(int who)
{
	struct rusage use;

	getrusage(who, &use);
	return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1e3 +
	       (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e3;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 2 ? argv[1] : "";
	double start, seconds = argc > 2 ? atof(argv[2]) : 0, end, rate = argc > 4 ? atof(argv[4]) : 0;
	unsigned long ops = 0;
	void (*op)(void) = strcmp(mode, "pipe") == 0 ? ping : strcmp(mode, "kmalloc") == 0 ? make_pipe :
			   strcmp(mode, "udp") == 0 ? datagram : strcmp(mode, "getppid") == 0 ? call :
			   strcmp(mode, "direct") == 0 && argc > 3 ? read_block :
			   strcmp(mode, "open") == 0 && argc > 3 ? open_file : NULL;

	if (op == NULL || seconds <= 0)
		return fprintf(stderr, "usage: see storm.c\n"), 2;
	name_self(rate > 0 ? "w-paced" : "w-storm");
	path = argv[3];
	if (op == ping)
		open_pipes();
	if (op == datagram)
		open_udp();
	if (op == read_block && ((file = open(argv[3], O_RDONLY | O_DIRECT)) < 0 ||
				 posix_memalign((void **)&block, 4096, 4096) != 0))
		die(argv[3]);
	for (start = now_ms(), end = start + seconds * 1e3; now_ms() < end;) {
		for (int i = 0; i < 32; i++, ops++)
			op();
		if (rate > 0)
			keep_to(rate, ops, start);
	}
	seconds = (now_ms() - start) / 1e3;
	close(there[1]);
	if (op == ping)
		wait(NULL);
	printf("{\"mode\":\"%s\",\"ops\":%lu,\"seconds\":%.3f,\"ops_per_s\":%.0f,\"cpu_ms\":%.1f}\n", mode, ops, seconds,
	       (double)ops / seconds, cpu_ms(RUSAGE_SELF) + cpu_ms(RUSAGE_CHILDREN));
	return 0;
}
