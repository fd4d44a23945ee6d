/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fuzz target is one file with LLVMFuzzerTestOneInput. With -Dfuzzing=libfuzzer (clang) libFuzzer
 * drives it; otherwise replay.c does: every seed as it is, then seeded mutations of each. An
 * invariant that does not hold stops the program (SLUICE_REQUIRE).
 */
#ifndef SLUICE_TESTS_FUZZ_H
#define SLUICE_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
