// No signal comes to the calling thread while one of these lives, nor ever to a thread that it starts meanwhile: signals are for the
// thread that waits for them.
#pragma once

#include <pthread.h>

#include <csignal>

namespace prefork::net {

class SignalsHeld {
 public:
  SignalsHeld() {
    sigset_t all;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsHeld() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsHeld(const SignalsHeld&) = delete;
  SignalsHeld& operator=(const SignalsHeld&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace prefork::net
