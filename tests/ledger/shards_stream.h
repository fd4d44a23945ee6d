/* SPDX-License-Identifier: Apache-2.0 */
/* Random requests and commands over shards, small numbers so that everything collides. */
#ifndef SLUICE_TESTS_LEDGER_SHARDS_STREAM_H
#define SLUICE_TESTS_LEDGER_SHARDS_STREAM_H

#include "tests/ledger/shards.h"

enum shards_stream_option {
	STREAM_LIMITS_FIXED = 1u << 0, /* no rollbacks, no other limits: exposure is checked too */
	STREAM_CRASHES = 1u << 1,      /* a crash every 40 steps instead of every 400 */
};

#define STREAM_ACCOUNTS      40
#define STREAM_PARTNERS      3
#define STREAM_TERMINALS     6
#define STREAM_MARKETS       60
#define STREAM_SELECTIONS    3
#define STREAM_SELECTION_MAX 60000
#define STREAM_MARKET_MAX    100000
#define STREAM_PARTNER_MAX   150000
#define STREAM_KEPT          64 /* ids of a kind that are remembered */

/* Ids of something that was made; the newest STREAM_KEPT. */
struct stream_ids {
	uint64_t ids[STREAM_KEPT];
	unsigned count;
};

/* A request that was answered. */
struct stream_asked {
	uint64_t terminal_id, request_id, lsn;
	uint32_t shard;
};

struct shards_stream {
	struct shards *shards;
	struct stream_ids bets, tokens, withdrawals;
	struct stream_asked asked[STREAM_KEPT];
	unsigned asked_count;
	struct ledger_walk walks[SHARDS][STREAM_MARKETS + 1];
	uint64_t version, control_sequence, partner_version, terminal_version;
	uint64_t market_first, market_last; /* the ones that are bet on */
	uint64_t transactions;
	unsigned options;
};

struct shards_stream *shards_stream_new(struct shards *shards, unsigned options);
void shards_stream_free(struct shards_stream *stream);
void shards_stream_step(struct shards_stream *stream);
/* The stream's own part of shards->watch, for runs that need not check every event. */
void shards_stream_note(struct shards *shards, uint32_t shard, const struct event_view *view);
/* Everything comes to an end: nothing on its way, no sprinkle open. */
void shards_stream_finish(struct shards_stream *stream);

/* shards_commands.c: what is there at the begin, durably; a random command. */
void stream_world_make(struct shards_stream *stream);
void stream_command(struct shards_stream *stream);

/* shards_requests.c: fills a random request; returns its terminal. */
uint64_t stream_request_make(struct shards_stream *stream, struct wire_request *wire);
/* A random id that was noted, or (rarely, or when there is none) any number. */
uint64_t stream_id(struct shards_stream *stream, const struct stream_ids *ids);
static inline uint16_t stream_currency(uint64_t account_id)
{
	return account_id % 5 == 0 ? 840 : KRW;
}
static inline uint16_t stream_partner(uint64_t account_id)
{
	return (uint16_t)(account_id % (STREAM_PARTNERS + 1));
}

#endif
