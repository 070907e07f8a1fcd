/* Functions and a USDT marker to be probed: on a byte of stdin CALLS calls of probed_call(i, name, size), each with a
 * marker behind a semaphore, and SLEEPS calls of probed_sleep(MS).  probed CALLS SLEEPS MS */
#include "workload.h"

__attribute__((section(".probes"), used)) unsigned short ktop_test_marker_semaphore;

__attribute__((noinline)) int probed_call(int i, const char *name, long size)
{
	if (*(volatile unsigned short *)&ktop_test_marker_semaphore != 0)
		__asm__ volatile("990: nop\n"
				 ".pushsection .note.stapsdt,\"\",\"note\"\n"
				 ".balign 4\n"
				 ".4byte 992f-991f, 994f-993f, 3\n"
				 "991: .asciz \"stapsdt\"\n"
				 "992: .balign 4\n"
				 "993: .8byte 990b, _.stapsdt.base, ktop_test_marker_semaphore\n"
				 ".asciz \"ktop_test\"\n"
				 ".asciz \"marker\"\n"
				 ".asciz \"-4@%%edi 8@%%rsi -8@$-7\"\n"
				 "994: .balign 4\n"
				 ".popsection\n"
				 ".ifndef _.stapsdt.base\n"
				 ".pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n"
				 ".weak _.stapsdt.base\n"
				 ".hidden _.stapsdt.base\n"
				 "_.stapsdt.base: .space 1\n"
				 ".size _.stapsdt.base, 1\n"
				 ".popsection\n"
				 ".endif\n"
				 :
				 : "D"(i), "S"(name));
	__asm__ volatile("" : : "r"(name), "r"(size) : "memory");
	return -i;
}

__attribute__((noinline)) void probed_sleep(double ms)
{
	pause_ms(ms);
	__asm__ volatile("" : : : "memory");
}

int main(int argc, char **argv)
{
	int calls = argc > 1 ? atoi(argv[1]) : 10, sleeps = argc > 2 ? atoi(argv[2]) : 0, i;
	int ms = argc > 3 ? atoi(argv[3]) : 10;
	unsigned short seen;
	char byte;

	if (read(0, &byte, 1) != 1)
		return 0;
	seen = *(volatile unsigned short *)&ktop_test_marker_semaphore;
	for (i = 0; i < calls; i++) {
		char name[32];

		snprintf(name, sizeof name, "name%d", i % 4);
		probed_call(i, name, i < calls / 2 ? 100 : 5000);
	}
	for (i = 0; i < sleeps; i++)
		probed_sleep(ms);
	printf("{\"calls\":%d,\"semaphore\":%d}\n", calls, seen);
	fflush(stdout);
	while (read(0, &byte, 1) == 1)
		;
	return 0;
}
