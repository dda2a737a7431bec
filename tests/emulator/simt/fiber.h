// Fibers: functions that can pause in the middle and be resumed, each on a stack of its own. A switch costs a
// few nanoseconds and leaves the operating system out of it, so that a block of 256 GPU threads is cheap.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <new>
#include <utility>

#include "simt/sanitizers.h"

#if !defined(__x86_64__)
#error "simt: switching stacks is written for x86-64 only"
#endif

namespace simt {

// Memory for one fiber's frames. The page below it is forbidden, so that an overflow stops the program.
class Stack {
 public:
  static constexpr std::size_t bytes = 256 * 1024;  // reserved; pages that are never touched cost nothing

  Stack() {
    void* const pages = mmap(nullptr, guard + bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pages == MAP_FAILED) {
      throw std::bad_alloc();
    }
    pages_ = static_cast<std::byte*>(pages);
    if (mprotect(begin(), bytes, PROT_READ | PROT_WRITE) != 0) {
      munmap(pages_, guard + bytes);
      throw std::bad_alloc();
    }
  }
  Stack(Stack&& other) noexcept : pages_(std::exchange(other.pages_, nullptr)) {}
  ~Stack() {
    if (pages_ != nullptr) {
      munmap(pages_, guard + bytes);
    }
  }
  std::byte* begin() const { return pages_ + guard; }

 private:
  static constexpr std::size_t guard = 4096;
  std::byte* pages_;
};

// Pushes the registers that a function must preserve, leaves the stack pointer at `*save`, and continues
// where another flow had done the same: on the stack `load`, by its `ret`. (noipa: callers must not conclude
// from these few lines which registers survive.)
[[gnu::naked, gnu::noipa, gnu::no_sanitize("address", "thread", "undefined")]] inline void swap_stacks(void** /*save*/, void* /*load*/) {
  asm volatile(
      "pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15\n"
      "movq %rsp, (%rdi); movq %rsi, %rsp\n"
      "popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp; ret");
}

inline void switch_flow(Flow& from, Flow& to, bool for_good = false) {
  leave_flow(from, to, for_good);
  swap_stacks(&from.stack_pointer, to.stack_pointer);
  enter_flow(to, from);  // back again, and always from where we went
}

class Fiber {
 public:
  // Makes `body` what runs on `stack` when the fiber is next resumed, as the thread that ThreadSanitizer knows
  // as `tsan_thread`. What the fiber did before is forgotten.
  void prepare(const Stack& stack, std::ptrdiff_t offset, void* tsan_thread, void (*body)()) {
    // As if swap_stacks had been called at the beginning of `enter`: six registers, then the place to return to,
    // above which lies the stack as a function finds it, 8 bytes off a multiple of 16. The zero in between is the
    // return address of `enter`, where backtraces end.
    void** const top = reinterpret_cast<void**>(stack.begin() + Stack::bytes - offset) - 2;
    top[1] = nullptr;
    top[0] = reinterpret_cast<void*>(&enter);
    for (int i = 1; i <= 6; ++i) {
      top[-i] = nullptr;
    }
    flow_ = {top - 6, stack.begin(), Stack::bytes, nullptr, tsan_thread};
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
#if defined(__SANITIZE_ADDRESS__)
  [[gnu::no_sanitize("address")]]  // its frame is never left, and would stay poisoned for the stack's next user
#endif
  static void enter() {
    enter_flow(host_, running_->flow_);
    try {
      running_->body_();
    } catch (...) {
      running_->error_ = std::current_exception();
    }
    const bool for_good = true;
    switch_flow(running_->flow_, host_, for_good);
    __builtin_unreachable();
  }

  inline static Flow host_;
  inline static Fiber* running_ = nullptr;

  Flow flow_;
  void (*body_)() = nullptr;
  std::exception_ptr error_;
};

}  // namespace simt
