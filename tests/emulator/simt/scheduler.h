// Runs one block: its threads take turns, in an order drawn at random, and meet at barriers.
//
// A thread runs until it has to wait: in __syncthreads() for the whole block, or in an operation of its warp
// (__syncwarp, a shuffle, a vote) for the lanes that its mask names. It may go on once all are there. When
// nobody can go on, the kernel has diverged, and the report says who waits where.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "simt/thread.h"

namespace simt {

// Lanes of one warp on their way to the same operation with the same mask.
struct Meeting {
  Place place;
  unsigned mask, arrived;
};

struct Warp {
  unsigned first = 0;           // number of the thread that is lane 0
  std::vector<unsigned> ready;  // numbers of threads
  std::vector<Meeting> meetings;
};

enum class Memory { unordered, ordered };

class Block {
 public:
  using Random = std::mt19937;

  Block(dim3 size, void (*body)()) : body_(body), threads_(size.x * size.y * size.z) {
    for (unsigned number = 0; number < threads_.size(); ++number) {
      threads_[number].number = number;
      threads_[number].index = {number % size.x, number / size.x % size.y, number / (size.x * size.y)};
    }
    warps_.resize((threads_.size() + warp_size - 1) / warp_size);
    for (unsigned warp = 0; warp < warps_.size(); ++warp) {
      warps_[warp].first = warp * warp_size;
    }
  }
  Block(const Block&) = delete;
  ~Block() { running_ = nullptr; }

  // Runs every thread to its end. Without `random` they take turns in the order of their numbers.
  void run(const Stacks& stacks, TsanThreads& tsan_threads, Random* random) {
    random_ = random;
    // Turns change after every wait in one half of the blocks. In the other a warp goes on as long as it can,
    // so that it gets far ahead of the others, which is what a missing barrier needs to be seen.
    one_warp_at_a_time_ = random_ == nullptr || (*random_)() % 2 == 0;
    n_at_barrier_ = n_returned_ = 0;
    turn_ = nullptr;
    for (Thread& thread : threads_) {
      thread.fiber.prepare(stacks[thread.number], stack_offset(thread.number), tsan_threads.next(), &run_thread);
      make_ready(thread);
    }
    running_ = this;
    while (n_returned_ < threads_.size()) {
      if (runnable_.empty()) {
        report_who_waits();
      }
      current_ = &next();
      position.thread_index = current_->index;
      current_->fiber.resume();
    }
  }

  // The two below are called by the thread that runs.

  void wait_for_block(Place place) {
    arrive_at_barrier(place);
    Fiber::pause();
  }

  Exchange wait_for_warp(const char* operation, unsigned mask, Exchange exchange, Memory memory, Place place) {
    Thread& self = *current_;
    arrive_in_warp(operation, mask, exchange, memory, place);
    Fiber::pause();
    return self.exchange;
  }

  const Thread& current() const { return *current_; }

  // The block that runs.
  static Block& running() {
    if (running_ == nullptr) {
      throw Fault("device code was called outside a kernel");
    }
    return *running_;
  }

 private:
  // Stacks begin at different places of a page: at the same, all of them would compete for a few cache lines.
  static std::size_t stack_offset(unsigned number) { return number % 32 * 128; }

  // What each fiber runs.
  static void run_thread() {
    running_->body_();
    Bookkeeping unseen;
    running_->current_->state = State::returned;
    ++running_->n_returned_;
  }

  void make_ready(Thread& thread) {
    thread.state = State::ready;
    Warp& warp = warps_[thread.number / warp_size];
    if (warp.ready.empty()) {
      runnable_.push_back(&warp);
    }
    warp.ready.push_back(thread.number);
  }

  // A number below n, which is small; 0 where nothing is random.
  std::size_t draw(std::size_t n) { return random_ != nullptr ? std::uint64_t{(*random_)()} * n >> 32 : 0; }

  // Whose turn it is; takes it off the lists of those who could run.
  Thread& next() {
    if (!one_warp_at_a_time_ || turn_ == nullptr || turn_->ready.empty()) {
      turn_ = runnable_[draw(runnable_.size())];
    }
    const std::size_t drawn = draw(turn_->ready.size());
    Thread& thread = threads_[turn_->ready[drawn]];
    turn_->ready.erase(turn_->ready.begin() + static_cast<std::ptrdiff_t>(drawn));
    if (turn_->ready.empty()) {
      std::erase(runnable_, turn_);
    }
    return thread;
  }

  void stop(State state, const char* operation, const Place& place, unsigned mask) {
    current_->state = state;
    current_->operation = operation;
    current_->place = place;
    current_->mask = mask;
  }

  void arrive_at_barrier(const Place& place) {
    Bookkeeping unseen;
    stop(State::at_barrier, "__syncthreads", place, 0);
    if (++n_at_barrier_ == threads_.size()) {
      release_barrier();
    }
  }

  void release_barrier() {
    std::vector<const Flow*> flows;
    for (Thread& thread : threads_) {
      if (!same(thread.place, current_->place)) {
        fail_in_block(
            "divergent __syncthreads: some threads wait at ", thread.place, ", others at ", current_->place);
      }
      flows.push_back(&thread.fiber.flow());
      make_ready(thread);
    }
    n_at_barrier_ = 0;
    order_memory(flows);
  }

  void arrive_in_warp(
      const char* operation, unsigned mask, const Exchange& exchange, Memory memory, const Place& place) {
    Bookkeeping unseen;
    const unsigned own = 1u << current_->lane();
    if ((mask & own) == 0) {
      fail_in_thread(place, "lane outside its own mask: ", operation);
    }
    stop(State::in_warp, operation, place, mask);
    current_->exchange = exchange;
    Warp& warp = warps_[current_->number / warp_size];
    Meeting& meeting = meeting_of(warp, mask, place);
    meeting.arrived |= own;
    if (meeting.arrived == mask) {
      warp.meetings.erase(warp.meetings.begin() + (&meeting - warp.meetings.data()));
      release_lanes(warp, mask, memory);
    }
  }

  static Meeting& meeting_of(Warp& warp, unsigned mask, const Place& place) {
    for (Meeting& meeting : warp.meetings) {
      if (meeting.mask == mask && same(meeting.place, place)) {
        return meeting;
      }
    }
    return warp.meetings.emplace_back(Meeting{place, mask, 0});
  }

  // All lanes of the mask have come: each receives what its source sent, and may go on.
  void release_lanes(Warp& warp, unsigned mask, Memory memory) {
    unsigned votes = 0;
    std::vector<const Flow*> flows;
    for_lanes(
        warp, mask, [&](Thread& thread) { votes |= (thread.exchange.sent != 0 ? 1u : 0u) << thread.lane(); });
    for_lanes(warp, mask, [&](Thread& thread) {
      thread.exchange.votes = votes;
      thread.exchange.received = threads_[warp.first + thread.exchange.source].exchange.sent;
      if (memory == Memory::ordered) {
        flows.push_back(&thread.fiber.flow());
      }
      make_ready(thread);
    });
    order_memory(flows);
  }

  template <typename Action>
  void for_lanes(const Warp& warp, unsigned mask, Action action) {
    for (; mask != 0; mask &= mask - 1) {
      action(threads_[warp.first + static_cast<unsigned>(std::countr_zero(mask))]);
    }
  }

  [[noreturn]] void report_who_waits() const {
    for (const Warp& warp : warps_) {
      if (!warp.meetings.empty()) {
        report_warp(warp);
      }
    }
    const auto at_barrier = [](const Thread& thread) { return thread.state == State::at_barrier; };
    const Place place = std::find_if(threads_.begin(), threads_.end(), at_barrier)->place;
    const std::string returned = text(n_returned_, " of ", threads_.size(), " threads have returned");
    fail_in_block("__syncthreads after a return: ", returned, ", the others wait at ", place);
  }

  // "divergent warp 0: lanes 0-19 wait in __shfl_xor_sync at kernel.cu:12, mask ffffffff; lanes 20-31 have
  // returned"
  [[noreturn]] void report_warp(const Warp& warp) const {
    std::map<std::string, unsigned> lanes_by_state;
    for (unsigned number = warp.first; number < threads_.size() && number < warp.first + warp_size; ++number) {
      lanes_by_state[description(threads_[number])] |= 1u << number % warp_size;
    }
    std::string report = text("divergent warp ", warp.first / warp_size);
    const char* separator = ": ";
    for (const auto& [state, lanes] : lanes_by_state) {
      report += text(separator, "lanes ", ranges(lanes), " ", state);
      separator = "; ";
    }
    fail_in_block(report);
  }

  inline static Block* running_ = nullptr;

  void (*const body_)();
  std::vector<Thread> threads_;
  std::vector<Warp> warps_;
  std::vector<Warp*> runnable_;  // those with threads that are ready
  Warp* turn_ = nullptr;         // the warp that ran last
  Thread* current_ = nullptr;
  std::size_t n_at_barrier_ = 0, n_returned_ = 0;
  Random* random_ = nullptr;
  bool one_warp_at_a_time_ = true;
};

}  // namespace simt
