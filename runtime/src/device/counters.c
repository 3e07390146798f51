#include "counters.h"

#include "attune/device.h"

#include <stdatomic.h>

static atomic_ullong counters[ATTUNE_NUM_COUNTERS];

void attune_count(attune_counter counter) {
    atomic_fetch_add_explicit(&counters[counter], 1, memory_order_relaxed);
}

static uint64_t read(attune_counter counter) {
    return atomic_load_explicit(&counters[counter], memory_order_relaxed);
}

void attune_device_read_counters(attune_device_counters *to) {
    if (to)
        *to = (attune_device_counters){.copies_to_device = read(ATTUNE_COPIES_TO_DEVICE),
                                       .copies_from_device = read(ATTUNE_COPIES_FROM_DEVICE),
                                       .allocations = read(ATTUNE_ALLOCATIONS),
                                       .kernels_loaded = read(ATTUNE_KERNELS_LOADED),
                                       .launches = read(ATTUNE_LAUNCHES)};
}
