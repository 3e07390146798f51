// C (16 x 8) = A (16 x 32) * B (8 x 32)^T in f16, staged by cp.async, one warp.
#include <cuda_fp16.h>
extern "C" __global__ void tile_product(const __half *A, const __half *B, float *C) {
    extern __shared__ __align__(16) __half tile[];
    __half *a = tile, *b = tile + 16 * 32;
    int l = threadIdx.x;
    auto copy = [](__half *to, const __half *from) {
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"((unsigned)__cvta_generic_to_shared(to)), "l"(from));
    };
    for (int i = l; i < 16 * 32 / 8; i += 32) copy(a + 8 * i, A + 8 * i);
    for (int i = l; i < 8 * 32 / 8; i += 32) copy(b + 8 * i, B + 8 * i);
    asm volatile("cp.async.commit_group; cp.async.wait_group 0;" ::: "memory");
    __syncthreads();
    float c[4] = {0, 0, 0, 0};
    for (int k = 0; k < 32; k += 16) {
        unsigned ra[4], rb[2];
        unsigned pa = (unsigned)__cvta_generic_to_shared(a + (l % 16) * 32 + k + l / 16 * 8);
        unsigned pb = (unsigned)__cvta_generic_to_shared(b + (l % 8) * 32 + k + l / 8 % 2 * 8);
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];" : "=r"(ra[0]), "=r"(ra[1]), "=r"(ra[2]), "=r"(ra[3]) : "r"(pa));
        asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];" : "=r"(rb[0]), "=r"(rb[1]) : "r"(pb));
        asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                     : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3]) : "r"(ra[0]), "r"(ra[1]), "r"(ra[2]), "r"(ra[3]), "r"(rb[0]), "r"(rb[1]));
    }
    for (int e = 0; e < 4; e++) C[(l / 4 + 8 * (e / 2)) * 8 + 2 * (l % 4) + e % 2] = c[e];
}
