// PSPGAN_CPU_CLONES before a function compiles it for several generations of x86-64; the loader picks the
// one that the machine has. So one build is fast everywhere, which -march=native would not be. Loops that
// are to profit must be inlined into the function.
#pragma once

#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#if __GNUC__ >= 12
#define PSPGAN_CPU_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#endif
#endif

#ifndef PSPGAN_CPU_CLONES
#define PSPGAN_CPU_CLONES
#endif
