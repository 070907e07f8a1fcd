// SPDX-License-Identifier: GPL-2.0
/* Crimes of sleepers: locks that are never given back. */
#include <linux/delay.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/string.h>

#include "culprit.h"

static DEFINE_MUTEX(culprit_alpha_lock);
static DEFINE_MUTEX(culprit_beta_lock);
static DECLARE_RWSEM(culprit_rw_lock);
static struct mutex *given;
static char given_name[24];

/* Long enough for the other one to have its first lock. */
#define MEET_MS 500

static CULPRIT void take_second(const char *name, struct mutex *lock)
{
	truth_waits(name, lock);
	mutex_lock(lock);
	NO_TAIL_CALL();
	mutex_unlock(lock);
}

CULPRIT void culprit_alpha_beta(void)
{
	mutex_lock(&culprit_alpha_lock);
	truth_owner("culprit_alpha_lock", &culprit_alpha_lock);
	msleep(MEET_MS);
	take_second("culprit_beta_lock", &culprit_beta_lock);
	mutex_unlock(&culprit_alpha_lock);
}

CULPRIT void culprit_beta_alpha(void)
{
	mutex_lock(&culprit_beta_lock);
	truth_owner("culprit_beta_lock", &culprit_beta_lock);
	msleep(MEET_MS);
	take_second("culprit_alpha_lock", &culprit_alpha_lock);
	mutex_unlock(&culprit_beta_lock);
}

/* An innocent third. */
CULPRIT void culprit_alpha(void)
{
	take_second("culprit_alpha_lock", &culprit_alpha_lock);
	NO_TAIL_CALL();
}

static CULPRIT void sleep_with_lock(const char *name, const void *lock)
{
	truth_owner(name, lock);
	/* Not uninterruptible: the owner itself must not be found hung first. */
	msleep_interruptible(3600 * 1000);
	NO_TAIL_CALL();
}

CULPRIT void culprit_rw_write(void)
{
	down_write(&culprit_rw_lock);
	sleep_with_lock("culprit_rw_lock", &culprit_rw_lock);
	up_write(&culprit_rw_lock);
}

static CULPRIT void read_shared(struct rw_semaphore *lock)
{
	truth_waits("culprit_rw_lock", lock);
	down_read(lock);
	NO_TAIL_CALL();
	up_read(lock);
}

CULPRIT void culprit_rw_read(void)
{
	read_shared(&culprit_rw_lock);
	NO_TAIL_CALL();
}

void locks_given(unsigned long address, const char *name)
{
	given = (struct mutex *)address;
	strscpy(given_name, name, sizeof(given_name));
}

/* A mutex of the kernel's own, which modules cannot name. */
CULPRIT void culprit_given(void)
{
	mutex_lock(given);
	sleep_with_lock(given_name, given);
	mutex_unlock(given);
}
