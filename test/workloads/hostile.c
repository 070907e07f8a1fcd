/*
 * A task whose name is a terminal escape sequence, with some waits and traffic so that tables show it.
 * usage: hostile
 */
#include <sys/socket.h>

#include "workload.h"

int main(void)
{
	char text[16] = "x";
	int pair[2];

	name_self("\033[2J\033]0;pwn\007");
	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) != 0)
		die("socketpair");
	printf("{\"pid\":%d}\n", getpid());
	fflush(stdout);
	fcntl(0, F_SETFL, O_NONBLOCK);
	while (read(0, text, 1) != 0) {
		if (send(pair[0], text, 1, 0) < 0 || recv(pair[1], text, 1, 0) < 0)
			die("send");
		pause_ms(150);
	}
	return 0;
}
