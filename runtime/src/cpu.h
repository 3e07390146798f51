/// What this CPU and its operating system can run.
#ifndef ATTUNE_SRC_CPU_H
#define ATTUNE_SRC_CPU_H

#include <stdint.h>

/// The ATTUNE_CPU_… bits (attune/kernel.h) of this machine; detected once. 0 on other architectures.
uint32_t attune_cpu_features(void);
/// errno with which the system refused matrix tiles to this process, though the CPU has them; 0: it did not.
int attune_tile_refusal(void);
/// Name of one ATTUNE_CPU_… bit for messages, e.g. "avx2, fma and f16c".
const char *attune_cpu_feature_name(uint32_t bit);

#endif
