/*
 * TCP connections and lost packets of known number, over loopback, between processes named w-client and w-server.
 * usage: tcp conns COUNT | retrans MS | drops COUNT
 *   conns:   each is opened, carries 1000 bytes there and 500 back, and is closed by the client; one more is refused
 *   retrans: the server's socket throws away what comes in for MS
 *   drops:   datagrams to a port that nobody has, and as many to a socket that throws away all
 * Prints {"client":…,"server":…,"port":…,"ports":[…],"refused":…,"retrans":…,"waited":[ms of each connect]}
 */
#include <arpa/inet.h>
#include <linux/filter.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "workload.h"

enum { MOST = 1000, THERE = 1000, BACK = 500 };

static char buffer[THERE];

/* Bound to a port that is free; `backlog` 0 = nobody listens there. */
static int bound(int type, int backlog, struct sockaddr_in *address)
{
	int fd = socket(AF_INET, type, 0);
	socklen_t length = sizeof(*address);

	address->sin_family = AF_INET;
	address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (struct sockaddr *)address, length) != 0 ||
	    getsockname(fd, (struct sockaddr *)address, &length) != 0)
		die("bind");
	if (backlog > 0 && listen(fd, backlog) != 0)
		die("listen");
	return fd;
}

static void take_all(int fd, size_t size)
{
	for (ssize_t got; size > 0; size -= (size_t)got)
		if ((got = recv(fd, buffer, size, 0)) <= 0)
			die("recv");
}

static int port_of(int fd)
{
	struct sockaddr_in address;
	socklen_t length = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &length) != 0)
		die("getsockname");
	return ntohs(address.sin_port);
}

static void throw_away(int fd, int on)
{
	struct sock_filter none = { .code = BPF_RET | BPF_K, .k = 0 };
	struct sock_fprog program = { .len = 1, .filter = &none };

	if (setsockopt(fd, SOL_SOCKET, on ? SO_ATTACH_FILTER : SO_DETACH_FILTER, &program, sizeof(program)) != 0)
		die("filter");
}

static void serve(int fd, int count)
{
	name_self("w-server");
	for (int i = 0; i < count; i++) {
		int peer = accept(fd, NULL, NULL);

		take_all(peer, THERE);
		if (send(peer, buffer, BACK, 0) != BACK)
			die("send");
		if (recv(peer, buffer, 1, 0) != 0) /* the client closes first */
			die("close");
		close(peer);
	}
	_exit(0);
}

static void conns(int count)
{
	static int ports[MOST];
	static double waited[MOST];
	struct sockaddr_in address = { 0 }, nobody = { 0 };
	int fd = bound(SOCK_STREAM, 16, &address), refused;
	pid_t server = fork();

	if (server == 0)
		serve(fd, count);
	close(fd);
	bound(SOCK_STREAM, 0, &nobody);
	name_self("w-client");
	for (int i = 0; i < count; i++) {
		int peer = socket(AF_INET, SOCK_STREAM, 0);
		double start = now_ms();

		if (connect(peer, (struct sockaddr *)&address, sizeof(address)) != 0)
			die("connect");
		waited[i] = now_ms() - start;
		ports[i] = port_of(peer);
		if (send(peer, buffer, THERE, 0) != THERE)
			die("send");
		take_all(peer, BACK);
		close(peer);
	}
	refused = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(refused, (struct sockaddr *)&nobody, sizeof(nobody)) == 0)
		die("connect to nobody");
	close(refused);
	waitpid(server, NULL, 0);
	printf("{\"client\":%d,\"server\":%d,\"port\":%d,\"refused\":%d,\"ports\":[", getpid(), server,
	       ntohs(address.sin_port), ntohs(nobody.sin_port));
	for (int i = 0; i < count; i++)
		printf("%s%d", i > 0 ? "," : "", ports[i]);
	printf("],\"waited\":[");
	for (int i = 0; i < count; i++)
		printf("%s%.3f", i > 0 ? "," : "", waited[i]);
	printf("]}\n");
}

static void lose(int fd, int told, double ms)
{
	int peer = accept(fd, NULL, NULL);
	char byte = 0;

	name_self("w-server");
	throw_away(peer, 1);
	if (write(told, &byte, 1) != 1)
		die("write");
	pause_ms(ms);
	throw_away(peer, 0);
	take_all(peer, THERE);
	if (recv(peer, buffer, 1, 0) != 0)
		die("close");
	_exit(0);
}

static void retransmit(double ms)
{
	struct sockaddr_in address = { 0 };
	struct tcp_info info;
	socklen_t length = sizeof(info);
	int fd = bound(SOCK_STREAM, 1, &address), ready[2], peer, left = 1;
	char byte;
	pid_t server;

	if (pipe(ready) != 0)
		die("pipe");
	server = fork();
	if (server == 0)
		lose(fd, ready[1], ms);
	name_self("w-client");
	peer = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(peer, (struct sockaddr *)&address, sizeof(address)) != 0 || read(ready[0], &byte, 1) != 1)
		die("connect");
	if (send(peer, buffer, THERE, 0) != THERE)
		die("send");
	/* Until all has been acknowledged, so that nothing is sent again later. */
	for (int i = 0; i < 10000 && left != 0; i++) {
		pause_ms(2);
		if (getsockopt(peer, IPPROTO_TCP, TCP_INFO, &info, &length) != 0)
			die("TCP_INFO");
		left = (int)info.tcpi_unacked;
	}
	printf("{\"client\":%d,\"server\":%d,\"port\":%d,\"ports\":[%d],\"retrans\":%u}\n", getpid(), server,
	       ntohs(address.sin_port), port_of(peer), info.tcpi_total_retrans);
	close(peer);
	waitpid(server, NULL, 0);
}

static void drop(int count)
{
	struct sockaddr_in nobody = { 0 }, deaf = { 0 };
	int closed = bound(SOCK_DGRAM, 0, &nobody), taken = bound(SOCK_DGRAM, 0, &deaf);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	name_self("w-client");
	close(closed);
	throw_away(taken, 1);
	for (int i = 0; i < count; i++)
		if (sendto(fd, buffer, 100, 0, (struct sockaddr *)&nobody, sizeof(nobody)) != 100 ||
		    sendto(fd, buffer, 100, 0, (struct sockaddr *)&deaf, sizeof(deaf)) != 100)
			die("sendto");
	printf("{\"client\":%d,\"port\":%d,\"refused\":%d}\n", getpid(), ntohs(deaf.sin_port), ntohs(nobody.sin_port));
}

int main(int argc, char **argv)
{
	const char *mode = argc > 2 ? argv[1] : "";
	int count = argc > 2 ? atoi(argv[2]) : 0;

	if (count < 1 || (strcmp(mode, "retrans") != 0 && count > MOST))
		return fprintf(stderr, "usage: see tcp.c\n"), 2;
	if (strcmp(mode, "conns") == 0)
		conns(count);
	else if (strcmp(mode, "retrans") == 0)
		retransmit(count);
	else
		drop(count);
	return 0;
}
