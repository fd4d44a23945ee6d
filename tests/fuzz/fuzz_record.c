/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: record_account_read, record_bet_read, record_market_read, record_terminal_read,
 * record_identity_read, record_checkpoint_read, record_object_read, log_walk_begin, log_walk_next,
 * log_run_read.
 *
 * First byte, bits 0 to 2: the record kind (1 to 6), 7 an object, 0 a log block behind the 8 bytes
 * of its key, or with bit 3 a run of the log's index in the same form; bit 7: header or checksum
 * are made right first. What is accepted is the input, byte for byte.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lmdb-schema/log.h"
#include "lmdb-schema/log_index.h"
#include "lmdb-schema/rows.h"
#include "tests/fuzz/fuzz.h"

#define FIX    0x80u
#define RUN    0x08u
#define OBJECT 7u /* has no header: not a record_kind */

static union {
	struct record_account_full account;
	struct record_bet_full bet;
	struct record_market market;
	struct record_terminal_full terminal;
	struct record_identity identity;
	struct record_checkpoint checkpoint;
	struct object_bytes object;
	uint8_t bytes[sizeof(struct record_identity) + 1024];
} out;

static int read_record(unsigned kind, struct db_bytes bytes)
{
	switch (kind) {
	case RECORD_ACCOUNT:
		return record_account_read(bytes, &out.account);
	case RECORD_BET:
		return record_bet_read(bytes, &out.bet);
	case RECORD_MARKET:
		return record_market_read(bytes, &out.market);
	case RECORD_TERMINAL:
		return record_terminal_read(bytes, &out.terminal);
	case RECORD_IDENTITY:
		return record_identity_read(bytes, &out.identity);
	case OBJECT:
		return record_object_read(bytes, &out.object);
	default:
		return record_checkpoint_read(bytes, &out.checkpoint);
	}
}

static void use_record(unsigned kind, int fix, uint8_t *data, size_t size)
{
	struct record_header header;
	int result;

	if (fix && kind != OBJECT && size >= sizeof(header)) {
		header = record_header_make((enum record_kind)kind, size);
		memcpy(data, &header, sizeof(header));
	}
	memset(&out, 0xa5, sizeof(out));
	result = read_record(kind, (struct db_bytes){ data, size });
	SLUICE_REQUIRE(result == 0 || result == -EBADMSG);
	if (result == 0) {
		SLUICE_REQUIRE(size <= sizeof(out) && memcmp(&out, data, size) == 0);
	} else {
		for (size_t i = 0; i < sizeof(out); i++) /* nothing written */
			SLUICE_REQUIRE(out.bytes[i] == 0xa5);
	}
}

static void use_block(int fix, uint8_t *data, size_t size)
{
	struct db_bytes key = { data, 8 }, value, event;
	struct log_block_header header;
	struct event_record record;
	struct log_walk walk;
	uint64_t lsn;
	uint32_t seen = 0;
	int result;

	if (size < 8 || size > LIMIT_LOG_BLOCK_SIZE + 16)
		return;
	value = (struct db_bytes){ data + 8, size - 8 };
	if (fix && value.size >= sizeof(header)) {
		memcpy(&header, data + 8, sizeof(header));
		log_block_seal(
		    data + 8, le32_get(header.count), (uint32_t)(value.size - sizeof(header)));
	}
	if (log_walk_begin(&walk, key, value, 1) != 0)
		return;
	SLUICE_REQUIRE(db_key_number(key, &lsn) == 0 && lsn != 0);
	memcpy(&header, data + 8, sizeof(header));
	while ((result = log_walk_next(&walk, &event)) == 1) {
		const uint8_t *at = event.data;

		SLUICE_REQUIRE(at >= data + 8 + sizeof(header) && at + event.size <= data + size);
		memcpy(&record, at, sizeof(record));
		SLUICE_REQUIRE(le64_get(record.lsn) == lsn + seen);
		SLUICE_REQUIRE(le16_get(record.length) == event.size);
		seen++;
	}
	SLUICE_REQUIRE(result == 0 || result == -EBADMSG);
	SLUICE_REQUIRE(result != 0 || seen == le32_get(header.count));
}

/* With FIX the checksum and the entries are not asked for: any entry is read. */
static void use_run(int fix, const uint8_t *data, size_t size)
{
	struct log_run run = { 0 };
	uint64_t sum = 0;
	int result;

	if (size < 8)
		return;
	result = log_run_read(
	    &run, (struct db_bytes){ data, 8 }, (struct db_bytes){ data + 8, size - 8 }, !fix);
	SLUICE_REQUIRE(result == 0 || result == -EBADMSG);
	if (result != 0)
		return;
	SLUICE_REQUIRE(run.first_lsn != 0 && run.first_lsn <= run.last_lsn);
	for (uint64_t i = 0; i < run.count; i++) {
		struct log_run_entry entry = log_run_entry_at(&run, i);

		sum += le64_get(entry.lsn);
		SLUICE_REQUIRE(fix || (le64_get(entry.lsn) >= run.first_lsn &&
		                          le64_get(entry.lsn) <= run.last_lsn));
	}
	(void)sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned kind;
	uint8_t *copy;

	if (size < 1 || size > 2 * LIMIT_LOG_BLOCK_SIZE)
		return 0;
	kind = data[0] & 7u;
	/* Of exactly this size, so that a sanitizer sees a read behind the end. */
	copy = malloc(size > 1 ? size - 1 : 1);
	SLUICE_REQUIRE(copy != NULL);
	memcpy(copy, data + 1, size - 1);
	if (kind >= RECORD_ACCOUNT && kind <= OBJECT)
		use_record(kind, (data[0] & FIX) != 0, copy, size - 1);
	else if ((data[0] & RUN) != 0)
		use_run((data[0] & FIX) != 0, copy, size - 1);
	else
		use_block((data[0] & FIX) != 0, copy, size - 1);
	free(copy);
	return 0;
}
