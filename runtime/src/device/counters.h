/// What drivers were asked for: attune_device_read_counters.
#ifndef ATTUNE_SRC_DEVICE_COUNTERS_H
#define ATTUNE_SRC_DEVICE_COUNTERS_H

typedef enum attune_counter {
    ATTUNE_COPIES_TO_DEVICE,
    ATTUNE_COPIES_FROM_DEVICE,
    ATTUNE_ALLOCATIONS,
    ATTUNE_KERNELS_LOADED,
    ATTUNE_LAUNCHES,
    ATTUNE_NUM_COUNTERS
} attune_counter;

void attune_count(attune_counter counter);

#endif
