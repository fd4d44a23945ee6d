/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of risk_model.c and risk_features.c: the compiler's vectors, as wide as the machine's. No
 * intrinsics, and it builds everywhere. */
#ifndef SLUICE_RISK_LANES_H
#define SLUICE_RISK_LANES_H

#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX__)
#define LANES 8
#else
#define LANES 4
#endif
typedef float lanes_float __attribute__((vector_size(4 * LANES)));
typedef int32_t lanes_int __attribute__((vector_size(4 * LANES)));

static inline lanes_float lanes_load(const float *values)
{
	lanes_float lanes;

	memcpy(&lanes, values, sizeof(lanes));
	return lanes;
}

static inline lanes_int lanes_choose(lanes_int which, lanes_int yes, lanes_int no)
{
	return (which & yes) | (~which & no);
}

#endif
