// SPDX-License-Identifier: GPL-2.0
/* Crimes that the processor or a check of the kernel finds at once. */
#include <linux/bug.h>
#include <linux/list.h>
#include <linux/panic.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "culprit.h"

/* Any single bit of a kernel address above the memory there is, and below the sign. */
#define FLIPPED_BIT 44
#define FRAME_BYTES 256

struct parcel {
	struct list_head shelf;
	struct parcel *next;
	unsigned long weight;
	unsigned long (*open)(struct parcel *parcel);
	u8 content[64];
};

static struct kmem_cache *parcels;
static unsigned long total;

/* Poisoned when freed, whatever the command line says. */
int faults_init(void)
{
	parcels = kmem_cache_create("culprit_parcel", sizeof(struct parcel), 0,
				    SLAB_POISON | SLAB_RED_ZONE | SLAB_CONSISTENCY_CHECKS, NULL);
	return parcels == NULL ? -ENOMEM : 0;
}

/* The optimiser must not know what it points to. */
static struct parcel *disguise(struct parcel *parcel)
{
	OPTIMIZER_HIDE_VAR(parcel);
	return parcel;
}

static CULPRIT unsigned long weigh_missing(struct parcel *parcel)
{
	return READ_ONCE(parcel->weight);
}

CULPRIT void culprit_null(void)
{
	total += weigh_missing(disguise(NULL));
}

static CULPRIT unsigned long weigh_next_of_freed(struct parcel *parcel)
{
	return READ_ONCE(parcel->next->weight);
}

CULPRIT void culprit_freed(void)
{
	struct parcel *parcel = kmem_cache_zalloc(parcels, GFP_ATOMIC);

	parcel->next = parcel;
	kmem_cache_free(parcels, parcel);
	total += weigh_next_of_freed(disguise(parcel));
}

static CULPRIT unsigned long weigh_flipped(struct parcel *parcel)
{
	return READ_ONCE(parcel->next->weight);
}

CULPRIT void culprit_flipped(void)
{
	struct parcel *parcel = kmem_cache_zalloc(parcels, GFP_ATOMIC);

	parcel->next = (struct parcel *)((unsigned long)parcel ^ BIT(FLIPPED_BIT));
	total += weigh_flipped(disguise(parcel));
}

static CULPRIT void take_off_shelf(struct parcel *parcel)
{
	list_del(&parcel->shelf);
	NO_TAIL_CALL();
}

CULPRIT void culprit_list(void)
{
	LIST_HEAD(shelf);
	struct parcel *parcel = kmem_cache_zalloc(parcels, GFP_ATOMIC);

	list_add(&parcel->shelf, &shelf);
	take_off_shelf(disguise(parcel));
	take_off_shelf(disguise(parcel));
	NO_TAIL_CALL();
}

static CULPRIT void check_parcel(struct parcel *parcel)
{
	BUG_ON(parcel == NULL);
	total++;
}

CULPRIT void culprit_bug(void)
{
	check_parcel(disguise(NULL));
	NO_TAIL_CALL();
}

static CULPRIT unsigned long unwrap(struct parcel *parcel, unsigned long depth)
{
	u8 frame[FRAME_BYTES];
	unsigned long inner;

	memset(frame, depth, sizeof(frame));
	barrier_data(frame);
	OPTIMIZER_HIDE_VAR(depth);
	inner = depth == 0 ? 0 : unwrap(parcel, depth - 1);
	return inner + frame[inner % sizeof(frame)];
}

CULPRIT void culprit_overflow(void)
{
	total += unwrap(NULL, ULONG_MAX);
}

static CULPRIT unsigned long open_parcel(struct parcel *parcel)
{
	return 1 + parcel->open(parcel);
}

CULPRIT void culprit_jump(void)
{
	total += open_parcel(disguise(kmem_cache_zalloc(parcels, GFP_ATOMIC)));
}

static CULPRIT unsigned long share_weight(struct parcel *parcel)
{
	return total / READ_ONCE(parcel->weight);
}

CULPRIT void culprit_divide(void)
{
	total += share_weight(disguise(kmem_cache_zalloc(parcels, GFP_ATOMIC)));
}

static CULPRIT void pack(const u8 *from, unsigned long bytes)
{
	u8 box[32];

	OPTIMIZER_HIDE_VAR(bytes);
	for (unsigned long i = 0; i < bytes; i++)
		WRITE_ONCE(box[i], from[i % sizeof(box)]);
	total += READ_ONCE(box[0]);
}

CULPRIT void culprit_smash(void)
{
	static const u8 content[32] = "written past the end of the box";

	pack(content, 48);
	NO_TAIL_CALL();
}

static CULPRIT void throw_away(void *box)
{
	kfree(box);
	NO_TAIL_CALL();
}

CULPRIT void culprit_twice(void)
{
	void *box = kmalloc(192, GFP_ATOMIC);

	throw_away(box);
	OPTIMIZER_HIDE_VAR(box);
	throw_away(box);
	NO_TAIL_CALL();
}

static CULPRIT void doubt(struct parcel *parcel)
{
	WARN(parcel == NULL, "culprit: no parcel\n");
	total++;
}

CULPRIT void culprit_warn(void)
{
	doubt(disguise(NULL));
	NO_TAIL_CALL();
}

static CULPRIT void give_up(unsigned long parcels_left)
{
	panic("culprit: %lu parcels left\n", parcels_left);
}

CULPRIT void culprit_panic(void)
{
	give_up(total);
	NO_TAIL_CALL();
}
