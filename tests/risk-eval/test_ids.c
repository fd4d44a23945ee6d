/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"
#include "tools/risk-eval/ids.h"

TEST(numbers_in_order_of_first_sight)
{
	struct eval_ids ids = { 0 };
	uint32_t number;

	for (unsigned round = 0; round < 2; round++)
		for (uint64_t i = 0; i < 5000; i++) {
			uint64_t id = i == 0 ? 0 : UINT64_MAX - i * 1024;

			assert_int_equal(eval_ids_number(&ids, id, &number), 0);
			assert_int_equal(number, i);
		}
	assert_int_equal(ids.count, 5000);
	eval_ids_free(&ids);
	assert_int_equal(ids.count, 0);
}

TEST_MAIN()
