/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Admin socket of the data plane: a UNIX stream socket, one JSON object per line in, one per line
 * out, in order. Served by the main lcore, which reaches shards only through their command rings
 * and reads only their counters. Answers: {"ok":true,...} or {"ok":false,"error":"what, and what to
 * do"}. Numbers of 64 bits that may pass 2^53 are strings where marked (s).
 *
 * status            pid, started_ns(s), uptime_ns, clock_ns(s: the switch time), boot_id(s), open,
 *                   recovery_ns, ports, placement; sums of drops and codes; "shards":[{every
 *                   counter of shard/stats.h, the store's positions, state_hash,
 *                   "store_lag_ns": age of the oldest durable event not yet in the log tables,
 *                   "busy_permille": of the worker's last second, "segments_ready": journal
 *                   segments made and not begun, "queues":{"command","handover","request",
 *                   "answer","transmit","history"}: what waits in rings now, drops, codes}]
 *                   and of what runs beside the worker: "store_waiting" (errno of a full disk, 0
 *                   none), "store_waits", "log_map_bytes", "row_map_bytes", "disk_state" (0 room,
 *                   1 quota, 2 floor), "disk_used_bytes", "disk_free_bytes", "keeper_errors",
 *                   "keeper_error", every figure of journal/seal.h, "archive", "seal_chain",
 *                   "verify_text", and of the start "recovery":{"checkpoint_lsn","replayed_events",
 *                   "kept_lsn","floor_lsn","sealed_lsn","cut_batches","cut_bytes","cut_to_lsn",
 *                   "base_lsn": what a restore or re-sharding began the journal behind, else 0,
 *                   "incarnation" of the journal, as text,
 *                   "duration_ns"}
 * journal_verify    all seals, segments and archive files of all shards are checked, in the
 *                   background; verify_runs of the status goes up when it is done
 * journal_archive   what failed to be sealed or archived is tried at once
 * histograms        {"bounds_ns":[..],"shards":[{"shard":0,"stages":{"decide":{"counts":[..],
 *                   "sum_ns":n},...}}]}: latency by stage (shard/latency.h), log-linear buckets
 *                   with inclusive bounds; one count more than bounds, for what lies above
 * session_install   one session and epoch: session_id, terminal_id, rights, epoch, current,
 *                   rate_per_s, rate_burst, expires_ns (optional, 0: never; Unix ns, from then on
 *                   the session is unknown), keys and ivs in hexadecimal
 * session_end       session_id, terminal_id (optional: then it also ends a session whose
 *                   installation is still on its way). The id is not installed again, even if it
 *                   was not there yet
 * sessions          {"from_slot":n}: up to 256 live sessions from that slot on: {"sessions":[{
 *                   "session_id","terminal_id","shard","rights","epoch","last_seen_ns"(s),
 *                   "wants_rotation":bool,"datagrams","messages","resends","open_failed",
 *                   "heartbeat":null|{"received_ns"(s),"local_time_ns"(s),"sequence","firmware",
 *                   "error_code","state","battery"}}],"next_slot":n|0}. next_slot 0: the end. The
 *                   heartbeat is the terminal's last one since the start, of whatever session
 * command           one numbered command of control. sequence, type and:
 *                     market_set    market_id, event_id, start_time_ns, state, kind, odds, line
 *                                   (quarters; over/under, handicap)
 *                     market_result market_id, op (set, rollback, final); set: outcomes, one a
 *                                   selection: kind | places << 8 | winners << 16 of
 *                                   settlement_outcome. Done: the result is; its walk follows
 *                     rules_set     rules: members of struct risk_rules; with "factors" {} (of
 *                                   RISK_FACTOR_RULES, "points" by factor in lower case), and then
 *                                   "report_threshold", "points_country", "points_watch_list",
 *                                   "points_model_max", "points_partner_confirmed",
 *                                   "currencies" [{currency, amounts}] and
 *                                   "model" {state: off, shadow, active; version}: that model is
 *                                   read from ROOT/var/lib/sluice/models/VERSION first
 *                     account_freeze account_id, frozen
 *                     account_flags account_id, pep, sanctioned, country_risk (bool), country
 *                     feedback      account_id, terminal_id, partner_id (at least one of them),
 *                                   transaction_ns(s), confirmed (bool: else dismissed);
 *                                   withdrawn (bool) takes such a one back that was given at
 *                                   learned_s
 *                     partner_set   partner_id, exposure_max, keys_max, currency, blocked
 *                     play_set      account_id, limits (6, -1 none), excluded_until_ns,
 *                                   cooloff_until_ns
 *                     bet_void      bet_id, reason
 *                     adjust        account_id, amount (signed), currency, reason
 *                     withdraw_close  withdrawal_id, paid (bool: else given back), reason
 *                     accounts_open  first, count (at most 100,000: open more by several commands),
 *                                   currency, opening_balance
 *                     terminal_set  terminal_id, rights, blocked (bool), daily_max (0: as the rules
 *                                   say): kept by the terminal's home shard, enforced there
 *                     none          uses up the number, changes nothing
 *                   Before a command that may find a table full is sent to be done, all shards are
 *                   asked whether they can: if one cannot, nothing is journalled on any.
 *                   "dry_run":true asks the shards and goes no further ("sequence" may be left
 * out):
 *                   {"ok":true,"dry_run":true}, or the refusal below without a number being used.
 * It keeps rows free for system accounts terminals may still need A refusal says "kind":
 * "malformed" (never reached a shard, number not used), "full" (it does not fit on all shards:
 * nothing changed, number not used), "refused" (number used up on all shards, nothing changed:
 * not there, not in a state for it, or a field is out of range), "gap", "failed" (a shard could
 * not: journal; number not used there) Of the sessions' commands: "malformed", "unknown_session",
 * "slot_live" (or the id has ended), "full", "refused" (epoch or times out of range), "failed"
 * account_show      account_id ->
 * {"found":bool,"shard","lsn","balance","currency","frozen",
 *                   "staked_today","staked_day","partner_id","owed","limits","counters" (objects or
 *                   null),"profile":{...}}. staked_today is of staked_day;
 *                   profile: amounts in minor units, counts rounded down, first_ns and
 *                   updated_ns(s)
 * bet_show          bet_id -> {"found","shard","lsn","bet_id"(s),"account_id","terminal_id",
 *                   "stake","payout","placed_at_ns"(s),"currency","state","reprints",
 *                   "legs":[{"market_id","selection","odds"}]}
 * terminal_show     terminal_id -> {"found","shard","lsn","rights","blocked","daily_max",
 *                   "staked_today","highest_request_id"(s)}: staked_today is what its limit is
 *                   checked against, so requests under way count; the others are durable
 * market_show       market_id -> {"found","version","event_id","start_time_ns"(s),"state","kind",
 *                   "line","odds":[..],"result":["win",..],"final","walked" (on all shards),
 *                   "bets_open","exposure":[..],"exposure_market"}: open bets and their payouts,
 *                   all shards together
 * object_show       object_id, or kind and words (its natural key, lmdb-schema/object.h) ->
 *                   {"found","objects":[{"object_id"(s),"shard","kind","state","due_ns"(s),...the
 *                   fields of its kind, lmdb-schema/object_fields.h}]}
 * withdrawals       shard, from_row -> {"withdrawals":[objects],"next_row"}: those that wait for
 *                   approval, up to 128; next_row 0: the end
 * ticket_verify     bet_id, ticket (hexadecimal); stake, payout, placed_at_ns of a bet that has
 *                   left memory -> {"found","genuine", the bet as bet_show}
 *                   All ids may be strings of digits: bet ids use all 64 bits. Rows
 *                   come from the worker's own memory, and the answer waits until what it shows is
 *                   durable. found false: then nothing but shard and lsn 0 follows.
 * open, stop
 *
 * What a client sent before it ended its input (SHUT_WR) is done and answered. A client that closes
 * or dies takes back what had not begun: lines not taken yet, and a numbered command that was only
 * checked. What is under way is carried out and nobody is told. So nothing of an old connection
 * comes after what a later one has sent. A client has one command under way and one answer on its
 * way at a time; one numbered command of all clients is under way at a time. At most 16 clients:
 * one more is told so and closed.
 */
#ifndef SLUICE_ADMIN_H
#define SLUICE_ADMIN_H

#include <jansson.h>
#include <stdint.h>

#include "dataplane/config.h"
#include "dataplane/shard/background.h"
#include "dataplane/shard/worker.h"
#include "dataplane/store/store.h"

#define ADMIN_CLIENTS_MAX 16
/* In one command: well under a second of a shard, which goes on with everything else beside it. */
#define ADMIN_ACCOUNTS_MAX  LIMIT_ACCOUNTS_PER_COMMAND
#define ADMIN_LINE_SIZE_MAX 65536
#define ADMIN_OUT_SIZE_MAX  (1u << 20)
/* Between two looks for a shard's result: about a fifth of a synced write. */
#define ADMIN_RESULT_WAIT_NS 20000

struct admin_samples;

/* What the admin side may see of the process. Everything stays the caller's. */
struct admin_context {
	const struct dataplane_config *config;
	struct switch_shared *shared;
	struct worker **workers;
	struct store **stores;
	struct shard_background *background; /* [shard]; NULL: none */
	uint64_t recovered_ns;               /* time recovery took */
	uint64_t started_ns;                 /* of the process, CLOCK_MONOTONIC */
	int journal_interrupt_cpu;           /* -1 unknown */
	const char *models;                  /* folder of model files; NULL: none are read */
	const struct admin_samples *samples; /* admin_create sets it; NULL: none taken */
};

struct admin;

/* Binds the socket (mode 0600; a stale one of a dead process is replaced). 0, or -errno with
 * message. */
SLUICE_MUST_USE int admin_create(struct admin **out, const struct admin_context *context,
    const char *path, char *message, size_t message_size);
/* One turn: accepts, reads, answers; waits at most timeout_ms. */
void admin_work(struct admin *admin, int timeout_ms);
/* Closes the socket and all clients. Workers may still be answering what was asked. */
void admin_close(struct admin *admin);
/* Only when no worker runs any more: questions under way point into it. NULL is fine. */
void admin_free(struct admin *admin);

/* ---- Private to dataplane/admin ---- */

/* What one line turned into. */
struct admin_request {
	enum {
		ADMIN_ANSWER, /* *answer is ready */
		ADMIN_ONE_SHARD,
		ADMIN_ALL_SHARDS,
	} kind;
	uint32_t shard;
	struct shard_command command;
	/* SHARD_QUERY: what is asked, and of which id, key, or from which slot or row on. */
	struct {
		enum shard_query_kind kind;
		uint64_t id;
		struct object_key key;
		uint8_t ticket[TICKET_SIZE];
		struct ticket_facts facts;
	} query;
};

/*
 * Parses one line. Total on hostile bytes. For ADMIN_ANSWER *answer is a new reference. The
 * command's ticket is left 0.
 */
void admin_parse(const struct admin_context *context, const char *line, size_t size,
    struct admin_request *request, json_t **answer);
json_t *admin_status(const struct admin_context *context);
json_t *admin_histograms(const struct admin_context *context);
/* 1 when `name` is a question; then *request is filled, or *error a new reference. */
int admin_query_parse(const struct admin_context *context, const json_t *object, const char *name,
    struct admin_request *request, json_t **error);
/* A whole number, or its digits in a string. 0 or -EINVAL. */
SLUICE_MUST_USE int admin_id_read(const json_t *value, uint64_t *id);
/* Fills the question of a parsed request. For a list of sessions: which slots are live where. */
void admin_query_prepare(const struct admin_context *context, const struct admin_request *request,
    struct shard_query *query);
/*
 * The home of a live slot, or 0xff. Relaxed: main's own stores, and those of workers that end
 * expired sessions; who is asked about a session that is gone leaves it out.
 */
uint8_t admin_slot_home(const struct switch_shared *shared, uint32_t slot);
/* The JSON of an answered question. New reference, NULL: out of memory. */
json_t *admin_query_answer(const struct admin_context *context, const struct shard_query *query);
/* Says in an error of what kind it is (head comment); gives the error back. */
json_t *admin_kind(json_t *error, const char *kind);
json_t *admin_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
