/*
 * A library to preload: lets perf_event_open or the mapping of its rings fail.
 * KTOP_TEST_FAULT="open ERRNO FROM": from the FROM-th perf_event_open of the process on (1 = the first);
 * KTOP_TEST_FAULT="mmap ERRNO PAGES": mappings of perf rings of more than PAGES pages.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The number behind the error when the fault is this one, else -1. */
static long fault(const char *what, int *error)
{
	const char *text = getenv("KTOP_TEST_FAULT");
	char name[16];
	long limit;

	return text && sscanf(text, "%15s %d %ld", name, error, &limit) == 3 && strcmp(name, what) == 0 ? limit : -1;
}

long syscall(long number, ...)
{
	static long (*real)(long, ...);
	static int opened;
	long a[6], from;
	int error;
	va_list list;

	if (!real)
		real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	va_start(list, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	if (number == SYS_perf_event_open && (from = fault("open", &error)) >= 0 &&
	    __atomic_add_fetch(&opened, 1, __ATOMIC_RELAXED) >= from)
		return errno = error, -1;
	return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
	static void *(*real)(void *, size_t, int, int, int, off_t);
	char link[64], target[64] = "";
	long pages;
	int error;

	if (!real)
		real = (void *(*)(void *, size_t, int, int, int, off_t))dlsym(RTLD_NEXT, "mmap");
	if (fd >= 0 && (pages = fault("mmap", &error)) >= 0 && length > (size_t)pages * 4096) {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		if (readlink(link, target, sizeof(target) - 1) > 0 && strstr(target, "perf_event"))
			return errno = error, MAP_FAILED;
	}
	return real(address, length, protection, flags, fd, offset);
}
