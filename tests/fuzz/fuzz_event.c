/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: event_check, ledger_apply, ledger_state_hash.
 *
 * The input is a sequence of events as in a log, applied to an empty ledger. Odd first byte: LSNs
 * are set to the gapless order, which a fuzzer rarely hits by itself. Whatever is applied, each
 * currency sums to zero, and what is refused changes nothing of that.
 */
#include <string.h>

#include "dataplane/ledger/ledger.h"
#include "tests/fuzz/fuzz.h"

#define EVENTS_MAX 64

static struct ledger *fresh_ledger(void)
{
	struct ledger_config config = { .shard_count = 1,
		.accounts_max = 128,
		.bets_max = 128,
		.markets_max = 32,
		.terminals_max = 32,
		.objects_max = 128,
		.track_checkpoint = 1 };
	struct ledger *ledger;

	ids_bucket_map_default(&config.buckets, 1);
	ledger = ledger_create(&config);
	SLUICE_REQUIRE(ledger != NULL);
	return ledger;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static _Alignas(8) uint8_t event[LIMIT_EVENT_SIZE_MAX];
	uint16_t currencies[EVENTS_MAX];
	unsigned count = 0;
	struct ledger *ledger = NULL; /* made for the first event: most inputs have none */
	int fix_lsn;

	if (size < 1)
		return 0;
	fix_lsn = data[0] & 1;
	data++, size--;
	while (size > 0 && count < EVENTS_MAX) {
		size_t room = size < sizeof(event) ? size : sizeof(event);
		struct event_record record;
		size_t length;
		int result;

		if (event_check(data, room) != 0)
			break;
		if (ledger == NULL)
			ledger = fresh_ledger();
		SLUICE_REQUIRE(room >= sizeof(record));
		memcpy(&record, data, sizeof(record));
		length = le16_get(record.length);
		SLUICE_REQUIRE(length >= sizeof(record) && length <= room && length % 8 == 0);
		if (fix_lsn)
			record.lsn = le64_make(ledger_shard(ledger)->lsn + 1);
		memcpy(event, data, length);
		memcpy(event, &record, sizeof(record));
		result = ledger_apply(ledger, event, length);
		SLUICE_REQUIRE(result <= 0);
		currencies[count++] = le16_get(record.currency);
		for (unsigned i = 0; i < count; i++)
			SLUICE_REQUIRE(ledger_balance_sum(ledger, currencies[i]) == 0);
		if (result != 0)
			break; /* damage: the caller stops */
		data += length;
		size -= length;
	}
	if (ledger != NULL) {
		(void)ledger_state_hash(ledger);
		ledger_free(ledger);
	}
	return 0;
}
