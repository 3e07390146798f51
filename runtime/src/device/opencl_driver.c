#include "opencl_driver.h"

#include "driver.h"
#include "status.h"

attune_opencl_functions attune_opencl;

static const attune_driver_symbol symbols[] = {
#define NEEDED(type, function, parameters) {#function, (void **)&attune_opencl.function, false},
    ATTUNE_OPENCL_FUNCTIONS(NEEDED)};

attune_status attune_load_opencl(void) {
    static attune_driver driver = {.api = "OpenCL",
                                   .variable = "ATTUNE_OPENCL_LIBRARY",
                                   .names = {"libOpenCL.so.1", "libOpenCL.so"},
                                   .symbols = symbols,
                                   .num_symbols = sizeof symbols / sizeof *symbols};
    return attune_load_driver(&driver);
}

const char *attune_opencl_error_name(int32_t result) {
    // Of cl.h those that calls made here can give.
    static const char *const names[] = {[1] = "CL_DEVICE_NOT_FOUND",
                                        [2] = "CL_DEVICE_NOT_AVAILABLE",
                                        [3] = "CL_COMPILER_NOT_AVAILABLE",
                                        [4] = "CL_MEM_OBJECT_ALLOCATION_FAILURE",
                                        [5] = "CL_OUT_OF_RESOURCES",
                                        [6] = "CL_OUT_OF_HOST_MEMORY",
                                        [11] = "CL_BUILD_PROGRAM_FAILURE",
                                        [12] = "CL_MAP_FAILURE",
                                        [13] = "CL_MISALIGNED_SUB_BUFFER_OFFSET",
                                        [30] = "CL_INVALID_VALUE",
                                        [32] = "CL_INVALID_PLATFORM",
                                        [33] = "CL_INVALID_DEVICE",
                                        [34] = "CL_INVALID_CONTEXT",
                                        [36] = "CL_INVALID_COMMAND_QUEUE",
                                        [38] = "CL_INVALID_MEM_OBJECT",
                                        [44] = "CL_INVALID_PROGRAM",
                                        [45] = "CL_INVALID_PROGRAM_EXECUTABLE",
                                        [46] = "CL_INVALID_KERNEL_NAME",
                                        [48] = "CL_INVALID_KERNEL",
                                        [49] = "CL_INVALID_ARG_INDEX",
                                        [50] = "CL_INVALID_ARG_VALUE",
                                        [51] = "CL_INVALID_ARG_SIZE",
                                        [52] = "CL_INVALID_KERNEL_ARGS",
                                        [54] = "CL_INVALID_WORK_GROUP_SIZE",
                                        [55] = "CL_INVALID_WORK_ITEM_SIZE",
                                        [59] = "CL_INVALID_OPERATION",
                                        [61] = "CL_INVALID_BUFFER_SIZE",
                                        [63] = "CL_INVALID_GLOBAL_WORK_SIZE"};
    const int64_t index = -(int64_t)result;
    const char *name = index > 0 && index < (int64_t)(sizeof names / sizeof *names) ? names[index] : NULL;
    return name ? name : "an error";
}

attune_status attune_opencl_code(int32_t result) {
    const bool is_memory = result == ATTUNE_CL_MEM_OBJECT_ALLOCATION_FAILURE || result == ATTUNE_CL_OUT_OF_HOST_MEMORY;
    return is_memory ? ATTUNE_OUT_OF_MEMORY : ATTUNE_DEVICE;
}

attune_status attune_opencl_status(int32_t result, const char *function) {
    if (result == 0)
        return ATTUNE_OK;
    return attune_fail(attune_opencl_code(result), "%s failed with %s (%d)", function, attune_opencl_error_name(result), result);
}
