/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/sim.h"
#include "tests/test.h"

TEST(begins)
{
	sim_seed(1);
	sim_disk_reset();
	assert_int_equal(sim_disk_step(), 0);
}

TEST_MAIN()
