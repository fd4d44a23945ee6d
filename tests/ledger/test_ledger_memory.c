/* SPDX-License-Identifier: Apache-2.0 */
/* When the tables take their memory. */
#include <sys/mman.h>
#include <unistd.h>

#include "dataplane/ledger/ledger_internal.h"
#include "tests/ledger/fixture.h"

#define HUGE_PAGE ((size_t)2 << 20)

/* Pages of the tables that are there; all that are to be populated, and all that are spare but for
 * huge pages that reach into others: tables may lie side by side. */
struct pages {
	size_t resident, all, spare_resident, spare;
};

static struct pages pages_of(const struct ledger *ledger)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct pages pages = { 0 };

	for (unsigned i = 0; i < ledger->arena_count; i++) {
		size_t count = (ledger->arenas[i].size + page - 1) / page;
		size_t first = ledger->arenas[i].size - ledger->arenas[i].spare;
		size_t taken = (first + page - 1) / page;
		size_t spare = (first + HUGE_PAGE) / page, last = count - HUGE_PAGE / page;
		unsigned char *there = malloc(count);

		assert_non_null(there);
		assert_int_equal(
		    mincore(ledger->arenas[i].start, ledger->arenas[i].size, there), 0);
		for (size_t k = 0; k < taken; k++)
			pages.resident += there[k] & 1u;
		pages.all += taken;
		for (size_t k = spare; count * page > HUGE_PAGE && k < last; k++, pages.spare++)
			pages.spare_resident += there[k] & 1u;
		free(there);
	}
	return pages;
}

TEST(memory_is_taken_at_the_start_or_when_rows_are_used)
{
	for (uint8_t populate = 0; populate <= 1; populate++) {
		struct ledger_config config = fixture_config(100000, 0);
		struct ledger *ledger;
		struct pages pages;

		config.bets_max = 400000;
		config.bets_spare = 200000;
		config.objects_spare = config.objects_max / 2;
		config.populate = populate;
		ledger = ledger_create(&config);
		assert_non_null(ledger);
		pages = pages_of(ledger);
		assert_true(pages.all > 1000);
		assert_true(
		    populate ? pages.resident == pages.all : pages.resident < pages.all / 10);
		/* Further legs, the queue of those that retire, the last rows. */
		assert_true(pages.spare * 4096 > 300000u * sizeof(struct bet_overflow));
		assert_int_equal(pages.spare_resident, 0);
		assert_true(
		    ledger_bytes_populated(ledger) <= pages.all * (size_t)sysconf(_SC_PAGESIZE));
		assert_true(ledger_bytes_populated(ledger) > 100000u * sizeof(struct account_row));
		assert_true(ledger_bytes(ledger) >
		            ledger_bytes_populated(ledger) + 400000u * sizeof(struct bet_overflow));
		ledger_free(ledger);
	}
}

TEST_MAIN()
