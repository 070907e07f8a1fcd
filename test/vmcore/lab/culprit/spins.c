// SPDX-License-Identifier: GPL-2.0
/* Crimes that a watchdog finds: a CPU that does not come back. */
#include <linux/delay.h>
#include <linux/irqflags.h>
#include <linux/preempt.h>
#include <linux/processor.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>

#include "culprit.h"

static DEFINE_SPINLOCK(culprit_spindle);
static unsigned long turns;

static CULPRIT void turn_for_ever(void)
{
	for (;;) {
		WRITE_ONCE(turns, turns + 1);
		cpu_relax();
	}
}

/* A soft lockup. */
CULPRIT void culprit_spin(void)
{
	preempt_disable();
	turn_for_ever();
	preempt_enable();
}

static CULPRIT void turn_deaf(void)
{
	for (;;) {
		WRITE_ONCE(turns, turns + 1);
		cpu_relax();
	}
}

/* A hard lockup; found from outside. */
CULPRIT void culprit_irqs_off(void)
{
	local_irq_disable();
	truth_ready();
	turn_deaf();
	local_irq_enable();
}

static CULPRIT void read_for_ever(void)
{
	for (;;) {
		WRITE_ONCE(turns, turns + 1);
		cpu_relax();
	}
}

/* Keeps every grace period waiting. */
CULPRIT void culprit_rcu(void)
{
	preempt_disable();
	rcu_read_lock();
	read_for_ever();
	rcu_read_unlock();
	preempt_enable();
}

static CULPRIT void sleep_with_spindle(void)
{
	truth_owner("culprit_spindle", &culprit_spindle);
	msleep(3600 * 1000);
	NO_TAIL_CALL();
}

CULPRIT void culprit_spindle_sleep(void)
{
	spin_lock(&culprit_spindle);
	sleep_with_spindle();
	spin_unlock(&culprit_spindle);
}

static CULPRIT void wait_for_spindle(spinlock_t *spindle)
{
	truth_waits("culprit_spindle", spindle);
	spin_lock(spindle);
	NO_TAIL_CALL();
	spin_unlock(spindle);
}

CULPRIT void culprit_spindle_take(void)
{
	wait_for_spindle(&culprit_spindle);
	NO_TAIL_CALL();
}
