/*
 * A KVM user: M vCPU threads, each running a real-mode loop of N rounds of
 *   cpuid; out 0x3f8; store to unbacked memory (MMIO); hlt
 * and one out 0x3f9 to end. Prints what it saw: each round is exactly one exit of each kind.
 * With "kernel" the loop is of 64-bit code in the upper half of the addresses, and does cpuid and out only.
 * usage: kvm-user ROUNDS [VCPUS [kernel]]
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { CODE = 0x1000, PAGE_TABLES = 0x2000, SIZE = 0x10000, MAX_VCPUS = 64 };

/* ds.base = 0xa0000 lies outside the memory slot; edi counts the rounds. */
static const unsigned char guest_code[] = {
	0x66, 0x31, 0xc0,       /* xor eax,eax            */
	0x0f, 0xa2,             /* cpuid                  */
	0xba, 0xf8, 0x03,       /* mov dx,0x3f8           */
	0xb0, 'k', 0xee,        /* mov al,'k'; out dx,al  */
	0xa2, 0x00, 0x00,       /* mov [0],al   (MMIO)    */
	0xf4,                   /* hlt                    */
	0x66, 0x4f, 0x75, 0xed, /* dec edi; jnz start     */
	0x42, 0xee, 0xf4,       /* inc dx; out dx,al; hlt */
};

static const unsigned char kernel_code[] = {
	0x31, 0xc0,             /* xor eax,eax            */
	0x0f, 0xa2,             /* cpuid                  */
	0x66, 0xba, 0xf8, 0x03, /* mov dx,0x3f8           */
	0xb0, 'k', 0xee,        /* mov al,'k'; out dx,al  */
	0xff, 0xcf, 0x75, 0xf1, /* dec edi; jnz start     */
	0x66, 0xff, 0xc2, 0xee, /* inc dx; out dx,al      */
	0xf4,                   /* hlt                    */
};
#define KERNEL_BASE 0xffffffff80000000ull

static int vm_fd, mmap_size, in_kernel;
static unsigned long rounds;
static struct {
	int fd;
	pthread_t thread;
	unsigned long io, mmio, hlt;
} vcpus[MAX_VCPUS];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* The first 2 MB of the guest's memory at KERNEL_BASE. */
static void map_kernel(unsigned char *memory)
{
	unsigned long long *tables = (void *)(memory + PAGE_TABLES);

	tables[511] = (PAGE_TABLES + 0x1000) | 3;
	tables[512 + 510] = (PAGE_TABLES + 0x2000) | 3;
	tables[1024] = 0x83;
}

/* Some kernels want a processor that knows long mode before they let it be set. */
static void know_all(int kvm, int vcpu)
{
	static struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[256];
	} cpuid = { .head.nent = 256 };

	if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, &cpuid) < 0 || ioctl(vcpu, KVM_SET_CPUID2, &cpuid) < 0)
		die("cpuid");
}

static void long_mode(struct kvm_sregs *sregs)
{
	struct kvm_segment code = { .limit = ~0u, .selector = 8, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1 };
	struct kvm_segment data = { .limit = ~0u, .selector = 16, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1 };

	sregs->cs = code;
	sregs->ds = sregs->es = sregs->ss = data;
	sregs->cr3 = PAGE_TABLES;
	sregs->cr4 = 1 << 5;            /* PAE */
	sregs->efer = 1 << 8 | 1 << 10; /* LME, LMA */
	sregs->cr0 = 0x80000011;        /* PG, ET, PE */
}

static void *run_vcpu(void *arg)
{
	int n = (int)(long)arg, fd = vcpus[n].fd;
	struct kvm_run *run = mmap(NULL, (size_t)mmap_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	struct kvm_regs regs = { .rip = CODE, .rflags = 2, .rdi = rounds };
	struct kvm_sregs sregs;

	if (run == MAP_FAILED)
		die("mmap vcpu");
	ioctl(fd, KVM_GET_SREGS, &sregs);
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	sregs.ds.base = 0xa0000;
	sregs.ds.selector = 0xa000;
	if (in_kernel) {
		long_mode(&sregs);
		regs.rip += KERNEL_BASE;
	}
	if (ioctl(fd, KVM_SET_SREGS, &sregs) < 0 || ioctl(fd, KVM_SET_REGS, &regs) < 0)
		die("set registers");
	for (;;) {
		if (ioctl(fd, KVM_RUN, 0) < 0)
			die("KVM_RUN");
		if (run->exit_reason == KVM_EXIT_MMIO) {
			vcpus[n].mmio++;
		} else if (run->exit_reason == KVM_EXIT_HLT) {
			vcpus[n].hlt++;
		} else if (run->exit_reason == KVM_EXIT_IO) {
			vcpus[n].io++;
			if (run->io.port == 0x3f9)
				return NULL;
		} else {
			fprintf(stderr, "unexpected exit %u\n", run->exit_reason);
			exit(1);
		}
	}
}

int main(int argc, char **argv)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), n, count = argc > 2 ? atoi(argv[2]) : 1;
	unsigned long io = 0, mmio = 0, hlt = 0;
	struct kvm_userspace_memory_region region = { .memory_size = SIZE };
	void *memory;

	rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000;
	in_kernel = argc > 3 && strcmp(argv[3], "kernel") == 0;
	if (rounds == 0 || count < 1 || count > MAX_VCPUS)
		return fprintf(stderr, "usage: kvm-user ROUNDS [VCPUS [kernel]]\n"), 2;
	if (kvm < 0 || (vm_fd = ioctl(kvm, KVM_CREATE_VM, 0)) < 0)
		die("/dev/kvm");
	memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		die("memory");
	if (in_kernel) {
		memcpy((char *)memory + CODE, kernel_code, sizeof(kernel_code));
		map_kernel(memory);
	} else {
		memcpy((char *)memory + CODE, guest_code, sizeof(guest_code));
	}
	region.userspace_addr = (unsigned long)memory;
	mmap_size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (ioctl(vm_fd, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		die("memory");
	for (n = 0; n < count; n++) {
		if ((vcpus[n].fd = ioctl(vm_fd, KVM_CREATE_VCPU, n)) < 0)
			die("vcpu");
		if (in_kernel)
			know_all(kvm, vcpus[n].fd);
	}
	for (n = 0; n < count; n++)
		pthread_create(&vcpus[n].thread, NULL, run_vcpu, (void *)(long)n);
	for (n = 0; n < count; n++) {
		pthread_join(vcpus[n].thread, NULL);
		io += vcpus[n].io;
		mmio += vcpus[n].mmio;
		hlt += vcpus[n].hlt;
	}
	printf("{\"vcpus\":%d,\"rounds\":%lu,\"cpuid\":%lu,\"io\":%lu,\"mmio\":%lu,\"hlt\":%lu}\n", count, rounds,
	       rounds * (unsigned long)count, io, mmio, hlt);
	return 0;
}
