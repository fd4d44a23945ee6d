/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two kinds of assertion.
 *
 * SLUICE_REQUIRE: always on. For money, journal and state: going on would be worse than stopping,
 * because recovery from the journal is defined and recovery from wrong money is not.
 * SLUICE_DEBUG_ASSERT: compiled out unless SLUICE_DEBUG is set. For the packet path.
 */
#ifndef SLUICE_WIRE_ASSERT_H
#define SLUICE_WIRE_ASSERT_H

#include <stdio.h>
#include <stdlib.h>

_Noreturn static inline void sluice_require_failed(
    const char *condition, const char *file, int line, const char *function)
{
	fprintf(stderr, "%s:%d: %s: invariant broken: %s\n", file, line, function, condition);
	abort();
}

#define SLUICE_REQUIRE(condition)                                                                  \
	do {                                                                                       \
		if (__builtin_expect(!(condition), 0))                                             \
			sluice_require_failed(#condition, __FILE__, __LINE__, __func__);           \
	} while (0)

#ifdef SLUICE_DEBUG
#define SLUICE_DEBUG_ASSERT(condition) SLUICE_REQUIRE(condition)
#else
#define SLUICE_DEBUG_ASSERT(condition) ((void)sizeof(!(condition)))
#endif

#define SLUICE_MUST_USE        __attribute__((warn_unused_result))
#define SLUICE_LIKELY(x)       __builtin_expect(!!(x), 1)
#define SLUICE_UNLIKELY(x)     __builtin_expect(!!(x), 0)
#define SLUICE_CACHE_LINE_SIZE 64
#define SLUICE_CACHE_ALIGNED   __attribute__((aligned(SLUICE_CACHE_LINE_SIZE)))
#define SLUICE_ARRAY_COUNT(a)  (sizeof(a) / sizeof((a)[0]))

#endif
