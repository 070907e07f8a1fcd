// SPDX-License-Identifier: GPL-2.0
/*
 * The truth about the crash, from inside and at the moment of it: said by a panic notifier, after the other CPUs
 * were stopped. It goes to the serial port by hand, byte for byte, so that the log of the core holds none of it.
 * Names are hexadecimal: they may hold anything.
 */
#include <linux/cpumask.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/panic_notifier.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/smp.h>
#include <linux/timekeeping.h>
#include <linux/utsname.h>
#include <linux/vmstat.h>

#include "culprit.h"

#define PORT 0x3f8
#define LINE_STATUS (PORT + 5)
#define CAN_SEND 0x20
#define MOST_LOCKS 32

struct lock_truth {
	const char *name;
	const void *address;
	pid_t pid;
	bool owns;
};

static struct lock_truth locks[MOST_LOCKS];
static atomic_t used = ATOMIC_INIT(0);

static void send(const char *text)
{
	for (; *text; text++) {
		for (int i = 0; i < 10000 && !(inb(LINE_STATUS) & CAN_SEND); i++)
			cpu_relax();
		outb(*text, PORT);
	}
}

static __printf(1, 2) void tell(const char *format, ...)
{
	static char line[256];
	va_list values;

	va_start(values, format);
	vscnprintf(line, sizeof(line), format, values);
	va_end(values);
	send("\r\ntruth: ");
	send(line);
	send("\r\n");
}

static void note_lock(const char *name, const void *address, bool owns)
{
	int at = atomic_inc_return(&used) - 1;

	if (at < MOST_LOCKS)
		locks[at] = (struct lock_truth){ name, address, current->pid, owns };
}

void truth_owner(const char *lock, const void *address)
{
	note_lock(lock, address, true);
}

void truth_waits(const char *lock, const void *address)
{
	note_lock(lock, address, false);
}

void truth_ready(void)
{
	tell("ready");
}

static void tell_tasks(void)
{
	struct task_struct *leader, *task;
	unsigned int count = 0;

	for_each_process_thread(leader, task) {
		count++;
		tell("task pid=%d tgid=%d ppid=%d cpu=%u oncpu=%d onrq=%d state=%x kthread=%d switches=%lu rss_pages=%lu comm=%*phN address=%px",
		     task->pid, task->tgid, task->real_parent->tgid, task_cpu(task), task->on_cpu, task->on_rq,
		     READ_ONCE(task->__state), (task->flags & PF_KTHREAD) != 0, task->nvcsw + task->nivcsw,
		     task->mm == NULL ? 0 : get_mm_rss(task->mm), (int)strnlen(task->comm, TASK_COMM_LEN), task->comm, task);
	}
	tell("tasks %u", count);
}

static int at_panic(struct notifier_block *self, unsigned long event, void *message)
{
	unsigned long taint = 0;

	for (int i = 0; i < TAINT_FLAGS_COUNT; i++)
		taint |= (unsigned long)test_taint(i) << i;
	tell("panic cpu=%d pid=%d comm=%*phN address=%px message=%s", raw_smp_processor_id(), current->pid,
	     (int)strnlen(current->comm, TASK_COMM_LEN), current->comm, current, (const char *)message);
	tell("kernel release=%s cpus=%u taint=%lx uptime_ms=%llu wall_s=%lld", init_utsname()->release, num_possible_cpus(),
	     taint, ktime_get_mono_fast_ns() / 1000000, ktime_get_real_fast_ns() / 1000000000);
	tell("memory total_pages=%lu free_pages=%lu", totalram_pages(), global_zone_page_state(NR_FREE_PAGES));
	tell("leaked objects=%lu", memory_leaked());
	for (int i = 0; i < min(atomic_read(&used), MOST_LOCKS); i++)
		tell("lock name=%s address=%px pid=%d %s", locks[i].name, locks[i].address, locks[i].pid,
		     locks[i].owns ? "owns" : "waits");
	rcu_read_lock();
	tell_tasks();
	rcu_read_unlock();
	tell("end");
	return NOTIFY_DONE;
}

static struct notifier_block notifier = { .notifier_call = at_panic };

int truth_init(void)
{
	return atomic_notifier_chain_register(&panic_notifier_list, &notifier);
}
