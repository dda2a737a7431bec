// Runs one planted fault, or every sound twin, and says what happened: `faults NAME` or `faults sound`.
//
// A result that is wrong under some schedule exits with 1, a fault that the emulator names with 3, what a
// sanitizer finds with its own code.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string_view>

#include "cases.h"

namespace {

constexpr int n_schedule = 8;

// One launch under each schedule: first everything in order, then random ones.
int run(std::string_view name, bool (*right)()) {
  int wrong = 0;
  for (int schedule = 0; schedule < n_schedule; ++schedule) {
    simt::config().shuffle = schedule > 0;
    simt::config().seed = schedule;
    try {
      wrong += !right();
    } catch (const std::exception& fault) {
      std::printf("%.*s: %s\n", static_cast<int>(name.size()), name.data(), fault.what());
      return 3;
    }
  }
  if (wrong == 0) {
    std::printf("%.*s: right under %d schedules\n", static_cast<int>(name.size()), name.data(), n_schedule);
    return 0;
  }
  std::printf(
      "%.*s: wrong under %d of %d schedules\n", static_cast<int>(name.size()), name.data(), wrong, n_schedule);
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace self_test;
  const std::string_view wanted = argc == 2 ? argv[1] : "";
  bool found = false;
  int worst = 0;
  for (const auto* cases : {&barrier_cases, &warp_cases, &memory_cases, &launch_cases}) {
    for (const Case& a_case : *cases) {
      if (wanted == "list") {
        std::printf("%.*s\n", static_cast<int>(a_case.name.size()), a_case.name.data());
        found = true;
      } else if (wanted == "sound" || wanted == a_case.name) {
        worst = std::max(worst, run(a_case.name, wanted == "sound" ? a_case.sound : a_case.planted));
        found = true;
      }
    }
  }
  if (!found) {
    std::fprintf(stderr, "usage: faults NAME | sound | list\n");
    return 2;
  }
  return worst;
}
