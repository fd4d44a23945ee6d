/* SPDX-License-Identifier: Apache-2.0 */
/* When the tables take their memory. */
#include <sys/mman.h>
#include <unistd.h>

#include "dataplane/ledger/ledger_internal.h"
#include "tests/ledger/fixture.h"

/* Pages of the tables that are there, and all of them. */
static size_t pages_resident(const struct ledger *ledger, size_t *all)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), resident = 0;

	*all = 0;
	for (unsigned i = 0; i < ledger->arena_count; i++) {
		size_t count = (ledger->arenas[i].size + page - 1) / page;
		unsigned char *there = malloc(count);

		assert_non_null(there);
		assert_int_equal(
		    mincore(ledger->arenas[i].start, ledger->arenas[i].size, there), 0);
		for (size_t k = 0; k < count; k++)
			resident += there[k] & 1u;
		*all += count;
		free(there);
	}
	return resident;
}

TEST(memory_is_taken_at_the_start_or_when_rows_are_used)
{
	for (uint8_t populate = 0; populate <= 1; populate++) {
		struct ledger_config config = fixture_config(100000, 0);
		struct ledger *ledger;
		size_t resident, all;

		config.populate = populate;
		ledger = ledger_create(&config);
		assert_non_null(ledger);
		resident = pages_resident(ledger, &all);
		assert_true(all > 1000);
		assert_true(populate ? resident == all : resident < all / 10);
		assert_true(ledger_bytes(ledger) <= all * (size_t)sysconf(_SC_PAGESIZE));
		assert_true(ledger_bytes(ledger) > 100000u * sizeof(struct account_row));
		ledger_free(ledger);
	}
}

TEST_MAIN()
