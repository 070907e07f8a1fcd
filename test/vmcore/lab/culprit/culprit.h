/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A module that crashes its kernel on purpose, for the tests of vmcore. For throw-away guests only.
 * The functions that are to blame carry CULPRIT: they stay functions of their own, under their own name.
 */
#ifndef CULPRIT_H
#define CULPRIT_H

#include <linux/compiler.h>
#include <linux/kernel.h>
#include <linux/types.h>

/* Nor become one with another function of the same code: turn_deaf() is not turn_for_ever(). */
#define CULPRIT noinline __noclone __attribute__((no_icf))

/* Behind a call, so that it is no jump: the caller stays on the stack. */
#define NO_TAIL_CALL() barrier()

/* faults.c */
void culprit_null(void);
void culprit_freed(void);
void culprit_flipped(void);
void culprit_list(void);
void culprit_bug(void);
void culprit_overflow(void);
void culprit_jump(void);
void culprit_divide(void);
void culprit_smash(void);
void culprit_twice(void);
void culprit_warn(void);
void culprit_panic(void);
int faults_init(void);

/* spins.c */
void culprit_spin(void);
void culprit_irqs_off(void);
void culprit_rcu(void);
void culprit_spindle_sleep(void);
void culprit_spindle_take(void);

/* locks.c */
void culprit_alpha_beta(void);
void culprit_beta_alpha(void);
void culprit_alpha(void);
void culprit_rw_write(void);
void culprit_rw_read(void);
void culprit_given(void);
void locks_given(unsigned long address, const char *name);

/* memory.c */
void culprit_leak(void);
void culprit_sweep(void);
unsigned long memory_leaked(void);
int memory_init(void);

/* truth.c: what is true, said on the serial port and not in the log */
int truth_init(void);
/* The caller has the lock; it is about to wait for the lock, for ever. */
void truth_owner(const char *lock, const void *address);
void truth_waits(const char *lock, const void *address);
/* Says that the crime is at work. */
void truth_ready(void);

#endif
