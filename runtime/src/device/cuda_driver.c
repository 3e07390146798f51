#include "cuda_driver.h"

#include "driver.h"
#include "status.h"

attune_cuda_functions attune_cuda;

static const attune_driver_symbol symbols[] = {
#define NEEDED(function, parameters) {#function, (void **)&attune_cuda.function, false},
#define OPTIONAL(function, parameters) {#function, (void **)&attune_cuda.function, true},
    ATTUNE_CUDA_FUNCTIONS(NEEDED) ATTUNE_CUDA_OPTIONAL_FUNCTIONS(OPTIONAL)};

static attune_status start(void) {
    const int result = attune_cuda.cuInit(0);
    if (result == ATTUNE_CU_NO_DEVICE)
        return attune_fail(ATTUNE_DEVICE, "the CUDA driver finds no device");
    return attune_cuda_status(result, "cuInit");
}

attune_status attune_load_cuda(void) {
    static attune_driver driver = {.api = "CUDA",
                                   .variable = "ATTUNE_CUDA_LIBRARY",
                                   .names = {"libcuda.so.1", "libcuda.so"},
                                   .symbols = symbols,
                                   .num_symbols = sizeof symbols / sizeof *symbols,
                                   .start = start};
    return attune_load_driver(&driver);
}

attune_status attune_cuda_status(int result, const char *function) {
    if (result == 0)
        return ATTUNE_OK;
    const char *name = NULL, *text = NULL;
    attune_cuda.cuGetErrorName(result, &name);
    attune_cuda.cuGetErrorString(result, &text);
    return attune_fail(result == ATTUNE_CU_OUT_OF_MEMORY ? ATTUNE_OUT_OF_MEMORY : ATTUNE_DEVICE, "%s failed with %s (%d): %s", function,
                       name ? name : "an unknown error", result, text ? text : "no description");
}
