/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Screening. What a name was last screened as (name, lists, threshold, country and its level: one
 * hash) is noted in the transaction that raises its alerts (alerts_screened). So a crash repeats
 * nothing, and a pass over all names screens those alone that are not as they were. A pass begins
 * at a start, and after a change of a name, a list or a country; a verdict on a hit takes the note
 * away and changes the row of the name.
 *
 * What the shards are to know of an account (ACCOUNT_FLAGS) follows from its hits that were not
 * closed as false. It is told before the alerts are raised, which a data plane that is away must
 * not hold up; a name counts as screened when both are done.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistr.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "control/alerts/alerts.h"
#include "control/watchlist/names.h"
#include "control/watchlist/watchlist.h"

#define ROWS_MAX  2000u /* looked at in one turn */
#define NAMES_MAX 50u   /* of them screened */
#define AGAIN_NS  2000000000ull

struct candidate {
	struct subject subject;
	char name[128];
	uint8_t country[3];
	uint32_t told_waits; /* of an account: its flags are told when it is open */
	uint64_t state;      /* hash of all it is screened as */
};

struct screen {
	struct database *database;
	struct watchlist *watchlist;
	uint64_t change;              /* changes up to it were looked at */
	uint64_t again_ns;            /* when all are looked at again: some could not be told */
	enum control_subject_kind at; /* 0: no pass */
	uint64_t next_id;
	uint64_t stamp;
	unsigned threshold;
	struct candidate found[NAMES_MAX];
	unsigned count;
};

int screen_open(struct screen **out, struct database *database, struct watchlist *watchlist)
{
	struct screen *screen = calloc(1, sizeof(*screen));

	if (screen == NULL)
		return -ENOMEM;
	screen->database = database;
	screen->watchlist = watchlist;
	*out = screen;
	return 0;
}

void screen_close(struct screen *screen)
{
	free(screen);
}

/* ---- Is there something to do ---- */

static int concerns(unsigned table)
{
	return table == CONTROL_TABLE_SUBJECT || table == CONTROL_TABLE_TERMINAL ||
	       table == CONTROL_TABLE_PARTNER || table == CONTROL_TABLE_WATCH_LIST ||
	       table == CONTROL_TABLE_COUNTRY;
}

/* Sets `at` when a change since the last look concerns names. */
static int changes_body(struct db_txn *txn, void *argument)
{
	struct screen *screen = argument;
	uint64_t last;
	int error = database_last(txn, CONTROL_TABLE_CHANGE, &last), found = screen->change == 0;

	if (error != 0 || last == screen->change)
		return error;
	if (last - screen->change > ROWS_MAX)
		found = 1;
	for (uint64_t number = screen->change + 1; !found && number <= last; number++) {
		struct db_key key = db_key_make(number);
		struct record_control_change change;
		struct db_bytes value, changed_key, changed_value;

		error = db_get(txn, CONTROL_TABLE_CHANGE, db_key(&key), &value);
		if (error == 0)
			error = record_control_change_read(
			    value, &change, &changed_key, &changed_value);
		if (error != 0)
			return error;
		found = concerns(change.table);
	}
	screen->change = last;
	if (found) {
		screen->at = CONTROL_SUBJECT_ACCOUNT;
		screen->next_id = 0;
	}
	return 0;
}

/* ---- Who is to be screened ---- */

static int candidate_state(
    struct db_txn *txn, const struct screen *screen, struct candidate *candidate)
{
	struct record_control_country country;
	struct {
		char name[128];
		uint64_t stamp, threshold, level, told_waits;
		uint8_t country[8];
	} all = { .stamp = screen->stamp,
		.threshold = screen->threshold,
		.told_waits = candidate->told_waits };
	int error = 0;

	memcpy(all.name, candidate->name, sizeof(all.name));
	memcpy(all.country, candidate->country, sizeof(candidate->country));
	if (candidate->country[0] != 0)
		error = country_row(txn, candidate->country, &country);
	if (error == 0 && candidate->country[0] != 0)
		all.level = country.level;
	candidate->state = XXH3_64bits(&all, sizeof(all));
	return error == -ENOENT ? 0 : error;
}

/* 1 when it was screened as it is now. */
static int is_current(struct db_txn *txn, const struct candidate *candidate)
{
	uint64_t state;
	int error = alerts_screened(txn, &candidate->subject, &state);

	if (error != 0)
		return error == -ENOENT || error == -EBADMSG ? 0 : error;
	return state == candidate->state;
}

static int candidate_add(struct db_txn *txn, struct screen *screen, uint64_t id, const char *name)
{
	struct candidate candidate = { .subject = { screen->at, id } };
	struct record_control_subject row;
	int known, error = subject_row(txn, &candidate.subject, &row, &known);

	if (error != 0)
		return error;
	snprintf(candidate.name, sizeof(candidate.name), "%s",
	    row.name[0] != '\0' ? (const char *)row.name : name);
	memcpy(candidate.country, row.country, sizeof(candidate.country));
	if (candidate.name[0] == '\0' && candidate.country[0] == 0 && row.told == 0 &&
	    le16_get(row.told_country) == 0)
		return 0;
	if (screen->at == CONTROL_SUBJECT_ACCOUNT)
		candidate.told_waits = row.told_waits;
	error = candidate_state(txn, screen, &candidate);
	if (error == 0)
		error = is_current(txn, &candidate);
	if (error == 0)
		screen->found[screen->count++] = candidate;
	return error < 0 ? error : 0;
}

static int row_look(struct db_txn *txn, struct screen *screen, const struct db_cursor *cursor)
{
	struct record_control_subject subject;
	struct record_control_terminal terminal;
	struct record_control_partner partner;
	const char *name = "";
	int error;

	switch (screen->at) {
	case CONTROL_SUBJECT_ACCOUNT:
		error = record_control_subject_read(cursor->value, &subject);
		if (error != 0)
			return error;
		if (subject.kind != CONTROL_SUBJECT_ACCOUNT)
			return -ENOENT; /* behind the last account */
		screen->next_id = le64_get(subject.id);
		break;
	case CONTROL_SUBJECT_TERMINAL:
		error = record_control_terminal_read(cursor->value, &terminal);
		if (error != 0)
			return error;
		screen->next_id = le64_get(terminal.id);
		name = (const char *)terminal.name;
		break;
	case CONTROL_SUBJECT_PARTNER:
	case CONTROL_SUBJECT_MARKET:
	default:
		error = record_control_partner_read(cursor->value, &partner);
		if (error != 0)
			return error;
		screen->next_id = le64_get(partner.id);
		name = (const char *)partner.name;
	}
	return candidate_add(txn, screen, screen->next_id, name);
}

/* The next rows of the kind the pass is at; the pass goes on with the next kind behind the last. */
static int look_body(struct db_txn *txn, void *argument)
{
	struct screen *screen = argument;
	const enum control_table table =
	    screen->at == CONTROL_SUBJECT_ACCOUNT    ? CONTROL_TABLE_SUBJECT
	    : screen->at == CONTROL_SUBJECT_TERMINAL ? CONTROL_TABLE_TERMINAL
	                                             : CONTROL_TABLE_PARTNER;
	struct db_key key = screen->at == CONTROL_SUBJECT_ACCOUNT
	                        ? db_key_make_pair(screen->at, screen->next_id)
	                        : db_key_make(screen->next_id);
	struct db_cursor cursor;
	int error = db_cursor_open(&cursor, txn, table);

	screen->count = 0;
	if (error != 0)
		return error;
	error = db_cursor_seek_below(&cursor, db_key(&key));
	error = error == 0         ? db_cursor_next(&cursor)
	        : error == -ENOENT ? db_cursor_first(&cursor)
	                           : error;
	for (unsigned looked = 0; error == 0 && looked < ROWS_MAX && screen->count < NAMES_MAX;
	     looked++) {
		error = row_look(txn, screen, &cursor);
		if (error == 0)
			error = db_cursor_next(&cursor);
	}
	db_cursor_close(&cursor);
	if (error == -ENOENT) {
		screen->at = screen->at == CONTROL_SUBJECT_PARTNER
		                 ? (enum control_subject_kind)0
		                 : (enum control_subject_kind)(screen->at + 1);
		screen->next_id = 0;
		error = 0;
	}
	return error;
}

/* ---- Screening one ---- */

struct raise_context {
	const struct candidate *candidate;
	const struct watch_hit *hits;
	int count, untold; /* untold: the shards could not be told now */
	uint64_t name_hash;
};

static struct alert_hit alert_of(
    const struct raise_context *context, const struct watch_hit *hit, const char *text)
{
	return (struct alert_hit){
		.subject = context->candidate->subject,
		.list = hit->list,
		.entry = hit->entry,
		.name_hash = context->name_hash,
		.entry_hash = hit->entry_hash,
		.similarity = hit->similarity,
		.text = text,
	};
}

static int hit_raise(
    struct db_txn *txn, const struct raise_context *context, const struct watch_hit *hit)
{
	char
	    text[sizeof(context->candidate->name) + sizeof(hit->list_name) + sizeof(hit->text) + 8];
	uint64_t number;
	const struct alert_hit alert = alert_of(context, hit, text);

	snprintf(
	    text, sizeof(text), "%s ~ %s: %s", context->candidate->name, hit->list_name, hit->text);
	text[sizeof(((struct record_control_alert *)NULL)->text) - 1] = '\0';
	/* Cut inside a character it would not be UTF-8. */
	for (size_t length = strlen(text); length > 0 && u8_check((uint8_t *)text, length) != NULL;)
		text[--length] = '\0';
	return alerts_raise_hit(txn, &alert, &number);
}

/* A list whose name begins so is of politically exposed persons; all others are of sanctions. */
#define LIST_PEP "pep"

static int hits_flags(struct db_txn *txn, const struct raise_context *context, unsigned *flags)
{
	int dismissed, error = 0;

	for (int i = 0; error == 0 && i < context->count; i++) {
		const struct watch_hit *hit = &context->hits[i];
		const struct alert_hit alert = alert_of(context, hit, NULL);

		error = alerts_hit_dismissed(txn, &alert, &dismissed);
		if (error == 0 && !dismissed)
			*flags |= strncasecmp(hit->list_name, LIST_PEP, strlen(LIST_PEP)) == 0
			              ? CONTROL_TOLD_PEP
			              : CONTROL_TOLD_SANCTIONED;
	}
	return error;
}

/* What the shards are to know of an account: every hit that was not found false. */
static int tell_body(struct db_txn *txn, void *argument)
{
	const struct raise_context *context = argument;
	const struct candidate *candidate = context->candidate;
	struct record_control_country country;
	uint16_t number = 0;
	unsigned flags = 0;
	int dismissed = 0, told, error = hits_flags(txn, context, &flags);

	if (error == 0 && candidate->country[0] != 0) {
		number = country_number(candidate->country);
		error = country_row(txn, candidate->country, &country);
		if (error == 0 && country.level != CONTROL_COUNTRY_NONE) {
			error = alerts_country_dismissed(
			    txn, &candidate->subject, &country, &dismissed);
			if (error == 0 && !dismissed)
				flags |= CONTROL_TOLD_COUNTRY_RISK;
		}
		if (error == -ENOENT)
			error = 0;
	}
	return error != 0 ? error
	                  : subject_flags_tell(txn, candidate->subject.id, flags, number, &told);
}

static int raise_body(struct db_txn *txn, void *argument)
{
	const struct raise_context *context = argument;
	const struct candidate *candidate = context->candidate;
	struct record_control_country country;
	uint64_t number;
	int error = 0;

	for (int i = 0; error == 0 && i < context->count; i++)
		error = hit_raise(txn, context, &context->hits[i]);
	if (error == 0 && candidate->country[0] != 0) {
		error = country_row(txn, candidate->country, &country);
		if (error == 0 && country.level != CONTROL_COUNTRY_NONE)
			error = alerts_raise_country(txn, &candidate->subject, &country, &number);
		if (error == -ENOENT)
			error = 0;
	}
	if (error != 0 || context->untold)
		return error;
	return alerts_screened_put(txn, &candidate->subject, candidate->state);
}

static int candidate_screen(struct screen *screen, const struct candidate *candidate)
{
	struct watch_hit hits[WATCH_HITS_MAX];
	struct raise_context context = { .candidate = candidate, .hits = hits };
	struct name name;
	int error = name_make(candidate->name, strlen(candidate->name), &name);

	if (error != 0)
		return error;
	context.name_hash = name_hash(&name);
	if (candidate->name[0] != '\0')
		context.count =
		    watchlist_match(screen->watchlist, candidate->name, screen->threshold, hits);
	if (context.count < 0)
		return context.count;
	if (candidate->subject.kind == CONTROL_SUBJECT_ACCOUNT) {
		error = database_write(screen->database, tell_body, &context);
		context.untold = error == -EAGAIN || error == -ESTALE;
		if (error != 0 && !context.untold)
			return error;
		if (context.untold)
			screen->again_ns = database_now_ns() + AGAIN_NS;
	}
	return database_write(screen->database, raise_body, &context);
}

int screen_turn(struct screen *screen, unsigned threshold)
{
	int error = 0;

	if (threshold != screen->threshold)
		screen->change = 0; /* all names again */
	screen->threshold = threshold;
	if (screen->at == 0 && screen->again_ns != 0 && database_now_ns() >= screen->again_ns) {
		screen->again_ns = 0;
		screen->change = 0;
	}
	if (screen->at == 0)
		error = database_read(screen->database, changes_body, screen);
	if (error != 0 || screen->at == 0)
		return error;
	error = watchlist_stamp(screen->watchlist, &screen->stamp);
	if (error == 0)
		error = database_read(screen->database, look_body, screen);
	for (unsigned i = 0; error == 0 && i < screen->count; i++)
		error = candidate_screen(screen, &screen->found[i]);
	if (error != 0) {
		screen->change = 0; /* from the begin, what is current is passed over */
		screen->at = 0;
	}
	return error != 0 ? error : (int)screen->count + (screen->at != 0);
}
