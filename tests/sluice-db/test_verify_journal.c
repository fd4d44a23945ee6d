/* SPDX-License-Identifier: Apache-2.0 */
/* `sluice-db verify` and a damaged journal; and what it says to a wrong command line. */
#include "tests/sluice-db/copy.h"

/* ---- Journal ---- */

TEST(flipped_byte_in_a_batch_that_a_later_header_proves_durable)
{
	struct copy copy;

	/* The last header of the chain before it knows of nothing that far. */
	copy_make(&copy);
	copy_batch_flip(&copy, base.batch_first[BEHIND_LOG - 3]);
	copy_refused(&copy, base.batch_first[BEHIND_LOG - 3], "body checksum wrong");
}

TEST(flipped_byte_in_a_batch_the_log_holds_too)
{
	struct copy copy;
	const uint64_t second = WORLD_ACCOUNTS + WORLD_MARKETS + 1; /* batch of the journal */

	copy_make(&copy);
	copy_batch_flip(&copy, second);
	copy_refused(&copy, second, "body checksum wrong");
}

TEST(flipped_byte_in_the_first_batch_of_the_journal)
{
	struct copy copy;

	copy_make(&copy);
	copy_batch_flip(&copy, 0);
	copy_refused(&copy, base.log_last + 1, "does not begin with a valid batch");
}

/* Nothing says that the last batch was acknowledged: recovery cuts it, and verify agrees. */
TEST(flipped_byte_in_the_very_last_batch_is_a_crash_not_damage)
{
	char arguments[128];
	struct copy copy;
	json_t *answer;

	copy_make(&copy);
	copy_batch_flip(&copy, base.batch_first[BEHIND_LOG - 1]);
	snprintf(arguments, sizeof(arguments), "verify --json --root '%s'", copy.root);
	assert_int_equal(run(arguments, &answer), 0);
	assert_int_equal(json_integer_value(json_object_get(answer, "events")),
	    base.batch_first[BEHIND_LOG - 1] - 1);
	json_decref(answer);
	directory_remove(copy.root);
}

/* ---- Command line ---- */

TEST(nothing_there_is_3)
{
	assert_int_equal(run("verify --root /nonexistent/sluice", NULL), 3);
	assert_int_equal(run("verify --json --root /nonexistent/sluice", NULL), 3);
}

TEST(usage_is_2)
{
	static const char *const wrong[] = { "", "verfy", "verify verify", "verify --surprise",
		"verify --shard x", "verify --shard 100000", "verify --root" };

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(wrong); i++)
		assert_case_equal(i, run(wrong[i], NULL), 2);
}

TEST_MAIN()
