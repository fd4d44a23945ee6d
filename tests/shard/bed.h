/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A test bed of one to six workers on fakes (fake.h): terminals send sealed datagrams, workers take
 * real turns one at a time under the bed's clock, answers are opened and kept in the order they
 * left. Every answer with an LSN is checked when it leaves: it must be durable by then.
 */
#ifndef SLUICE_TESTS_SHARD_BED_H
#define SLUICE_TESTS_SHARD_BED_H

#include "dataplane/shard/worker.h"
#include "tests/ledger/fixture.h"
#include "tests/shard/fake.h"

#define BED_WORKERS_MAX   6
#define BED_TERMINALS_MAX 4
#define BED_REPLIES_MAX   32768
#define BED_OPENING       1000000ll /* of every account */
#define BED_MARKET        900       /* open on every shard, three selections, the first at 2.000 */

struct bed_terminal {
	uint64_t id;
	uint32_t session_id;
	uint32_t home;
	uint64_t packet_number;
	struct aead_key to_switch, to_terminal;
};

struct bed {
	uint32_t count;
	uint64_t now_ns; /* what the workers' clock says */
	struct switch_shared shared;
	struct port port;
	struct worker *workers[BED_WORKERS_MAX];
	struct journal_writer *journals[BED_WORKERS_MAX];
	uint64_t start_lsn[BED_WORKERS_MAX];
	_Atomic uint8_t slot_home[BED_TERMINALS_MAX];
	struct bed_terminal terminals[BED_TERMINALS_MAX]; /* 0 and 1 at home on 0, 2 and 3 last */
	unsigned buffers;                                 /* in use before */
	struct wire_reply *replies;                       /* in the order they left */
	uint32_t replies_count, replies_taken;
};

/* Workers with accounts bed_account(bed, shard, 0..3) and BED_MARKET; `terminal_daily_max` 0: the
 * default rules. All of that is durable. */
struct bed *bed_open(uint32_t count, int64_t terminal_daily_max);
/* Nothing may be left: no buffer, no answer that was not taken. */
void bed_close(struct bed *bed);
/* One turn of a worker, as in its loop. */
void bed_turn(struct bed *bed, uint32_t worker);
/* Turns of all workers until nothing moves, journal writes completing or not. */
void bed_settle(struct bed *bed, int complete);

/* The n-th account id that lives on a shard. */
uint64_t bed_account(const struct bed *bed, uint32_t shard, unsigned n);
struct wire_request bed_bet(uint64_t request_id, uint64_t account_id, int64_t stake);
struct wire_request bed_cancel(uint64_t request_id, uint64_t bet_id);
struct wire_request bed_balance(uint64_t request_id, uint64_t account_id);
struct wire_request bed_bet_status(uint64_t request_id, uint64_t bet_id);

/* Of any template, all other members 0. */
struct wire_request bed_request(uint16_t template_id, uint64_t request_id);
struct wire_request bed_transfer(uint64_t request_id, uint64_t from, uint64_t to, int64_t amount);
struct wire_request bed_deposit(uint64_t request_id, uint64_t account_id, int64_t amount);
/* FENCE, REVERSE, TX_STATUS. */
struct wire_request bed_target(uint16_t template_id, uint64_t request_id, uint64_t target_id);

/* What a terminal's session was installed by; to be installed again with changes. */
struct session_install bed_install(const struct bed_terminal *terminal);

/* One datagram of `count` requests, to the queue of the terminal's home. No turn yet. */
void bed_send_all(struct bed *bed, unsigned terminal, struct wire_request *requests, int count);
/* One request, and one turn of the terminal's home. */
void bed_send(struct bed *bed, unsigned terminal, struct wire_request request);

/* Answers that left and were not taken. */
uint32_t bed_waiting(const struct bed *bed);
/* The oldest of them; fails when there is none. */
struct wire_reply bed_take(struct bed *bed);
/* Takes the only one, which must be the answer of this request with this code. */
struct wire_reply bed_take_only(struct bed *bed, uint64_t request_id, uint16_t code);

/* Sends, lets everything become durable, takes the only answer. */
struct wire_reply bed_ask(struct bed *bed, unsigned terminal, struct wire_request request);
/* The balance of a customer, on whatever shard. */
int64_t bed_money(const struct bed *bed, uint64_t account_id);

struct terminal_window *bed_window(struct bed *bed, unsigned terminal);
/* window_state of an id: FREE when the entry is another id's. */
int bed_state(struct bed *bed, unsigned terminal, uint64_t request_id);
uint64_t bed_lsn(const struct bed *bed, uint32_t shard);

/*
 * What a start would make of all that is durable: new workers (the caller's to free) on copies of
 * the ledgers, restored from the journals as logs. The home of terminal 0.
 */
struct worker *bed_restarted(struct bed *bed, struct worker **workers);

/* Starts EAL without hugepages, runs all tests; 77 where it does not start. */
int bed_main(const char *file);
#define BED_MAIN()                                                                                 \
	struct test_registry test_registry;                                                        \
	int main(void)                                                                             \
	{                                                                                          \
		return bed_main(__FILE__);                                                         \
	}

#endif
