/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of risk_model.c, risk_quick.c and risk_features.c: the compiler's vectors, as wide as the
 * machine's, so that it builds everywhere. Where the compiler does not see what AVX-512 could do in
 * one instruction, it is told (lanes_mask). */
#ifndef SLUICE_RISK_LANES_H
#define SLUICE_RISK_LANES_H

#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#include <immintrin.h>
#define LANES 16
#elif defined(__AVX__)
#define LANES 8
#else
#define LANES 4
#endif
typedef float lanes_float __attribute__((vector_size(4 * LANES)));
typedef int32_t lanes_int __attribute__((vector_size(4 * LANES)));

/*
 * Loops over lanes are written out where that is measured. Under sanitizers a hundred checks a node
 * would be written out with them, and take the compiler minutes.
 */
#ifdef __has_feature /* clang's way to say it */
#if __has_feature(address_sanitizer)
#define LANES_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LANES_SANITIZED 1
#endif
#ifdef LANES_SANITIZED
#define LANES_UNROLL(times)
#define LANES_INLINE
#else
#define LANES_PRAGMA(text)  _Pragma(#text)
#define LANES_UNROLL(times) LANES_PRAGMA(GCC unroll times)
#define LANES_INLINE        __attribute__((always_inline))
#endif

static inline lanes_float lanes_load(const float *values)
{
	lanes_float lanes;

	memcpy(&lanes, values, sizeof(lanes));
	return lanes;
}

/* Which lanes of a comparison: bits where the machine has such. */
#if defined(__AVX512F__)
typedef __mmask16 lanes_mask;

static inline lanes_mask lanes_at_least(lanes_float value, float least)
{
	return _mm512_cmp_ps_mask((__m512)value, _mm512_set1_ps(least), _CMP_GE_OQ);
}

static inline lanes_mask lanes_missing(lanes_float value)
{
	return _mm512_cmp_ps_mask((__m512)value, (__m512)value, _CMP_UNORD_Q);
}

static inline lanes_mask lanes_mask_all(int all)
{
	return all ? 0xffff : 0;
}

static inline lanes_int lanes_mix(lanes_mask which, lanes_int yes, lanes_int no)
{
	return (lanes_int)_mm512_mask_blend_epi32(which, (__m512i)no, (__m512i)yes);
}
#else
typedef lanes_int lanes_mask;

static inline lanes_mask lanes_at_least(lanes_float value, float least)
{
	return (lanes_mask)(value >= least);
}

static inline lanes_mask lanes_missing(lanes_float value)
{
	return (lanes_mask)(value != value);
}

static inline lanes_mask lanes_mask_all(int all)
{
	return (lanes_mask){ 0 } - all;
}

static inline lanes_int lanes_mix(lanes_mask which, lanes_int yes, lanes_int no)
{
	return (which & yes) | (~which & no);
}
#endif

typedef uint32_t lanes_word __attribute__((vector_size(4 * LANES)));

/* Of each lane the number of zeros before its first bit, 32 without one; and table[lane], of 32. */
#if defined(__AVX512F__) && defined(__AVX512CD__)
#define LANES_LOOK_UP 1

static inline lanes_word lanes_zeros(lanes_word value)
{
	return (lanes_word)_mm512_lzcnt_epi32((__m512i)value);
}

static inline lanes_word lanes_look_up(const uint32_t table[32], lanes_word lanes)
{
	return (lanes_word)_mm512_permutex2var_epi32(
	    _mm512_loadu_si512(table), (__m512i)lanes, _mm512_loadu_si512(table + 16));
}
#endif

static inline lanes_int lanes_choose(lanes_int which, lanes_int yes, lanes_int no)
{
	return (which & yes) | (~which & no);
}

#endif
