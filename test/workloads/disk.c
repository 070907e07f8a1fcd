/*
 * One disk operation of known size on a file; then stays, so that its counters can be read.
 * usage: disk prepare|read|mmap|write|truncate|direct-read|direct-write FILE BYTES
 *   prepare: writes the file, syncs it and drops it from the page cache
 *   truncate: a buffered write cut off before it reaches the disk
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include "workload.h"

enum { BLOCK = 1 << 16 };

static long read_all(int fd, char *block)
{
	long total = 0, n;

	while ((n = read(fd, block, BLOCK)) > 0)
		total += n;
	return total;
}

static long write_all(int fd, char *block, long bytes)
{
	long total = 0, n;

	memset(block, 'x', BLOCK);
	while (total < bytes && (n = write(fd, block, BLOCK)) > 0)
		total += n;
	return total;
}

static long touch_all(int fd, long bytes)
{
	volatile char *map = mmap(NULL, (size_t)bytes, PROT_READ, MAP_SHARED, fd, 0);
	long i, sum = 0;

	if (map == MAP_FAILED)
		die("mmap");
	for (i = 0; i < bytes; i += 4096)
		sum += map[i];
	return sum >= 0 ? bytes : 0;
}

static void forget(int fd)
{
	if (fsync(fd) != 0 || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
		die("drop cache");
}

static long own_io(const char *key)
{
	char line[128];
	long value = -1;
	size_t length = strlen(key);
	FILE *file = fopen("/proc/self/io", "r");

	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, key, length) == 0 && line[length] == ':')
			value = atol(line + length + 1);
	if (file != NULL)
		fclose(file);
	return value;
}

int main(int argc, char **argv)
{
	const char *op = argc > 3 ? argv[1] : "", *file = argc > 3 ? argv[2] : "";
	long bytes = argc > 3 ? atol(argv[3]) : 0, done = 0;
	int direct = strncmp(op, "direct", 6) == 0 ? O_DIRECT : 0, fd;
	char *block;

	if (bytes <= 0 || bytes % BLOCK != 0 || posix_memalign((void **)&block, 4096, BLOCK) != 0)
		return fprintf(stderr, "usage: see disk.c; BYTES a multiple of %d\n", BLOCK), 2;
	name_self("w-disk");
	fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | direct, 0600);
	if (fd < 0)
		die(file);
	if (strcmp(op, "read") == 0 || strcmp(op, "direct-read") == 0) {
		done = read_all(fd, block);
	} else if (strcmp(op, "mmap") == 0) {
		done = touch_all(fd, bytes);
	} else {
		done = write_all(fd, block, bytes);
		if (strcmp(op, "truncate") == 0 && ftruncate(fd, 0) != 0)
			die("truncate");
		if (strcmp(op, "prepare") == 0)
			forget(fd);
	}
	printf("{\"pid\":%d,\"op\":\"%s\",\"bytes\":%ld,\"read_bytes\":%ld,\"write_bytes\":%ld,\"cancelled\":%ld}\n",
	       getpid(), op, done, own_io("read_bytes"), own_io("write_bytes"), own_io("cancelled_write_bytes"));
	stay();
	return 0;
}
