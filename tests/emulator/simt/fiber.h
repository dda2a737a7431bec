// Fibers: functions that can pause in the middle and be resumed, each on a stack of its own. A switch costs a
// few nanoseconds and leaves the operating system out of it, so that a block of 256 GPU threads is cheap.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <exception>
#include <new>
#include <utility>

#include "simt/sanitizers.h"

#if !defined(__x86_64__)
#error "simt: switching stacks is written for x86-64 only"
#endif

namespace simt {

// Memory for the frames of n fibers. Below each stack lies a forbidden page: an overflow stops the program.
class Stacks {
 public:
  static constexpr std::size_t bytes = 64 * 1024;  // of each; pages that are never touched cost nothing

  explicit Stacks(std::size_t n) : n_(n) {
    void* const pages = mmap(nullptr, n * stride, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pages == MAP_FAILED) {
      throw std::bad_alloc();
    }
    pages_ = static_cast<std::byte*>(pages);
    for (std::size_t i = 0; i < n; ++i) {
      if (mprotect((*this)[i], bytes, PROT_READ | PROT_WRITE) != 0) {
        munmap(pages_, n * stride);
        throw std::bad_alloc();
      }
    }
  }
  Stacks(const Stacks&) = delete;
  ~Stacks() {
    forget_frames(pages_, n_ * stride);
    munmap(pages_, n_ * stride);
  }

  std::size_t size() const { return n_; }

  // The lowest byte of stack i.
  std::byte* operator[](std::size_t i) const { return pages_ + i * stride + guard; }

 private:
  static constexpr std::size_t guard = 4096, stride = guard + bytes;
  std::byte* pages_;
  const std::size_t n_;
};

// Pushes the registers that a function must preserve, leaves the stack pointer at `*save`, and continues
// where another flow had done the same: on the stack `load`, by its `ret`. (noipa: callers must not conclude
// from these few lines which registers survive.)
[[gnu::naked, gnu::noipa, gnu::no_sanitize("address", "thread", "undefined")]] inline void swap_stacks(
    void** /*save*/, void* /*load*/) {
  asm volatile(
      "pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15\n"
      "movq %rsp, (%rdi); movq %rsi, %rsp\n"
      "popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp; ret");
}

// Here and in Fiber::enter ThreadSanitizer's record of calls must not grow: who leaves for good never returns.
[[gnu::no_sanitize("thread")]] inline void switch_flow(Flow& from, Flow& to, bool for_good = false) {
  leave_flow(from, to, for_good);
  swap_stacks(&from.stack_pointer, to.stack_pointer);
  enter_flow(to, from);  // back again, and always from where we went
}

class Fiber {
 public:
  // Makes `body` what runs when the fiber is next resumed, on `stack` below its last `offset` bytes, as the
  // thread that ThreadSanitizer knows as `tsan_thread`. What the fiber did before is forgotten.
  void prepare(std::byte* stack, std::size_t offset, void* tsan_thread, void (*body)()) {
    // As if swap_stacks had been called at the beginning of `enter`: six registers, then the place to return to,
    // above which lies the stack as a function finds it, 8 bytes off a multiple of 16. The zero in between is the
    // return address of `enter`, where backtraces end.
    void** const top = reinterpret_cast<void**>(stack + Stacks::bytes - offset) - 2;
    top[1] = nullptr;
    top[0] = reinterpret_cast<void*>(&enter);
    for (int i = 1; i <= 6; ++i) {
      top[-i] = nullptr;
    }
    flow_ = {top - 6, stack, Stacks::bytes, nullptr, tsan_thread};
    body_ = body;
    error_ = nullptr;
  }

  // Runs the fiber until it pauses or its body ends. What the body throws is thrown here.
  void resume() {
    host_.tsan_thread = tsan_thread_of_caller();
    running_ = this;
    switch_flow(host_, flow_);
    if (error_) {
      std::rethrow_exception(std::exchange(error_, nullptr));
    }
  }

  // In a fiber: back to who resumed it.
  static void pause() { switch_flow(running_->flow_, host_); }

  const Flow& flow() const { return flow_; }

 private:
  // Not seen by AddressSanitizer, because its frame is never left and would stay poisoned for the next user.
  [[gnu::no_sanitize("address", "thread")]] static void enter() {
    enter_flow(host_, running_->flow_);
    running_->run_body();
    const bool for_good = true;
    switch_flow(running_->flow_, host_, for_good);
    __builtin_unreachable();
  }

  void run_body() {
    try {
      body_();
    } catch (...) {
      Bookkeeping unseen;
      error_ = std::current_exception();
    }
  }

  inline static Flow host_;
  inline static Fiber* running_ = nullptr;

  Flow flow_;
  void (*body_)() = nullptr;
  std::exception_ptr error_;
};

}  // namespace simt
