// SPDX-License-Identifier: GPL-2.0
/* Crimes that end in want of memory. */
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "culprit.h"

struct drop {
	struct drop *next;
	u8 content[500];
};

static struct kmem_cache *leak;
static struct drop *drops;
static unsigned long leaked;

/* A constructor keeps it from being merged with another cache. */
static void make_drop(void *object)
{
	memset(object, 0, sizeof(struct drop));
}

int memory_init(void)
{
	leak = kmem_cache_create("culprit_leak", sizeof(struct drop), 0, 0, make_drop);
	return leak == NULL ? -ENOMEM : 0;
}

unsigned long memory_leaked(void)
{
	return leaked;
}

CULPRIT void culprit_leak(void)
{
	for (;;) {
		struct drop *drop = kmem_cache_alloc(leak, GFP_KERNEL);

		if (drop == NULL)
			continue;
		drop->next = drops;
		drops = drop;
		leaked++;
		cond_resched();
	}
}

/* Orders; the largest that every kernel has. */
#define LARGEST_BLOCK 9
#define SMALLEST_BLOCK 3

/* No crime: what lies in free memory is overwritten with zeros, so that dumps are small. */
void culprit_sweep(void)
{
	LIST_HEAD(swept);
	struct page *page, *next;
	int order = LARGEST_BLOCK;

	while (order >= SMALLEST_BLOCK) {
		page = alloc_pages(GFP_KERNEL | __GFP_ZERO | __GFP_NORETRY | __GFP_NOWARN, order);
		if (page == NULL) {
			order--;
			continue;
		}
		set_page_private(page, order);
		list_add(&page->lru, &swept);
	}
	list_for_each_entry_safe(page, next, &swept, lru) {
		order = page_private(page);
		set_page_private(page, 0);
		list_del(&page->lru);
		__free_pages(page, order);
	}
}
