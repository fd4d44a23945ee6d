/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/disk.h"

#include "tests/test.h"
#include "wire/assert.h"

#define MIB (1ull << 20)

TEST(quota_and_floor_are_left_with_a_little_more_room)
{
	static const struct {
		struct disk_limits limits;
		enum disk_state before;
		uint64_t used, free;
		enum disk_state after;
	} cases[] = {
		{ { 0, 0 }, DISK_ROOM, UINT64_MAX, 0, DISK_ROOM },
		{ { 640 * MIB, 0 }, DISK_ROOM, 640 * MIB - 1, 0, DISK_ROOM },
		{ { 640 * MIB, 0 }, DISK_ROOM, 640 * MIB, 0, DISK_QUOTA },
		{ { 640 * MIB, 0 }, DISK_QUOTA, 640 * MIB - 1, 0, DISK_QUOTA },
		{ { 640 * MIB, 0 }, DISK_QUOTA, 630 * MIB, 0, DISK_QUOTA },
		{ { 640 * MIB, 0 }, DISK_QUOTA, 630 * MIB - 1, 0, DISK_ROOM },
		{ { 0, 80 * MIB }, DISK_ROOM, 0, 80 * MIB, DISK_ROOM },
		{ { 0, 80 * MIB }, DISK_ROOM, 0, 80 * MIB - 1, DISK_FLOOR },
		{ { 0, 80 * MIB }, DISK_FLOOR, 0, 90 * MIB - 1, DISK_FLOOR },
		{ { 0, 80 * MIB }, DISK_FLOOR, 0, 90 * MIB, DISK_ROOM },
		/* Both: the floor is said, it may be somebody else's doing. */
		{ { 640 * MIB, 80 * MIB }, DISK_ROOM, 640 * MIB, 79 * MIB, DISK_FLOOR },
		{ { 640 * MIB, 80 * MIB }, DISK_FLOOR, 640 * MIB, 100 * MIB, DISK_QUOTA },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++)
		assert_int_equal(
		    disk_judge(&cases[i].limits, cases[i].before, cases[i].used, cases[i].free),
		    cases[i].after);
}

TEST_MAIN()
