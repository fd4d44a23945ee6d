/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several shards of one process, with what lies between them: logs of which only a part is durable,
 * parcels and receipts on their way, and a crash at any time.
 */
#ifndef SLUICE_TESTS_LEDGER_SHARDS_H
#define SLUICE_TESTS_LEDGER_SHARDS_H

#include "lmdb-schema/event_sections.h"
#include "tests/ledger/fixture.h"

#define SHARDS           4
#define SHARDS_ROWS      4096 /* of each table */
#define SHARDS_ON_WAY    4096
#define SHARDS_LOG_BYTES (16u << 20)
#define SHARDS_LOG_MAX   60000

/* A parcel or receipt: waits until `lsn` of `shard` is durable, then it is on its way. */
struct on_way {
	uint64_t lsn;
	uint64_t transfer_id; /* parcels: made into `parcel` when it leaves */
	uint32_t shard;
	uint8_t is_receipt, sent, reserved[2];
	struct ledger_parcel parcel;
	struct ledger_receipt receipt;
};

struct shard_log {
	uint8_t *bytes;
	size_t *at; /* where event lsn begins: at[lsn - 1] */
	size_t size;
	uint64_t durable; /* LSN */
};

struct shards {
	struct ledger_config config[SHARDS];
	struct ledger *ledger[SHARDS];
	struct shard_log log[SHARDS];
	struct on_way *on_way;
	unsigned on_way_count;
	uint64_t random, time_ns;
	uint64_t request_id[64];     /* by terminal */
	struct ledger_request asked; /* what of a request is not in the message; as given */
	unsigned events;
	uint8_t busy; /* a receipt waits for room in its account */
	uint64_t by_type[EVENT_TYPE_MAX + 1];
	uint64_t by_code[256]; /* by wire_code_index */
	/* Called after each event that was applied. */
	void (*watch)(struct shards *shards, uint32_t shard, const struct event_view *view);
	void *watch_data;
};

/* To be freed with shards_free. */
struct shards *shards_new(uint64_t seed);
void shards_free(struct shards *shards);
uint64_t shards_pick(struct shards *shards, uint64_t bound);

uint32_t shards_of_key(const struct shards *shards, uint64_t id);
/* The nth (from 0) id from `first` on that lives on the shard. */
uint64_t shards_id_on(const struct shards *shards, uint32_t shard, uint64_t first, unsigned nth);
/* The shard that decides the request. */
uint32_t shards_of_request(
    const struct shards *shards, const struct wire_request *wire, uint64_t terminal_id);

/* Applies, keeps and follows one event that was decided on the shard. */
void shards_take(
    struct shards *shards, uint32_t shard, const struct event_buffer *event, size_t length);
/* The same for the members of a linked group, which are applied already. */
void shards_take_group(struct shards *shards, uint32_t shard, const struct event_buffer *events,
    const size_t *lengths, unsigned count);
/* One request at its shard; its id is set. Length of the event (a copy in *event), or decide's
 * error. */
int shards_request(struct shards *shards, struct wire_request *wire, uint64_t terminal_id,
    struct event_buffer *event);
/* The same on a shard that is named. */
int shards_request_on(struct shards *shards, uint32_t shard, struct wire_request *wire,
    uint64_t terminal_id, struct event_buffer *event);
/* The code of that; aborts the test on an error. */
uint16_t shards_code(struct shards *shards, struct wire_request *wire, uint64_t terminal_id);
/* One command on one shard, on its own shard, or on all. Last error or length. */
int shards_command_on(struct shards *shards, uint32_t shard, const struct ledger_command *command);
int shards_command(struct shards *shards, const struct ledger_command *command);
/* An account on its shard. */
void shards_account(struct shards *shards, uint64_t id, int64_t amount, uint16_t currency);
/* What is due on a shard, at most `max` events. Number of events. */
unsigned shards_due(struct shards *shards, uint32_t shard, unsigned max);

/* Everything the shard has is durable. */
void shards_sync(struct shards *shards, uint32_t shard);
/* Delivers the nth of what is on its way; with `again` it stays there too. 1: something was done.
 */
int shards_deliver(struct shards *shards, unsigned nth, int again);
/* Delivers until nothing is on its way, or only what waits for an account that is full (busy). */
void shards_settle_all(struct shards *shards);
/* All shards lose what is not durable, and start again from their logs. */
void shards_crash(struct shards *shards);

/* The event of an LSN. */
struct event_record shards_record(const struct shards *shards, uint32_t shard, uint64_t lsn);

/* ---- Invariants (shards_check.c): abort the test with what is wrong ---- */

/* Of one shard: sums, system accounts against what they stand for, customers, state hash. */
void shards_check(struct shards *shards, uint32_t shard);
/* Between all: transit pairs, credit that was moved. */
void shards_check_between(struct shards *shards);
/* Replays every log from nothing; the state must be the same. */
void shards_check_replay(struct shards *shards);
/* What the bets of every market may cost over all shards is within the limits (0: none). */
void shards_check_exposure(struct shards *shards, int64_t selection_max, int64_t market_max);
/* The same of one partner. */
void shards_check_partner(struct shards *shards, uint32_t partner_id, int64_t exposure_max);

#endif
