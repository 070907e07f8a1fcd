// SPDX-License-Identifier: GPL-2.0
/*
 * Misbehaves on purpose, for the tests: writes to /proc/irqoff do it on the CPU of the writer.
 *   "irq MS"       interrupts off for MS milliseconds, then what it measured goes to the kernel log
 *   "preempt MS"   preemption off, interrupts on, for MS milliseconds (a soft lockup, if long enough)
 * The writer pins itself first (taskset). For throw-away guests only.
 */
#include <linux/irqflags.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/preempt.h>
#include <linux/processor.h>
#include <linux/proc_fs.h>
#include <linux/smp.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>

#define MOST_MS 60000

static struct proc_dir_entry *entry;

/* This clock goes on with interrupts off. */
static noinline void hog(unsigned int ms)
{
	u64 end = ktime_get_mono_fast_ns() + ms * (u64)NSEC_PER_MSEC;

	while (ktime_get_mono_fast_ns() < end)
		cpu_relax();
}

static noinline void irqoff_spin(unsigned int ms)
{
	unsigned long flags;
	u64 start, end;

	local_irq_save(flags);
	start = ktime_get_mono_fast_ns();
	hog(ms);
	end = ktime_get_mono_fast_ns();
	local_irq_restore(flags);
	pr_info("irqoff: irq cpu=%d start=%llu ns=%llu\n", raw_smp_processor_id(), start, end - start);
}

static noinline void irqoff_hog(unsigned int ms)
{
	u64 start;

	preempt_disable();
	start = ktime_get_mono_fast_ns();
	hog(ms);
	preempt_enable();
	pr_info("irqoff: preempt cpu=%d start=%llu ns=%llu\n", raw_smp_processor_id(), start,
		ktime_get_mono_fast_ns() - start);
}

static ssize_t irqoff_write(struct file *file, const char __user *from, size_t size, loff_t *at)
{
	char text[32] = "";
	unsigned int ms;

	if (size >= sizeof(text) || copy_from_user(text, from, size))
		return -EINVAL;
	if (sscanf(text, "irq %u", &ms) == 1 && ms <= MOST_MS)
		irqoff_spin(ms);
	else if (sscanf(text, "preempt %u", &ms) == 1 && ms <= MOST_MS)
		irqoff_hog(ms);
	else
		return -EINVAL;
	return size;
}

static const struct proc_ops irqoff_ops = { .proc_write = irqoff_write };

static int __init irqoff_init(void)
{
	entry = proc_create("irqoff", 0200, NULL, &irqoff_ops);
	return entry == NULL ? -ENOMEM : 0;
}

static void __exit irqoff_exit(void)
{
	proc_remove(entry);
}

module_init(irqoff_init);
module_exit(irqoff_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Keeps interrupts or preemption off, for tests");
