/* SPDX-License-Identifier: Apache-2.0 */
/* xoshiro256** (Blackman, Vigna 2018), seeded by splitmix64. */
#include <string.h>
#include <sys/random.h>

#include "tests/sim/disk.h"

static uint64_t state[4];

static uint64_t rotate(uint64_t value, int bits)
{
	return value << bits | value >> (64 - bits);
}

void sim_seed(uint64_t seed)
{
	for (int i = 0; i < 4; i++) {
		uint64_t z = (seed += 0x9e3779b97f4a7c15ull);

		z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
		z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
		state[i] = z ^ (z >> 31);
	}
	sim_clock_reset();
}

uint64_t sim_random(void)
{
	uint64_t result = rotate(state[1] * 5, 7) * 9, shifted = state[1] << 17;

	state[2] ^= state[0];
	state[3] ^= state[1];
	state[1] ^= state[2];
	state[0] ^= state[3];
	state[2] ^= shifted;
	state[3] = rotate(state[3], 45);
	return result;
}

uint64_t sim_below(uint64_t bound)
{
	/* Multiply and shift: the bias of 2^-64 x bound is of no matter here. */
	return (uint64_t)(((unsigned __int128)sim_random() * bound) >> 64);
}

int sim_chance(uint32_t n)
{
	return n != 0 && sim_below(1000000) < n;
}

ssize_t __wrap_getrandom(void *to, size_t size, unsigned flags)
{
	uint8_t *at = to;

	(void)flags;
	for (size_t done = 0; done < size;) {
		uint64_t value = sim_random();
		size_t part = size - done < sizeof(value) ? size - done : sizeof(value);

		memcpy(at + done, &value, part);
		done += part;
	}
	return (ssize_t)size;
}
