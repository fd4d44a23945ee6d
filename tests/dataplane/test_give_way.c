/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/give_way.h"

#include "tests/test.h"
#include "wire/assert.h"

#define SECOND_NS 1000000000ull

TEST(the_store_gives_way_to_a_walk_for_a_while_and_not_without_end)
{
	static const struct {
		struct give_way_look look;
		int gives_way;
	} turns[] = {
		{ { .walking = 0, .now_ns = 7 * SECOND_NS }, 0 },
		{ { .walking = 1, .now_ns = 8 * SECOND_NS }, 1 },
		{ { .walking = 1, .now_ns = 9 * SECOND_NS, .journal_crowded = 1 }, 0 },
		{ { .walking = 1, .now_ns = 9 * SECOND_NS, .events_left = GIVE_WAY_EVENTS_MAX - 1 },
		    1 },
		{ { .walking = 1, .now_ns = 9 * SECOND_NS, .events_left = GIVE_WAY_EVENTS_MAX },
		    0 },
		{ { .walking = 1, .now_ns = 8 * SECOND_NS + GIVE_WAY_NS_MAX - 1 }, 1 },
		/* From here on the walk is on its own, however little is left. */
		{ { .walking = 1, .now_ns = 8 * SECOND_NS + GIVE_WAY_NS_MAX }, 0 },
		{ { .walking = 1, .now_ns = 60 * SECOND_NS }, 0 },
		/* The next one begins anew. */
		{ { .walking = 0, .now_ns = 61 * SECOND_NS }, 0 },
		{ { .walking = 1, .now_ns = 62 * SECOND_NS }, 1 },
		{ { .walking = 0, .now_ns = 63 * SECOND_NS, .journal_crowded = 1 }, 0 },
	};
	uint64_t since_ns = 0;

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(turns); i++)
		assert_int_equal(give_way_judge(&since_ns, &turns[i].look), turns[i].gives_way);
}

TEST_MAIN()
