/*
 * Known traffic over loopback between two processes named w-client and w-server.
 * usage: net tcp|apart COUNT BYTES PAUSE_MS | sendfile BYTES | udp COUNT BYTES | peek BYTES | mute COUNT BYTES
 *   apart: as tcp, the client on CPU 0 and the server on CPU 1
 *   peek: the server looks at the data with MSG_PEEK before it reads them
 *   mute: UDP to a socket nobody reads
 */
#include <arpa/inet.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "workload.h"

static char buffer[1 << 20];

static int listener(int type, struct sockaddr_in *address)
{
	int fd = socket(AF_INET, type, 0);
	socklen_t length = sizeof(*address);

	address->sin_family = AF_INET;
	address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (struct sockaddr *)address, length) != 0 ||
	    getsockname(fd, (struct sockaddr *)address, &length) != 0)
		die("bind");
	if (type == SOCK_STREAM && listen(fd, 1) != 0)
		die("listen");
	return fd;
}

/* Returns the bytes read; a datagram server stops after `count` datagrams. */
static long serve(int fd, int type, long count, int peek)
{
	long total = 0, n;

	if (type == SOCK_DGRAM) {
		while (count-- > 0 && (n = recv(fd, buffer, sizeof(buffer), 0)) >= 0)
			total += n;
		return total;
	}
	fd = accept(fd, NULL, NULL);
	if (peek && recv(fd, buffer, sizeof(buffer), MSG_PEEK) < 0)
		die("peek");
	while ((n = recv(fd, buffer, sizeof(buffer), 0)) > 0)
		total += n;
	return total;
}

static long send_file(int fd, long bytes)
{
	FILE *file = tmpfile();
	long total = 0, n;

	if (file == NULL || ftruncate(fileno(file), bytes) != 0)
		die("tmpfile");
	while (total < bytes && (n = sendfile(fd, fileno(file), NULL, (size_t)(bytes - total))) > 0)
		total += n;
	return total;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 2 ? argv[1] : "";
	int datagram = strcmp(mode, "udp") == 0 || strcmp(mode, "mute") == 0, mute = strcmp(mode, "mute") == 0;
	int apart = strcmp(mode, "apart") == 0;
	int two = strcmp(mode, "tcp") == 0 || apart || datagram, type = datagram ? SOCK_DGRAM : SOCK_STREAM;
	long count = two ? atol(argv[2]) : 1, bytes = atol(argv[argc > 3 && two ? 3 : 2]), sent = 0, received = 0;
	double pause = argc > 4 ? atof(argv[4]) : 0;
	struct sockaddr_in address = { 0 };
	int fd = listener(type, &address), back[2];
	pid_t server = 0;

	if (argc < 3 || bytes <= 0 || bytes > (long)sizeof(buffer))
		return fprintf(stderr, "usage: see net.c\n"), 2;
	if (pipe(back) != 0)
		die("pipe");
	if (!mute && (server = fork()) == 0) {
		name_self("w-server");
		if (apart)
			pin(1);
		received = serve(fd, type, count, strcmp(mode, "peek") == 0);
		if (write(back[1], &received, sizeof(received)) < 0)
			die("write");
		stay();
		_exit(0);
	}
	name_self("w-client");
	if (apart)
		pin(0);
	int out = socket(AF_INET, type, 0);
	if (connect(out, (struct sockaddr *)&address, sizeof(address)) != 0)
		die("connect");
	if (strcmp(mode, "sendfile") == 0)
		sent = send_file(out, bytes);
	for (long i = 0; strcmp(mode, "sendfile") != 0 && i < count; i++) {
		sent += send(out, buffer, (size_t)bytes, 0);
		if (pause > 0)
			pause_ms(pause);
	}
	close(out);
	if (!mute && read(back[0], &received, sizeof(received)) < 0)
		die("read");
	printf("{\"client\":%d,\"server\":%d,\"sent\":%ld,\"received\":%ld}\n", getpid(), server, sent, received);
	stay();
	return 0;
}
