/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A synthetic shard: the ledger decides, the store keeps log and rows, as a data plane would leave
 * them. Batches can be added while replication reads.
 */
#ifndef SLUICE_TESTS_CONTROL_REPLICATION_MAKE_LOG_H
#define SLUICE_TESTS_CONTROL_REPLICATION_MAKE_LOG_H

#include <sys/stat.h>

#include "dataplane/store/store.h"
#include "wire/codes.h"

struct maker_options {
	const char *root;
	uint32_t shard, shard_count;
	uint32_t accounts;
	uint64_t events_max; /* room in the ledger */
	uint64_t incarnation;
	uint64_t rotate_size; /* 0: no rotation */
	uint64_t keep_size;
	uint64_t seed;
	uint64_t time_ns, step_ns; /* of the first event; between events */
	uint8_t mixed;  /* also cancellations, deposits, refusals, several legs, and what else there
	                   is  on one shard: make_more.h */
	uint8_t resume; /* goes on where the directory ends, as a restored switch does */
};

struct maker {
	struct maker_options options;
	char path[512];
	struct store_config config;
	struct store *store;
	struct ledger *ledger; /* the worker's */
	uint64_t *account_ids;
	uint64_t random, time_ns, market_version;
	uint64_t withdrawal_id, token, room, round,
	    more_request_id; /* make_more.h: the last ones */
	uint64_t request_ids[64];
	uint64_t bet_ids[1024], bet_terminals[1024], bets;
	uint8_t *open;
	uint32_t open_size, open_count;
	uint64_t open_first;
};

static inline uint64_t maker_random(struct maker *maker)
{
	uint64_t z = (maker->random += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static inline void maker_close_batch(struct maker *maker)
{
	struct journal_batch batch = {
		.header = {
			.first_lsn = le64_make(maker->open_first),
			.incarnation = le64_make(maker->options.incarnation),
			.event_count = le32_make(maker->open_count),
			.body_length = le32_make(maker->open_size),
			.time_ns = le64_make(maker->time_ns),
			.state_hash = le64_make(ledger_state_hash(maker->ledger)),
		},
		.events = maker->open,
	};

	if (maker->open_count == 0)
		return;
	SLUICE_REQUIRE(store_apply_batch(maker->store, &batch) == 0);
	maker->open_size = maker->open_count = 0;
}

static inline void maker_append(struct maker *maker, const struct event_buffer *event, int length)
{
	SLUICE_REQUIRE(length > 0);
	SLUICE_REQUIRE(ledger_apply(maker->ledger, event->bytes, (size_t)length) == 0);
	if (maker->open_size + (uint32_t)length > LIMIT_JOURNAL_BATCH_SIZE_MAX - 128)
		SLUICE_REQUIRE(!"batch too large");
	if (maker->open_count == 0)
		maker->open_first = ledger_shard(maker->ledger)->lsn;
	memcpy(maker->open + maker->open_size, event->bytes, (size_t)length);
	maker->open_size += (uint32_t)length;
	if (++maker->open_count == 400 || maker->open_size > 100000)
		maker_close_batch(maker);
}

static inline void maker_command(struct maker *maker, const struct ledger_command *command)
{
	struct event_buffer event;

	maker_append(
	    maker, &event, ledger_decide_command(maker->ledger, command, maker->time_ns, &event));
}

#define MAKER_MARKETS 8u
#define MAKER_RESULTS 9u /* a market that is settled and opened again */

static inline void maker_market(struct maker *maker, uint64_t market)
{
	struct ledger_command command = { .type = EVENT_MARKET_SET, .market_id = market };

	command.market.event_id = le64_make(market);
	command.market.version = le64_make(++maker->market_version);
	command.market.start_time_ns = le64_make(INT64_MAX);
	command.market.state = MARKET_OPEN;
	command.market.kind = MARKET_KIND_1X2;
	command.market.selection_count = 3;
	for (unsigned i = 0; i < 3; i++)
		command.market.odds[i] = le32_make(1500 + 700 * i);
	maker_command(maker, &command);
}

static inline uint64_t maker_account_next(const struct maker *maker, uint64_t id)
{
	while (maker->config.ledger.buckets.shard[ids_bucket_of_key(id)] != maker->options.shard)
		id++;
	return id;
}

/* A journal with another incarnation behind what the log holds; the rows are there already. */
static inline void maker_resume(struct maker *maker, struct store_report *report)
{
	uint64_t id = 1, base_lsn = report->applied_lsn;

	for (uint32_t i = 0; i < maker->options.accounts; i++, id++)
		maker->account_ids[i] = id = maker_account_next(maker, id);
	for (unsigned i = 0; i < 64; i++)
		maker->request_ids[i] = 1000000;
	maker->more_request_id = 1000000;
	if (store_join_journal(maker->store, maker->options.incarnation, base_lsn, report) != 0) {
		fprintf(stderr, "make_log: %s\n", report->message);
		abort();
	}
	SLUICE_REQUIRE(ledger_copy(maker->ledger, store_ledger(maker->store)) == 0);
}

#include "tests/control/replication/make_more.h"

static inline void maker_provision(struct maker *maker)
{
	uint64_t id = 1;

	for (uint32_t i = 0; i < maker->options.accounts; i++, id++) {
		struct ledger_command command = {
			.type = EVENT_ACCOUNT_OPEN, .amount = 1000000000000ll, .currency = 410
		};

		id = maker_account_next(maker, id);
		command.account_id = maker->account_ids[i] = id;
		maker_command(maker, &command);
	}
	for (uint64_t market = 1; market <= MAKER_RESULTS; market++)
		maker_market(maker, market);
	if (maker->options.mixed)
		maker_provision_more(maker);
}

/* One request of some terminal: an event. */
static inline void maker_event(struct maker *maker)
{
	uint64_t terminal = maker_random(maker) % 64;
	struct wire_request wire = { .request_id = ++maker->request_ids[terminal] };
	struct ledger_request request = { .wire = &wire, .terminal_id = terminal + 1 };
	uint64_t kind = maker->options.mixed ? maker_random(maker) % 10 : 0;
	uint64_t more = maker->options.mixed ? maker_random(maker) % 4 : 1;
	uint64_t account = maker->account_ids[maker_random(maker) % maker->options.accounts];
	struct event_buffer event;
	struct event_record record;
	int length;

	maker->time_ns += maker->options.step_ns;
	if (more == 0 && maker_more(maker, account))
		return;
	if (kind < 7) {
		wire.template_id = WIRE_PLACE_BET;
		wire.place_bet.account_id = account;
		wire.place_bet.stake = (int64_t)(maker_random(maker) % 5000) + 1000;
		wire.place_bet.deadline_ns = UINT64_MAX;
		wire.place_bet.currency = 410;
		wire.place_bet.odds_policy = ODDS_SAME_OR_BETTER;
		wire.place_bet.leg_count =
		    (uint8_t)(maker->options.mixed ? 1 + maker_random(maker) % MAKER_MARKETS : 1);
		for (unsigned i = 0; i < wire.place_bet.leg_count; i++)
			wire.place_bet.legs[i] =
			    (struct wire_leg){ .market_id = i + 1, .odds = 1500, .selection = 0 };
		if (kind == 6)
			wire.place_bet.stake = LIMIT_STAKE_MAX; /* refused */
	} else if (kind < 9) {
		uint64_t bet = maker_random(maker) % 1024;

		/* Mostly by the terminal that placed it: others are refused. */
		if (kind == 7 && maker->bet_ids[bet] != 0) {
			maker->request_ids[terminal]--;
			terminal = maker->bet_terminals[bet];
			request.terminal_id = terminal + 1;
			wire.request_id = ++maker->request_ids[terminal];
		}
		wire.template_id = WIRE_CANCEL_BET;
		wire.cancel_bet.bet_id = maker->bet_ids[bet];
		wire.cancel_bet.deadline_ns = UINT64_MAX;
	} else {
		wire.template_id = WIRE_DEPOSIT;
		wire.deposit.account_id = account;
		wire.deposit.amount = 10000;
		wire.deposit.deadline_ns = UINT64_MAX;
		wire.deposit.currency = 410;
	}
	length = ledger_decide(maker->ledger, &request, maker->time_ns, &event);
	memcpy(&record, event.bytes, sizeof(record));
	maker_append(maker, &event, length);
	if (le16_get(record.code) == WIRE_CODE_OK && le16_get(record.type) == EVENT_PLACE_BET) {
		maker->bet_terminals[maker->bets % 1024] = terminal;
		maker->bet_ids[maker->bets++ % 1024] = le64_get(record.object_id);
	}
}

/* Closes the open batch and makes it durable in the log. */
static inline void maker_flush(struct maker *maker)
{
	maker_close_batch(maker);
	SLUICE_REQUIRE(store_commit(maker->store) == 0);
}

static inline void maker_events(struct maker *maker, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		maker_event(maker);
	maker_flush(maker);
}

static inline uint64_t maker_lsn(const struct maker *maker)
{
	return ledger_shard(maker->ledger)->lsn;
}

/* An empty directory gets accounts and markets; one that holds something is gone on with. */
static inline struct maker *maker_open(const struct maker_options *options)
{
	struct maker *maker = calloc(1, sizeof(*maker));
	struct store_report report = { 0 };

	SLUICE_REQUIRE(maker != NULL);
	maker->options = *options;
	maker->random = options->seed;
	maker->time_ns = options->time_ns;
	snprintf(maker->path, sizeof(maker->path), "%s/var/lib/sluice", options->root);
	for (char *slash = maker->path + 1;; slash++) {
		char kept = *slash;

		if (kept != '/' && kept != '\0')
			continue;
		*slash = '\0';
		mkdir(maker->path, 0755);
		*slash = kept;
		if (kept == '\0')
			break;
	}
	snprintf(maker->path, sizeof(maker->path), "%s/var/lib/sluice/shard-%u", options->root,
	    options->shard);
	maker->config = (struct store_config){
		.directory = maker->path,
		.shard = options->shard,
		.log_rotate_size = options->rotate_size,
		.log_keep_size = options->keep_size,
		.checkpoint_interval_ms = 1000,
		.ledger = {
			.shard = options->shard,
			.shard_count = options->shard_count,
			.accounts_max = options->accounts + 1000,
			.bets_max = (uint32_t)options->events_max + 1000,
			.markets_max = 100,
			.terminals_max = 100,
			.objects_max = (uint32_t)options->events_max + 1000,
		},
	};
	ids_bucket_map_default(&maker->config.ledger.buckets, options->shard_count);
	maker->account_ids = calloc(options->accounts, sizeof(*maker->account_ids));
	maker->open = malloc(LIMIT_JOURNAL_BATCH_SIZE_MAX);
	maker->ledger = ledger_create(&maker->config.ledger);
	SLUICE_REQUIRE(maker->account_ids != NULL && maker->open != NULL && maker->ledger != NULL);
	if (store_open(&maker->store, &maker->config, &report) != 0 ||
	    store_load(maker->store, &report) != 0) {
		fprintf(stderr, "make_log: %s\n", report.message);
		abort();
	}
	if (options->resume)
		maker_resume(maker, &report);
	else
		maker_provision(maker);
	maker_flush(maker);
	SLUICE_REQUIRE(store_checkpoint_now(maker->store) == 0);
	return maker;
}

static inline void maker_free(struct maker *maker)
{
	SLUICE_REQUIRE(store_checkpoint_now(maker->store) == 0);
	store_close(maker->store);
	ledger_free(maker->ledger);
	free(maker->account_ids);
	free(maker->open);
	free(maker);
}

#endif
