/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Markets, odds, rules: what is offered and on which terms. Control's database holds what was last
 * committed; each change is one transaction of rows, commands for the shards and the audit entry.
 */
#ifndef SLUICE_CONTROL_MARKETS_H
#define SLUICE_CONTROL_MARKETS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "control/audit/audit.h"
#include "control/database/database.h"
#include "control/markets/rule_fields.h"
#include "dataplane/ledger/settlement.h"
#include "dataplane/risk/risk.h"

#define MARKETS_IMPORT_MAX 100000u

/* Markets read from a file, not yet offered. */
struct market_list {
	struct record_control_market *markets;
	size_t count;
};

/*
 * Reads a market file, whole or not at all. Two forms, told apart by the header line:
 *   date,home,away,...                              a season of football (season.h): event n has
 *       the markets 10 n + 1 (1X2) and 10 n + 2 (over/under 2.5); the first day is at `start_ns`
 *   market,event,name,start,kind[,line][,state],selections    then one line a market: ids, a name
 *       without commas, start as 2026-11-21T12:00:00Z, kind 1x2, over_under, handicap or other;
 *       line in goals or points in steps of a quarter (-0.75; needed by over_under and handicap
 *       with this column, 0 otherwise); state before, open or suspended (open); and pairs
 *       name:odds separated by ';' (1..16), odds "-" for a selection that is not on offer
 * 0, or -EINVAL with `message` naming line, column and remedy. Freed by market_list_free.
 */
SLUICE_MUST_USE int market_list_read(const char *text, size_t size, uint64_t start_ns,
    struct market_list *list, char *message, size_t message_size);
void market_list_free(struct market_list *list);

/*
 * Opens all of them (or changes those that are known; settled and void ones stay as they are).
 * *first..*last: the numbers of their commands; *last 0: there was nothing to change. 0; -EALREADY
 * with `message`, and none is changed: one has been offered by another kind, line or number of
 * selections; -E2BIG likewise: with the new ones there were more than markets_max (0: not known);
 * -errno with an empty one.
 */
SLUICE_MUST_USE int markets_import(struct database *database, const struct market_list *list,
    uint64_t markets_max, const struct audit_entry *who, uint64_t *first, uint64_t *last,
    char *message, size_t message_size);
/* 0 with the row as it is then and the command's number (0: it was so already); -ENOENT; -EPERM:
 * closed for good. */
SLUICE_MUST_USE int markets_state_set(struct database *database, uint64_t market_id,
    enum market_state state, const struct audit_entry *who, uint64_t *sequence,
    struct record_control_market *row);
/* 0; -ENOENT; -EPERM closed; -EINVAL: not the market's number of selections (*count says it). */
SLUICE_MUST_USE int markets_odds_set(struct database *database, uint64_t market_id,
    const uint32_t *odds, size_t *count, const struct audit_entry *who, uint64_t *sequence,
    struct record_control_market *row);

SLUICE_MUST_USE int markets_get(
    const struct database *database, uint64_t market_id, struct record_control_market *row);
/* {"market","event","name","kind","line","state","start_time_ns","version","odds":[thousandths],
 * "selections":[{"selection","name","odds"}]}; with a result also "final" and "outcome" of each
 * selection. Odds 0: not on offer. New reference. */
json_t *markets_json(const struct record_control_market *row);
/* Rows from `first_id` on, at most `count`, of one state (0: any). New reference. */
json_t *markets_list(
    const struct database *database, uint64_t first_id, unsigned count, enum market_state state);
/* "open" -> MARKET_OPEN; 0 for another word. */
enum market_state markets_state_parse(const char *name);
const char *markets_state_name(enum market_state state);
const char *markets_kind_name(enum market_kind kind);

/* ---- Results ---- */

/* What one line of a result file, or one verb, says of a market. */
struct market_result {
	uint64_t market_id;
	enum result_op op;
	uint8_t has_score; /* SET: outcomes follow from the score and the market's kind and line */
	uint8_t all_void;  /* SET: every selection is void; the market's state becomes VOID */
	uint8_t count;     /* SET without these two: how many outcomes are given */
	struct settlement_score score;
	struct settlement_outcomes outcomes;
};

struct market_result_list {
	struct market_result *results;
	size_t count;
};

/*
 * The command of a result, as the shards get it (behind "cmd" and "sequence"):
 *   {"type":"market_result","market_id":N,"op":"set"|"rollback"|"final","outcomes":[...]}
 * outcomes: with "set" one number a selection, kind | places << 8 | winners << 16 of
 * settlement_outcome; without it not there. The market's new version is the command's number.
 * SET takes a market in any state below SETTLED; its bets are settled and it takes no more.
 * ROLLBACK opens its bets again; the market is CLOSED then.
 *
 * 0 with *sequence and the row as it is then; or with `message`: -ENOENT; -EALREADY (SET of a
 * settled market, ROLLBACK or FINAL of one that is not); -EPERM (final); -EINVAL (not one outcome
 * for each selection; a score for a market whose kind does not follow from one).
 */
SLUICE_MUST_USE int markets_result(struct database *database, const struct market_result *result,
    const struct audit_entry *who, uint64_t *sequence, struct record_control_market *row,
    char *message, size_t message_size);
/* All of them in order and in one transaction, or none. *first..*last: their commands' numbers. */
SLUICE_MUST_USE int markets_results(struct database *database,
    const struct market_result_list *list, const struct audit_entry *who, uint64_t *first,
    uint64_t *last, char *message, size_t message_size);

/*
 * The word of one market's result: "2:1" (score), "void", "rollback", "final", or outcomes of all
 * selections in order, separated by ';': win, lose, void, half_win, half_lose, dead_heat P/N.
 * 0, or -EINVAL with `message`. Fills everything but market_id.
 */
SLUICE_MUST_USE int market_result_parse(
    const char *text, struct market_result *result, char *message, size_t message_size);
/*
 * Reads a result file: header "market,result", then one line a market: its id and a word as above.
 * A market may stand in several lines (rollback, then another result). 0, or -EINVAL with
 * `message`. Freed by market_result_list_free.
 */
SLUICE_MUST_USE int market_result_list_read(const char *text, size_t size,
    struct market_result_list *list, char *message, size_t message_size);
void market_result_list_free(struct market_result_list *list);

/* The command of a result that `row` holds, or of its ROLLBACK or FINAL. New reference. */
json_t *markets_result_command(enum result_op op, const struct record_control_market *row);

/* ---- What markets want without an operator (care.c) ---- */

enum market_care_kind {
	MARKET_CARE_FINAL = 1, /* its result has stood long enough: no rollback any more */
	MARKET_CARE_REPAIR,    /* the shards refused its last command: the row is to be as theirs */
};

struct market_care {
	uint64_t market_id, version; /* as it was looked at; nothing is done to a later version */
	enum market_care_kind kind;
};

/* Where to go on looking, how far, and for results that were done at done_by_ns or before. */
struct market_care_search {
	uint64_t next, done_by_ns;
	unsigned look;
};

/* Looks at up to `look` markets, behind the last one the first; up to `max` of them want something.
 */
SLUICE_MUST_USE int markets_care_look(const struct database *database,
    struct market_care_search *search, struct market_care *found, size_t max, size_t *count);
/* Commits the FINAL of a result. 0; -EALREADY: it is another one by now. */
SLUICE_MUST_USE int markets_final(
    struct database *database, const struct market_care *care, const struct audit_entry *who);

/* A market as the shards have it. */
struct market_shown {
	uint64_t version;
	enum market_state state;
	uint8_t kind, selection_count, final;
	int16_t line;
	uint32_t odds[LIMIT_MARKET_SELECTIONS_MAX];
	struct settlement_outcomes outcomes; /* SETTLED, VOID */
};
/* Brings the row of a refused command back. 0; -EALREADY as above; -EINVAL: that is no market. */
SLUICE_MUST_USE int markets_repair(struct database *database, const struct market_care *care,
    const struct market_shown *shown, const struct audit_entry *who);

/* ---- Rules ---- */

/* The rules in force; the defaults (version 1) when none were committed. */
SLUICE_MUST_USE int rules_get(const struct database *database, struct rule_set *set);
/* The rules of one version. -ENOENT: never committed here. */
SLUICE_MUST_USE int rules_get_version(
    const struct database *database, uint32_t version, struct rule_set *set);
/*
 * Applies "key=value" settings to the rules in force under a new version. 0 with the rules
 * as they are then and the command's number; -EINVAL with `message`. `dry_run`: only checks.
 */
SLUICE_MUST_USE int rules_set(struct database *database, const json_t *settings, int dry_run,
    const struct audit_entry *who, uint64_t *sequence, struct rule_set *set, char *message,
    size_t message_size);
/*
 * The first command of a new installation: the defaults with the factors of the states, under
 * version 2. -EALREADY: there were commands or rules before, which stay as they are.
 */
SLUICE_MUST_USE int rules_first(struct database *database, const struct audit_entry *who);
/* What the next version is made of: the rules in force, or those of copy_version, then the file,
 * then the settings. NULL and 0: none. */
struct rules_change {
	const json_t *settings; /* ["key=value"] */
	/* Lines "key: value", "#" begins a comment; a key once. What it does not name stays. */
	const char *file;
	uint32_t copy_version;
	/* Puts a version in force, as it is when it is newer than the one in force, otherwise as a
	 * new one with its content; -EALREADY: it is in force. */
	uint32_t activate_version;
	uint8_t stage;    /* 1: checked and stored under its number only; no shard hears of it */
	const char *note; /* for people; at most 159 bytes */
};
/* As rules_set. -ENOENT: no version copy_version; -ENAMETOOLONG, -EILSEQ: the note. */
SLUICE_MUST_USE int rules_change(struct database *database, const struct rules_change *change,
    int dry_run, const struct audit_entry *who, uint64_t *sequence, struct rule_set *set,
    char *message, size_t message_size);
/*
 * Inside a transaction: the shards refused this command. When it set rules, their version is noted
 * as refused, with `why`, and the one before it counts as in force again. 0 for other commands.
 */
SLUICE_MUST_USE int rules_refused(
    struct db_txn *txn, const json_t *command, const char *why, const struct audit_entry *who);
/* The same for a version in force here whose command is done, while all shards have an older one.
 * -EALREADY: it is another one by now. */
SLUICE_MUST_USE int rules_lost(
    struct database *database, uint32_t wanted, uint32_t shards, const struct audit_entry *who);
/* Versions, newest first: [{"version","state","set_ns","set_by","note","copied_from","refusal"}];
 * state in_force, stored or refused (never were in force) or past. New reference. */
json_t *rules_versions(const struct database *database, unsigned count);
/* Keys that differ: [{"key","from","to","unit"}]. New reference. */
json_t *rules_diff(const struct rule_set *from, const struct rule_set *to);
/* [{"key","value","unit","help"}]. New reference. */
json_t *rules_json(const struct rule_set *set);
/* {"key":value,...}, as the admin socket takes them. New reference. */
json_t *rules_object(const struct rule_set *set);

#endif
