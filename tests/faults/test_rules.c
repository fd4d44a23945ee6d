/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/faults/rules.h"

#include <errno.h>

#include "tests/test.h"

TEST(a_rule_hits_its_files_and_its_operation_only)
{
	rules_clear();
	assert_int_equal(rules_add("shard-0/journal/* write eio"), 0);
	assert_int_equal(rules_obey("shard-0/journal/journal-1.seg", RULE_WRITE).error, -EIO);
	assert_int_equal(rules_obey("shard-0/journal/journal-1.seg", RULE_SYNC).error, 0);
	assert_int_equal(rules_obey("shard-0/rows/data.mdb", RULE_WRITE).error, 0);
	rules_clear();
	assert_int_equal(rules_obey("shard-0/journal/journal-1.seg", RULE_WRITE).error, 0);
}

TEST(some_are_skipped_and_some_are_hit)
{
	static const int expected[] = { 0, 0, -ENOSPC, -ENOSPC, -ENOSPC, 0, 0 };

	rules_clear();
	assert_int_equal(rules_add("* grow enospc skip=2 count=3"), 0);
	for (unsigned i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		assert_int_equal(rules_obey("a", RULE_GROW).error, expected[i]);
}

TEST(a_torn_write_and_a_lying_sync_say_so)
{
	struct rule_verdict verdict;

	rules_clear();
	assert_int_equal(rules_add("* write torn count=1"), 0);
	assert_int_equal(rules_add("* sync lie"), 0);
	verdict = rules_obey("a", RULE_WRITE);
	assert_true(verdict.error == -EIO && verdict.torn && !verdict.lie);
	verdict = rules_obey("a", RULE_WRITE);
	assert_true(verdict.error == 0 && !verdict.torn);
	verdict = rules_obey("a", RULE_SYNC);
	assert_true(verdict.error == 0 && verdict.lie);
}

TEST(what_is_no_rule_is_refused)
{
	assert_int_equal(rules_add("*"), -EINVAL);
	assert_int_equal(rules_add("* chew eio"), -EINVAL);
	assert_int_equal(rules_add("* write sometimes"), -EINVAL);
	assert_int_equal(rules_add("* write eio often"), -EINVAL);
}

TEST_MAIN()
