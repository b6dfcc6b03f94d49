// A library for LD_PRELOAD: writes below the folder or to the file FAULT_PATH
// fail with the number in the file FAULT_ERRNO_FILE while that file exists.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static int failure(int fd) {
  const char *path = getenv("FAULT_PATH"), *file = getenv("FAULT_ERRNO_FILE");
  char link[64], target[4096], number[16] = {0};
  if (path == NULL || file == NULL || access(file, F_OK) != 0) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, target, sizeof target - 1);
  if (length <= 0) return 0;
  target[length] = 0;
  if (strncmp(target, path, strlen(path)) != 0) return 0;
  int from = open(file, O_RDONLY);
  if (from < 0) return 0;
  read(from, number, sizeof number - 1);
  close(from);
  return atoi(number);
}

#define FAILING(type, name, parameters, arguments)                             \
  type name parameters {                                                       \
    static type(*real) parameters;                                             \
    if (real == NULL) real = dlsym(RTLD_NEXT, #name);                          \
    int number = failure(fd);                                                  \
    if (number == 0) return real arguments;                                    \
    errno = number;                                                            \
    return -1;                                                                 \
  }

FAILING(ssize_t, write, (int fd, const void *bytes, size_t count), (fd, bytes, count))
FAILING(ssize_t, pwrite, (int fd, const void *bytes, size_t count, off_t at), (fd, bytes, count, at))
FAILING(ssize_t, pwrite64, (int fd, const void *bytes, size_t count, off64_t at), (fd, bytes, count, at))
FAILING(ssize_t, writev, (int fd, const struct iovec *parts, int count), (fd, parts, count))
FAILING(ssize_t, pwritev, (int fd, const struct iovec *parts, int count, off_t at), (fd, parts, count, at))
FAILING(ssize_t, pwritev64, (int fd, const struct iovec *parts, int count, off64_t at), (fd, parts, count, at))
FAILING(int, fdatasync, (int fd), (fd))
FAILING(int, fsync, (int fd), (fd))
