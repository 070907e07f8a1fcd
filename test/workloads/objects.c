/*
 * Kernel objects of one kind, some kept and some freed: System V messages of one byte,
 * each exactly one kmalloc in alloc_msg() and, when received, one kfree.
 * usage: objects KEPT FREED [ALLOC_CPU FREE_CPU]
 * Sends KEPT to one queue and FREED to another on ALLOC_CPU, receives the latter on FREE_CPU,
 * prints, stays, then removes the queues.
 */
#include <sys/ipc.h>
#include <sys/msg.h>

#include "workload.h"

struct message {
	long type;
	char text;
};

static int fill(long count)
{
	struct message message = { .type = 1, .text = 'k' };
	int queue = msgget(IPC_PRIVATE, 0600);

	for (long i = 0; i < count; i++) {
		if (msgsnd(queue, &message, 1, IPC_NOWAIT) != 0) {
			msgctl(queue, IPC_RMID, NULL);
			die("msgsnd (see kernel.msgmnb)");
		}
	}
	return queue;
}

int main(int argc, char **argv)
{
	long kept = argc > 2 ? atol(argv[1]) : -1, freed = argc > 2 ? atol(argv[2]) : -1, received = 0;
	struct message message;
	int keep, give;

	if (kept < 0 || freed < 0)
		return fprintf(stderr, "usage: objects KEPT FREED [ALLOC_CPU FREE_CPU]\n"), 2;
	name_self("w-objects");
	if (argc > 4)
		pin(atoi(argv[3]));
	keep = fill(kept);
	give = fill(freed);
	if (argc > 4)
		pin(atoi(argv[4]));
	while (msgrcv(give, &message, 1, 0, IPC_NOWAIT) >= 0)
		received++;
	printf("{\"pid\":%d,\"kept\":%ld,\"freed\":%ld}\n", getpid(), kept, received);
	stay();
	msgctl(keep, IPC_RMID, NULL);
	msgctl(give, IPC_RMID, NULL);
	return 0;
}
