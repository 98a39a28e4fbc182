// Elements of tensors in float32 or bfloat16, a few neighbours at a time. Arithmetic is in float32 always; what is stored in bfloat16
// is rounded to the nearest.
#pragma once
#include <cuda_bf16.h>

using bf16 = __nv_bfloat16;

// Few are V neighbouring elements of a row.
template <int V>
struct Few { float at[V]; };

// low and high are the elements of a pair in bfloat16, which lie in the two halves of a word.
__device__ inline float low(unsigned pair) { return __uint_as_float(pair << 16); }
__device__ inline float high(unsigned pair) { return __uint_as_float(pair & 0xffff0000u); }

// unpack takes elements from registers as they lie in memory.
__device__ inline Few<4> unpack(float4 v) { return {v.x, v.y, v.z, v.w}; }
__device__ inline Few<2> unpack(unsigned v) { return {low(v), high(v)}; }
__device__ inline Few<4> unpack(uint2 v) { return {low(v.x), high(v.x), low(v.y), high(v.y)}; }
__device__ inline Few<8> unpack(uint4 v) {
    return {low(v.x), high(v.x), low(v.y), high(v.y), low(v.z), high(v.z), low(v.w), high(v.w)};
}

// Packed<T, V> is the type of V elements of type T in registers, as unpack takes them.
template <typename T, int V> struct Pack;
template <> struct Pack<float, 4> { using type = float4; };
template <> struct Pack<bf16, 2> { using type = unsigned; };
template <> struct Pack<bf16, 4> { using type = uint2; };
template <> struct Pack<bf16, 8> { using type = uint4; };
template <typename T, int V> using Packed = typename Pack<T, V>::type;

// load reads V elements, at once where V > 1: then they begin at a multiple of their size, which is 16 bytes at most.
template <int V, typename T>
__device__ Few<V> load(const T *p) {
    if constexpr (V == 1)
        return {(float)*p};
    else
        return unpack(*(const Packed<T, V> *)p);
}

// pair is two elements from i on, rounded, in a word.
template <int V>
__device__ unsigned pair(const Few<V> &few, int i) {
    __nv_bfloat162 v = __floats2bfloat162_rn(few.at[i], few.at[i + 1]);
    return *(unsigned *)&v;
}

// store writes V elements, as load reads them.
template <int V>
__device__ void store(float *p, const Few<V> &few) {
    if constexpr (V == 1)
        *p = few.at[0];
    else
        *(float4 *)p = {few.at[0], few.at[1], few.at[2], few.at[3]};
}

template <int V>
__device__ void store(bf16 *p, const Few<V> &few) {
    if constexpr (V == 1) {
        *p = __float2bfloat16_rn(few.at[0]);
    } else if constexpr (V == 4) {
        *(uint2 *)p = {pair(few, 0), pair(few, 2)};
    } else {
        static_assert(V == 8);
        *(uint4 *)p = {pair(few, 0), pair(few, 2), pair(few, 4), pair(few, 6)};
    }
}

// row_of is where row i of a matrix begins. Rows in bfloat16 begin at multiples of 16 bytes, those in float32 follow one another.
template <typename T>
__device__ T *row_of(T *matrix, int i, int columns) {
    return matrix + (size_t)i * (sizeof(T) == sizeof(bf16) ? (columns + 7) / 8 * 8 : columns);
}
