// What AddressSanitizer and ThreadSanitizer have to be told about fibers. In a build without them every
// function here does nothing.
//
// AddressSanitizer wants to know the bounds of the stack that runs. ThreadSanitizer takes every fiber for a
// thread, so that two of them touching one cell is a race unless something orders them: `order_memory`, which
// the scheduler calls where threads meet.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <stdexcept>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
extern "C" {
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#endif

namespace simt {

#if defined(__SANITIZE_THREAD__)
constexpr bool under_thread_sanitizer = true;
#else
constexpr bool under_thread_sanitizer = false;
#endif

// One flow of control, a fiber or the program that launched it: where it rests, and how the sanitizers know it.
struct Flow {
  void* stack_pointer = nullptr;
  const void* stack = nullptr;  // lowest byte
  std::size_t stack_bytes = 0;
  void* asan_frames = nullptr;
  void* tsan_thread = nullptr;
};

// While one lives, ThreadSanitizer overlooks what this flow reads and writes: the emulator's own bookkeeping,
// which is not the kernel's doing.
class Bookkeeping {
 public:
#if defined(__SANITIZE_THREAD__)
  Bookkeeping() {
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  }
  ~Bookkeeping() {
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  }
#else
  Bookkeeping() {}
#endif
  Bookkeeping(const Bookkeeping&) = delete;
};

// To be called on the stack of `from` just before the switch ...
[[gnu::no_sanitize("thread")]] inline void leave_flow(
    [[maybe_unused]] Flow& from, [[maybe_unused]] const Flow& to, [[maybe_unused]] bool for_good) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(for_good ? nullptr : &from.asan_frames, to.stack, to.stack_bytes);
#endif
#if defined(__SANITIZE_THREAD__)
  __tsan_switch_to_fiber(to.tsan_thread, __tsan_switch_to_fiber_no_sync);
#endif
}

// ... and on that of `to` just after it. Learns the bounds of the stack left: those of the host are known to
// AddressSanitizer alone.
[[gnu::no_sanitize("thread")]] inline void enter_flow([[maybe_unused]] Flow& from, [[maybe_unused]] Flow& to) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(to.asan_frames, &from.stack, &from.stack_bytes);
#endif
}

// To be called before a stack is given back. AddressSanitizer would remember the frames of a fiber that was left
// in the middle, and take them for those of the next that lives there.
inline void forget_frames([[maybe_unused]] const void* stack, [[maybe_unused]] std::size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(stack, bytes);
#endif
}

#if defined(__SANITIZE_THREAD__)
// Calls __tsan_release or __tsan_acquire in the name of a thread that rests. Nothing instrumented may run
// meanwhile.
[[gnu::no_sanitize("thread")]] inline void in_the_name_of(void* tsan_thread, void (*call)(void*), void* object) {
  void* const self = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(tsan_thread, __tsan_switch_to_fiber_no_sync);
  call(object);
  __tsan_switch_to_fiber(self, __tsan_switch_to_fiber_no_sync);
}
#endif

// Everything that any of the flows has done so far comes before everything that any of them does next. They
// all rest, but perhaps the caller's.
inline void order_memory([[maybe_unused]] std::span<const Flow* const> flows) {
#if defined(__SANITIZE_THREAD__)
  const auto meeting = std::make_unique<char>();  // heap memory: ThreadSanitizer forgets its past when it is freed
  for (const Flow* flow : flows) {
    in_the_name_of(flow->tsan_thread, &__tsan_release, meeting.get());
  }
  for (const Flow* flow : flows) {
    in_the_name_of(flow->tsan_thread, &__tsan_acquire, meeting.get());
  }
#endif
}

// ThreadSanitizer's threads for one launch: another for every thread of the grid, because the second user of
// one would pass for the first. The next launch may use them again, since everything before a launch, and
// everything in it, is ordered before what follows. (To make one takes 0.6 ms.)
class TsanThreads {
 public:
  TsanThreads(const TsanThreads&) = delete;
#if defined(__SANITIZE_THREAD__)
  TsanThreads() { __tsan_release(&meeting_); }
  void* next() {
    if (n_used_ == most) {
      throw std::length_error("simt: more than 8000 threads in a launch, which ThreadSanitizer has not");
    }
    if (n_used_ == pool_.size()) {
      pool_.push_back(__tsan_create_fiber(0));
    }
    void* const thread = pool_[n_used_++];
    in_the_name_of(thread, &__tsan_acquire, &meeting_);
    return thread;
  }
  ~TsanThreads() {
    for (std::size_t i = 0; i < n_used_; ++i) {
      in_the_name_of(pool_[i], &__tsan_release, &meeting_);
    }
    __tsan_acquire(&meeting_);
  }

 private:
  static constexpr std::size_t most = 8000;  // of the 8128 that the program can have
  inline static std::vector<void*> pool_;
  inline static char meeting_ = 0;
  std::size_t n_used_ = 0;
#else
  TsanThreads() {}
  void* next() { return nullptr; }
#endif
};

inline void* tsan_thread_of_caller() {
#if defined(__SANITIZE_THREAD__)
  return __tsan_get_current_fiber();
#else
  return nullptr;
#endif
}

}  // namespace simt
