#include "waiter.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "transport.h"

namespace ktop {

Waiter::Waiter() {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  event_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (epoll_ < 0 || event_ < 0) {
    const int error = errno;
    if (epoll_ >= 0) close(epoll_);
    if (event_ >= 0) close(event_);
    throw Failure(Failure::kHost, std::string("cannot wait for events: ") + strerror(error) + "; raise ulimit -n");
  }
  add(event_);
}

Waiter::~Waiter() {
  close(epoll_);
  close(event_);
}

void Waiter::add(int fd) {
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.fd = fd;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
}

void Waiter::remove(int fd) { epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr); }

void Waiter::wait(int timeout_ms) {
  epoll_event ready[16];
  const int n = epoll_wait(epoll_, ready, 16, timeout_ms);
  for (int i = 0; i < n; i++) {
    if (ready[i].data.fd == event_) {
      uint64_t count;
      (void)!read(event_, &count, sizeof count);
    } else if (ready[i].events & (EPOLLERR | EPOLLHUP) && !(ready[i].events & EPOLLIN)) {
      remove(ready[i].data.fd);  // its CPU went away: it would wake us for ever
    }
  }
}

bool Waiter::wait_for_wake(int timeout_ms) {
  pollfd p = {event_, POLLIN, 0};
  if (poll(&p, 1, timeout_ms) <= 0) return false;
  uint64_t count;
  (void)!read(event_, &count, sizeof count);
  return true;
}

void Waiter::wake() {
  const uint64_t one = 1;
  (void)!write(event_, &one, sizeof one);
}

}  // namespace ktop
