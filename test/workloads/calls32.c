/*
 * A 32-bit program without a library: reads a byte from stdin, then 1000 getppid and one read of no file, and stays
 * until its stdin ends.
 */
enum { EXIT = 1, READ = 3, WRITE = 4, GETPPID = 64 };

static int call(int number, int a, const void *b, int c)
{
	int result;

	__asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory");
	return result;
}

void _start(void)
{
	char byte;

	call(READ, 0, &byte, 1);
	for (int i = 0; i < 1000; i++)
		call(GETPPID, 0, 0, 0);
	call(READ, -1, &byte, 1);
	call(WRITE, 1, "{}\n", 3);
	while (call(READ, 0, &byte, 1) > 0)
		;
	for (;;)
		call(EXIT, 0, 0, 0);
}
