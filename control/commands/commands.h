/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The numbered commands of control. A command is committed here first, under a gapless number, and
 * only then sent; each shard journals it with its number and skips what it has. It is done when it
 * is durable on all shards.
 *
 *   COMMITTED --all shards durable--> DONE
 *   COMMITTED --refused by every shard alike, number used up--> REFUSED
 *
 * A command the data plane cannot even parse would block all later ones for ever: commands_append's
 * callers ask the data plane first ("dry_run"), and the link sends {"type":"none"} in its place if
 * one is refused as malformed nevertheless.
 *
 * A number must not be given out while a shard may already have another command under it. Only who
 * talks to the shards knows; it puts a gate in front of all appends.
 */
#ifndef SLUICE_CONTROL_COMMANDS_H
#define SLUICE_CONTROL_COMMANDS_H

#include <jansson.h>
#include <stdint.h>

#include "control/database/database.h"

/* Any thread, and inside of write transactions: neither may wait or write. */
struct commands_gate {
	/* 0; -EAGAIN: not compared with the shards yet; -ESTALE: a shard is ahead of the database.
	 */
	int (*open)(void *context);
	void (*adopted)(void *context); /* commands_adopt was done */
	void *context;
};
/* One for the process; NULL: none, every append may go on. Not in use any more once it returns. */
void commands_gate_set(const struct commands_gate *gate);

/*
 * What is to be put right when the shards refused a command, in the transaction that marks it so:
 * the rows its commit has written are otherwise ahead of the shards. `command` is borrowed, `why`
 * the shards' own words. Not 0: nothing is marked.
 */
struct commands_refusal {
	int (*refused)(void *context, struct db_txn *txn, uint64_t sequence, const json_t *command,
	    const char *why);
	void *context;
};
/* One for the process, as the gate; NULL: none. */
void commands_refusal_set(const struct commands_refusal *refusal);

/* Inside a database_write body. `command`: the admin socket's command without "cmd" and "sequence"
 * ({"type":"market_set",...}); borrowed. 0 with the number it got; -EAGAIN, -ESTALE: as the gate
 * says, nothing was appended and the transaction is to be given up; -EMSGSIZE; -errno. */
SLUICE_MUST_USE int commands_append(struct db_txn *txn, const json_t *command, uint64_t *sequence);
/* The number the next append of this transaction will get. */
SLUICE_MUST_USE int commands_next(struct db_txn *txn, uint64_t *sequence);

/* The record of a command. -ENOENT. */
SLUICE_MUST_USE int commands_record(
    struct db_txn *txn, uint64_t sequence, struct record_control_command *record);

/* Highest committed number; 0: none. */
SLUICE_MUST_USE int commands_last(const struct database *database, uint64_t *sequence);
/* The command with its "cmd" and "sequence", ready to send. New reference; -ENOENT. */
SLUICE_MUST_USE int commands_get(
    const struct database *database, uint64_t sequence, json_t **command);
/* Marks first..last; DONE or REFUSED (kept as it is when already marked). */
SLUICE_MUST_USE int commands_mark(
    struct database *database, uint64_t first, uint64_t last, enum control_command_state state);
/* Marks one command REFUSED, and puts right what it stood for; kept as it is when already marked.
 */
SLUICE_MUST_USE int commands_refuse(struct database *database, uint64_t sequence, const char *why);
/* As commands_mark, for those of first..last that there are; *marked is the highest of them, or
 * first - 1. */
SLUICE_MUST_USE int commands_mark_late(struct database *database, uint64_t first, uint64_t last,
    enum control_command_state state, uint64_t *marked);
/*
 * For a database that is older than the data plane (restored from a copy): fills the numbers up to
 * `last` with commands of type "none" that are DONE. Only on an operator's word.
 */
SLUICE_MUST_USE int commands_adopt(struct database *database, uint64_t last);
/* Newest first: [{"sequence","type","state","committed_ns","done_ns","command"}]. New reference. */
json_t *commands_list(const struct database *database, uint64_t before_sequence, unsigned count);

#endif
