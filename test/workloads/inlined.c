/* An inlined function with a variable of its own, in two others: on a byte of stdin ROUNDS packets of 100, 200 … 500 bytes
 * are sent, every third again.  inlined ROUNDS */
#include "workload.h"

struct packet {
	unsigned int id, len;
	char name[16];
};

static int goals;

static inline __attribute__((always_inline)) int account(const struct packet *packet, int budget)
{
	int goal = budget * 3 + (int)packet->id;

	__asm__ volatile("nop" : "+r"(goal) : "r"(packet) : "memory");
	return goal;
}

__attribute__((noinline)) int send_packet(const struct packet *packet, int budget)
{
	int goal = account(packet, budget);

	goals += goal;
	return goal * 2;
}

__attribute__((noinline)) int resend_packet(int again, const struct packet *packet)
{
	__asm__ volatile("" : "+r"(again));
	goals += account(packet, again);
	return again;
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 10, again = 0, i;
	long long bytes = 0;
	char byte;

	if (read(0, &byte, 1) != 1)
		return 0;
	for (i = 0; i < rounds; i++) {
		struct packet packet = { .id = (unsigned int)i, .len = 100 * (unsigned int)(i % 5 + 1) };

		snprintf(packet.name, sizeof packet.name, "packet%d", i % 2);
		send_packet(&packet, i);
		bytes += packet.len;
		if (i % 3 == 0) {
			resend_packet(i, &packet);
			bytes += packet.len;
			again++;
		}
	}
	printf("{\"sent\":%d,\"again\":%d,\"goals\":%d,\"bytes\":%lld}\n", rounds, again, goals, bytes);
	fflush(stdout);
	while (read(0, &byte, 1) == 1)
		;
	return 0;
}
