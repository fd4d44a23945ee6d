/* SPDX-License-Identifier: Apache-2.0 */
/* What the ledger's tests share: a clock, requests and commands in one line each. */
#ifndef SLUICE_TESTS_LEDGER_FIXTURE_H
#define SLUICE_TESTS_LEDGER_FIXTURE_H

#include "dataplane/ledger/ledger.h"
#include "tests/test.h"

#define SECOND 1000000000ull
#define HOUR   (3600 * SECOND)
#define DAY    (24 * HOUR)
/* 09:00 of the operator's day (Seoul): a day is never crossed by accident. */
#define NOW (20000 * DAY)
/* Accounts and markets of the fixture come into being here. */
#define OPENED      (NOW - 1000 * SECOND)
#define NO_DEADLINE UINT64_MAX
#define KRW         410

static inline struct ledger_config fixture_config(uint32_t capacity, int track)
{
	struct ledger_config config = {
		.shard_count = 1,
		.accounts_max = capacity,
		.bets_max = capacity,
		.markets_max = capacity,
		.terminals_max = capacity,
		.objects_max = capacity,
		.track_checkpoint = (uint8_t)track,
	};

	ids_bucket_map_default(&config.buckets, 1);
	return config;
}

static inline struct ledger *fixture_create(uint32_t capacity, int track)
{
	struct ledger_config config = fixture_config(capacity, track);
	struct ledger *ledger = ledger_create(&config);

	assert_non_null(ledger);
	return ledger;
}

static inline uint16_t fixture_code(const struct event_buffer *event)
{
	struct event_record record;

	memcpy(&record, event->bytes, sizeof(record));
	return le16_get(record.code);
}

static inline struct event_record fixture_record(const struct event_buffer *event)
{
	struct event_record record;

	memcpy(&record, event->bytes, sizeof(record));
	return record;
}

static inline int fixture_command(
    struct ledger *ledger, const struct ledger_command *command, uint64_t time_ns)
{
	struct event_buffer event;
	int length = ledger_decide_command(ledger, command, time_ns, &event);

	if (length <= 0)
		return length;
	assert_int_equal(event_check(event.bytes, (size_t)length), 0);
	assert_int_equal(ledger_apply(ledger, event.bytes, (size_t)length), 0);
	return length;
}

static inline int fixture_account(
    struct ledger *ledger, uint64_t id, int64_t amount, uint16_t currency)
{
	struct ledger_command command = {
		.type = EVENT_ACCOUNT_OPEN, .account_id = id, .amount = amount, .currency = currency
	};

	return fixture_command(ledger, &command, OPENED);
}

static inline struct ledger_command fixture_market_command(
    uint64_t id, uint64_t event_id, uint64_t version, uint8_t state, uint64_t start_ns)
{
	struct ledger_command command = { .type = EVENT_MARKET_SET, .market_id = id };

	command.market.event_id = le64_make(event_id);
	command.market.version = le64_make(version);
	command.market.start_time_ns = le64_make(start_ns);
	command.market.state = state;
	command.market.kind = MARKET_KIND_1X2;
	command.market.selection_count = 3;
	command.market.odds[0] = le32_make(2000);
	command.market.odds[1] = le32_make(3500);
	command.market.odds[2] = le32_make(25000);
	return command;
}

static inline int fixture_market(struct ledger *ledger, uint64_t id, uint64_t event_id,
    uint64_t version, uint8_t state, uint64_t start_ns)
{
	struct ledger_command command =
	    fixture_market_command(id, event_id, version, state, start_ns);

	return fixture_command(ledger, &command, OPENED);
}

/* Decides and applies; the event stays in *event. Returns its length or decide's error. */
static inline int fixture_request(struct ledger *ledger, const struct wire_request *wire,
    uint64_t terminal_id, int64_t terminal_staked, uint64_t time_ns, struct event_buffer *event)
{
	struct ledger_request request = {
		.wire = wire, .terminal_id = terminal_id, .terminal_staked_today = terminal_staked
	};
	int length = ledger_decide(ledger, &request, time_ns, event);

	if (length <= 0)
		return length;
	assert_int_equal(event_check(event->bytes, (size_t)length), 0);
	assert_int_equal(ledger_apply(ledger, event->bytes, (size_t)length), 0);
	return length;
}

#endif
