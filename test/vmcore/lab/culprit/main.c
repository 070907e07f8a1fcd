// SPDX-License-Identifier: GPL-2.0
/*
 * Writes to /proc/culprit commit a crime: "ENTRY CRIME CPU".
 *   call     in the writer itself, wherever it runs
 *   kthread  in a thread of its own, on that CPU
 *   work     in a worker of the system's queue on that CPU
 *   timer    in a timer on that CPU, in a softirq
 *   ipi      in an interrupt of that CPU
 * "given ADDRESS NAME" says which mutex the crime "given" takes.
 */
#include <linux/cpumask.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/timer.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#include "culprit.h"

struct crime {
	const char *name;
	void (*commit)(void);
};

static const struct crime crimes[] = {
	{ "null", culprit_null },
	{ "freed", culprit_freed },
	{ "flipped", culprit_flipped },
	{ "list", culprit_list },
	{ "bug", culprit_bug },
	{ "overflow", culprit_overflow },
	{ "jump", culprit_jump },
	{ "divide", culprit_divide },
	{ "smash", culprit_smash },
	{ "twice", culprit_twice },
	{ "warn", culprit_warn },
	{ "panic", culprit_panic },
	{ "spin", culprit_spin },
	{ "irqs-off", culprit_irqs_off },
	{ "rcu", culprit_rcu },
	{ "spindle-sleep", culprit_spindle_sleep },
	{ "spindle-take", culprit_spindle_take },
	{ "alpha-beta", culprit_alpha_beta },
	{ "beta-alpha", culprit_beta_alpha },
	{ "alpha", culprit_alpha },
	{ "rw-write", culprit_rw_write },
	{ "rw-read", culprit_rw_read },
	{ "given", culprit_given },
	{ "leak", culprit_leak },
	{ "sweep", culprit_sweep },
};

static struct proc_dir_entry *entry;

/* One at a time for these: nobody commits two. */
static void (*planned)(void);
static struct timer_list timer;
static struct work_struct work;
static call_single_data_t csd;

static int by_thread(void *commit)
{
	((void (*)(void))commit)();
	return 0;
}

static void by_worker(struct work_struct *unused)
{
	planned();
	NO_TAIL_CALL();
}

static void by_timer(struct timer_list *unused)
{
	planned();
	NO_TAIL_CALL();
}

static void by_interrupt(void *unused)
{
	planned();
	NO_TAIL_CALL();
}

static int commit(const char *how, const struct crime *crime, unsigned int cpu)
{
	struct task_struct *thread;

	if (strcmp(how, "call") == 0) {
		crime->commit();
		return 0;
	}
	if (!cpu_online(cpu))
		return -EINVAL;
	if (strcmp(how, "kthread") == 0) {
		thread = kthread_create(by_thread, crime->commit, "thief/%u", cpu);
		if (IS_ERR(thread))
			return PTR_ERR(thread);
		kthread_bind(thread, cpu);
		wake_up_process(thread);
		return 0;
	}
	planned = crime->commit;
	if (strcmp(how, "work") == 0) {
		INIT_WORK(&work, by_worker);
		schedule_work_on(cpu, &work);
	} else if (strcmp(how, "timer") == 0) {
		timer_setup(&timer, by_timer, TIMER_PINNED);
		timer.expires = jiffies + HZ / 10;
		add_timer_on(&timer, cpu);
	} else if (strcmp(how, "ipi") == 0) {
		INIT_CSD(&csd, by_interrupt, NULL);
		return smp_call_function_single_async(cpu, &csd);
	} else {
		return -EINVAL;
	}
	return 0;
}

static ssize_t culprit_write(struct file *file, const char __user *from, size_t size, loff_t *at)
{
	char text[64] = "", how[16], name[24];
	unsigned long address;
	unsigned int cpu = 0;
	int failure;

	if (size >= sizeof(text) || copy_from_user(text, from, size))
		return -EINVAL;
	if (sscanf(text, "given %lx %23s", &address, name) == 2) {
		locks_given(address, name);
		return size;
	}
	if (sscanf(text, "%15s %23s %u", how, name, &cpu) < 2)
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(crimes); i++) {
		if (strcmp(crimes[i].name, name) != 0)
			continue;
		failure = commit(how, &crimes[i], cpu);
		return failure < 0 ? failure : size;
	}
	return -EINVAL;
}

static const struct proc_ops culprit_ops = { .proc_write = culprit_write };

static int __init culprit_init(void)
{
	int failure = truth_init();

	if (failure == 0)
		failure = faults_init();
	if (failure == 0)
		failure = memory_init();
	if (failure != 0)
		return failure;
	entry = proc_create("culprit", 0200, NULL, &culprit_ops);
	return entry == NULL ? -ENOMEM : 0;
}

module_init(culprit_init);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Crashes its kernel, for tests");
