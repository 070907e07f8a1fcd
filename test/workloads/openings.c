// Opens files in ways that are told apart only by what happens to their
// descriptors. One way a line, from argv:
//   fifo PATH           opens it for reading, which waits for a writer
//   keep PATH MS        opens, waits, closes
//   thread PATH MS      a second thread closes
//   exit PATH MS        nobody closes
//   dup PATH MS         duplicates, closes the first at once and the other
//   later socket MS           a socket, kept io PATH READS WRITES SIZE writes,
//   then reads
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int fd;
static int ms;

static void wait_ms(void) { usleep((useconds_t)ms * 1000); }

static void *close_it(void *unused) {
  (void)unused;
  wait_ms();
  close(fd);
  return NULL;
}

int main(int argc, char **argv) {
  if (argc < 3)
    return 2;
  const char *how = argv[1], *path = argv[2];
  prctl(PR_SET_NAME, "w-openings");
  ms = argc > 3 ? atoi(argv[3]) : 0;
  if (strcmp(how, "socket") == 0) {
    ms = atoi(argv[2]);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    wait_ms();
    close(fd);
    return 0;
  }
  if (strcmp(how, "io") == 0) {
    const int reads = atoi(argv[3]), writes = atoi(argv[4]),
              size = atoi(argv[5]);
    char *bytes = calloc(1, (size_t)size);
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    const int copy = dup(fd);
    for (int i = 0; i < writes; i++)
      if (write(i % 2 ? copy : fd, bytes, (size_t)size) != size)
        return 1;
    for (int i = 0; i < reads; i++)
      if (pread(fd, bytes, (size_t)size, 0) != size)
        return 1;
    if (pread(fd, NULL, (size_t)size, 0) != -1)
      return 1;
    fsync(fd);
    close(fd);
    close(copy);
    return 0;
  }
  fd = open(path, O_RDONLY);
  if (fd < 0)
    return 1;
  if (strcmp(how, "fifo") == 0)
    return 0;
  if (strcmp(how, "keep") == 0) {
    wait_ms();
    close(fd);
  } else if (strcmp(how, "thread") == 0) {
    pthread_t thread;
    pthread_create(&thread, NULL, close_it, NULL);
    pthread_join(thread, NULL);
  } else if (strcmp(how, "exit") == 0) {
    wait_ms();
    _exit(0);
  } else if (strcmp(how, "dup") == 0) {
    const int other = dup(fd);
    close(fd);
    wait_ms();
    close(other);
  } else {
    return 2;
  }
  return 0;
}
