/// Drivers are shared libraries that are opened when first needed, so that programs start and run on CPUs where there is none.
#ifndef ATTUNE_SRC_DEVICE_DRIVER_H
#define ATTUNE_SRC_DEVICE_DRIVER_H

#include "attune/attention.h"

#include <stdatomic.h>
#include <stdbool.h>

/// A function of the library, and where its address goes. Optional ones stay null where the driver is too old to have them.
typedef struct attune_driver_symbol {
    const char *name;
    void **address;
    bool is_optional;
} attune_driver_symbol;

typedef struct attune_driver {
    const char *api;         ///< "CUDA"
    const char *variable;    ///< environment variable that names another library
    const char *names[2];    ///< tried in this order; the second may be null
    const attune_driver_symbol *symbols;
    size_t num_symbols;
    attune_status (*start)(void);  ///< after loading, before anything else; may be null
    void *handle;
    atomic_bool is_ready;
} attune_driver;

/// Opens the library, finds all symbols and starts the driver, unless that is done. What failed is tried again by the next call.
attune_status attune_load_driver(attune_driver *driver);

#endif
