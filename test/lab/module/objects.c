// SPDX-License-Identifier: GPL-2.0
/*
 * Allocates and frees in every way there is, for the tests. Writes to /proc/objects, N objects each:
 *   "keep N"     kmalloc(), kept until the module goes
 *   "free N"     kmalloc(), kfree() by the same task
 *   "remote N"   kmalloc(), kfree() in an interrupt of another CPU
 *   "softirq N"  kmalloc(), kfree() in a callback of RCU
 *   "cache N"    kmem_cache_alloc(), kmem_cache_free()
 *   "cross N"    kmem_cache_alloc(), kfree()
 *   "null N"     kfree(NULL)
 *   "half N"     kmalloc(); of these every other is kept, every other kfree_rcu(); returns when those are gone
 *   "pages N"    alloc_page(), 2 N times, every other freed
 *   "take N", "give N"   objects_take() N times, objects_give() for those taken first: no allocator of the kernel's
 * For throw-away guests only.
 */
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/uaccess.h>

#define MOST 100000

struct object {
	struct list_head list;
	struct rcu_head rcu;
	/* As large as nothing that is allocated all the time. */
	char room[900];
};

static struct proc_dir_entry *entry;
static struct kmem_cache *cache;
static LIST_HEAD(kept);
static LIST_HEAD(kept_pages);
static char pool[MOST];
static unsigned int taken, given;

static noinline int objects_alloc(struct list_head *into, unsigned int n)
{
	while (n--) {
		struct object *object = kmalloc(sizeof(*object), GFP_KERNEL);

		if (object == NULL)
			return -ENOMEM;
		list_add(&object->list, into);
	}
	return 0;
}

static noinline int objects_keep(unsigned int n)
{
	while (n--) {
		struct object *object = kmalloc(sizeof(*object), GFP_KERNEL);

		if (object == NULL)
			return -ENOMEM;
		list_add(&object->list, &kept);
	}
	return 0;
}

/* The same place asks for both: every other object is kept. */
static noinline int objects_half(unsigned int n)
{
	while (n--) {
		struct object *object = kmalloc(sizeof(*object), GFP_KERNEL);

		if (object == NULL)
			return -ENOMEM;
		if (n % 2 == 0)
			list_add(&object->list, &kept);
		else
			kfree_rcu(object, rcu);
	}
	return 0;
}

static noinline int objects_pages(unsigned int n)
{
	for (n *= 2; n--;) {
		struct page *page = alloc_page(GFP_KERNEL);

		if (page == NULL)
			return -ENOMEM;
		if (n % 2 == 0)
			list_add(&page->lru, &kept_pages);
		else
			__free_page(page);
	}
	return 0;
}

static noinline int objects_cache(struct list_head *into, unsigned int n)
{
	while (n--) {
		struct object *object = kmem_cache_alloc(cache, GFP_KERNEL);

		if (object == NULL)
			return -ENOMEM;
		list_add(&object->list, into);
	}
	return 0;
}

static void free_all(void *list)
{
	struct object *object, *next;

	list_for_each_entry_safe(object, next, (struct list_head *)list, list)
		kfree(object);
}

static void free_one(struct rcu_head *head)
{
	kfree(container_of(head, struct object, rcu));
}

static noinline void *objects_take(void)
{
	return taken < MOST ? &pool[taken++] : NULL;
}

static noinline void objects_give(void *object)
{
	WRITE_ONCE(*(char *)object, 1);
}

static int run(const char *what, unsigned int n)
{
	struct object *object, *next;
	LIST_HEAD(list);
	int error = 0;

	if (strcmp(what, "keep") == 0)
		return objects_keep(n);
	if (strcmp(what, "pages") == 0)
		return objects_pages(n);
	if (strcmp(what, "half") == 0) {
		error = objects_half(n);
		rcu_barrier();
		return error;
	}
	if (strcmp(what, "null") == 0) {
		while (n--)
			kfree(READ_ONCE(cache) ? NULL : cache);
		return 0;
	}
	if (strcmp(what, "take") == 0) {
		while (n--)
			if (objects_take() == NULL)
				return -ENOSPC;
		return 0;
	}
	if (strcmp(what, "give") == 0) {
		for (; n-- && given < taken; given++)
			objects_give(&pool[given]);
		return 0;
	}
	if (strcmp(what, "cache") == 0 || strcmp(what, "cross") == 0)
		error = objects_cache(&list, n);
	else
		error = objects_alloc(&list, n);
	if (strcmp(what, "remote") == 0) {
		int other = cpumask_any_but(cpu_online_mask, get_cpu());

		smp_call_function_single(other, free_all, &list, 1);
		put_cpu();
	} else if (strcmp(what, "softirq") == 0) {
		list_for_each_entry_safe(object, next, &list, list)
			call_rcu(&object->rcu, free_one);
		rcu_barrier();
	} else if (strcmp(what, "cache") == 0) {
		list_for_each_entry_safe(object, next, &list, list)
			kmem_cache_free(cache, object);
	} else {
		free_all(&list);
	}
	return error;
}

static ssize_t objects_write(struct file *file, const char __user *from, size_t size, loff_t *at)
{
	char text[32] = "", what[16];
	unsigned int n;
	int error;

	if (size >= sizeof(text) || copy_from_user(text, from, size))
		return -EINVAL;
	if (sscanf(text, "%15s %u", what, &n) != 2 || n > MOST)
		return -EINVAL;
	error = run(what, n);
	return error ? error : size;
}

static const struct proc_ops objects_ops = { .proc_write = objects_write };

static int __init objects_init(void)
{
	cache = kmem_cache_create("objects", sizeof(struct object), 0, SLAB_HWCACHE_ALIGN, NULL);
	if (cache == NULL)
		return -ENOMEM;
	entry = proc_create("objects", 0200, NULL, &objects_ops);
	return entry == NULL ? -ENOMEM : 0;
}

static void __exit objects_exit(void)
{
	struct page *page, *next;

	proc_remove(entry);
	list_for_each_entry_safe(page, next, &kept_pages, lru)
		__free_page(page);
	free_all(&kept);
	rcu_barrier();
	kmem_cache_destroy(cache);
}

module_init(objects_init);
module_exit(objects_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Allocates and frees in many ways, for tests");
