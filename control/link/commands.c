/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending numbered commands, in order and without a gap. What is sent together is answered
 * together; after the first that is not done, all later ones of the same lot were refused for their
 * gap, and are sent again.
 */
#include "control/commands/commands.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control/link/inside.h"
#include "control/log/log.h"

struct find_context {
	uint64_t unmarked_first;
};

static int find_body(struct db_txn *txn, void *argument)
{
	struct find_context *context = argument;
	struct db_cursor cursor;
	uint64_t last = 0;
	int error = db_cursor_open(&cursor, txn, CONTROL_TABLE_COMMAND);

	if (error != 0)
		return error;
	for (error = db_cursor_first(&cursor); error == 0; error = db_cursor_next(&cursor)) {
		struct record_control_command record;
		struct db_bytes text;

		error = record_control_command_read(cursor.value, &record, &text);
		if (error != 0 || record.state == CONTROL_COMMAND_COMMITTED)
			break;
		last = le64_get(record.sequence);
	}
	db_cursor_close(&cursor);
	context->unmarked_first = last + 1;
	return error == -ENOENT ? 0 : error;
}

void link_commands_find(struct link *link)
{
	struct find_context context = { 1 };
	int error = database_read(link->config.database, find_body, &context);

	if (error != 0)
		log_event(LOG_ERROR, "link", "command_unreadable", NULL,
		    "cannot read control's commands: %s; run `sluicectl audit verify` and restore "
		    "the database from its newest copy",
		    strerror(-error));
	link->unmarked_first = context.unmarked_first;
	link->over_last = context.unmarked_first - 1;
	pthread_mutex_lock(&link->mutex);
	link->report.command_done = link->report.command_sent = link->unmarked_first - 1;
	pthread_mutex_unlock(&link->mutex);
}

/* The first refused one that waits for its mark. NULL: none. Refusals are written by this thread
 * alone; no more can wait than are kept, since nothing is sent while marks are. */
static const struct refusal *refusal_unmarked(const struct link *link)
{
	const struct refusal *first = NULL;

	for (unsigned i = 0; i < LINK_REFUSALS_KEPT; i++) {
		const struct refusal *refusal = &link->refusals[i];

		if (refusal->sequence >= link->unmarked_first &&
		    refusal->sequence <= link->over_last &&
		    (first == NULL || refusal->sequence < first->sequence))
			first = refusal;
	}
	return first;
}

/* Marks what is over, each as it ended. Not 0: the rest is marked later. */
static int commands_marks_write(struct link *link)
{
	while (link->unmarked_first <= link->over_last) {
		const struct refusal *refusal = refusal_unmarked(link);
		uint64_t last = refusal != NULL ? refusal->sequence - 1 : link->over_last;
		int error = commands_mark(
		    link->config.database, link->unmarked_first, last, CONTROL_COMMAND_DONE);

		if (error != 0)
			return error;
		link->unmarked_first = last + 1;
		if (refusal == NULL)
			return 0;
		error = commands_refuse(link->config.database, refusal->sequence, refusal->message);
		if (error != 0)
			return error;
		link->unmarked_first = refusal->sequence + 1;
	}
	return 0;
}

/* All up to `last` are over: each refused if it is among the refusals, else done. Who waits is told
 * also when it cannot be marked: the shards have it durably. */
static void commands_over(struct link *link, uint64_t last)
{
	int error;

	if (last <= link->over_last)
		return;
	link->over_last = last;
	error = commands_marks_write(link);
	if (error != 0)
		log_event(LOG_ERROR, "link", "command_mark_failed",
		    &(struct log_ids){ .command = last },
		    "cannot mark commands %" PRIu64 " to %" PRIu64
		    " in control's database: %s; it is tried again each second, and no other is "
		    "sent before",
		    link->unmarked_first, last, strerror(-error));
	pthread_mutex_lock(&link->mutex);
	link->report.command_done = last;
	if (link->report.command_sent < last)
		link->report.command_sent = last;
	pthread_cond_broadcast(&link->changed);
	pthread_mutex_unlock(&link->mutex);
}

static void command_refused(struct link *link, uint64_t sequence, const char *why)
{
	struct refusal *refusal;

	log_event(LOG_WARNING, "link", "command_refused", &(struct log_ids){ .command = sequence },
	    "the data plane refused command %" PRIu64 ", nothing was changed: %s", sequence, why);
	pthread_mutex_lock(&link->mutex);
	refusal = &link->refusals[link->refusal_next++ % LINK_REFUSALS_KEPT];
	refusal->sequence = sequence;
	snprintf(refusal->message, sizeof(refusal->message), "%s", why);
	pthread_mutex_unlock(&link->mutex);
	commands_over(link, sequence);
}

/* Nothing more is sent for a while; said once. */
static void commands_pause_say(
    struct link *link, uint64_t sequence, const char message[LINK_MESSAGE_SIZE])
{
	link->command_retry_ns = link_mono_ns() + LINK_COMMAND_PAUSE_NS;
	link_message_set(link, message);
	if (strcmp(link->pause_message, message) != 0)
		log_event(LOG_ERROR, "link", "command_failed",
		    &(struct log_ids){ .command = sequence }, "%s", message);
	memcpy(link->pause_message, message, sizeof(link->pause_message));
}

static void commands_pause(struct link *link, uint64_t sequence, const char *why)
{
	char message[LINK_MESSAGE_SIZE] = "";

	snprintf(message, sizeof(message),
	    "Command %" PRIu64 " is not done and later ones wait: %.160s. It is sent again.",
	    sequence, why);
	commands_pause_say(link, sequence, message);
}

/* 1 when marks of what is over still wait, and with them all commands. */
static int commands_marks_wait(struct link *link)
{
	char message[LINK_MESSAGE_SIZE] = "";
	int error = commands_marks_write(link);

	if (error == 0)
		return 0;
	snprintf(message, sizeof(message),
	    "Commands wait: control's database cannot be written (%s), so it cannot be marked that "
	    "%" PRIu64 " to %" PRIu64 " are over. Make room on its disk, or mend it.",
	    strerror(-error), link->unmarked_first, link->over_last);
	commands_pause_say(link, link->unmarked_first, message);
	return 1;
}

static void commands_pause_over(struct link *link)
{
	if (link->pause_message[0] == '\0')
		return;
	link->pause_message[0] = '\0';
	link_message_set(link, "");
}

void link_commands_resume(struct link *link)
{
	if (link->over_last < link->shard_min) {
		log_event(LOG_INFO, "link", "commands_found",
		    &(struct log_ids){ .command = link->shard_min },
		    "commands %" PRIu64 " to %" PRIu64 " are on all shards and their answers were "
		    "lost: they count as done, also one that the shards refused",
		    link->over_last + 1, link->shard_min);
		commands_over(link, link->shard_min);
	}
	link->next_sequence = link->shard_min + 1;
	link->command_retry_ns = 0;
}

/* A command the data plane cannot read would block all later ones: its number is used up. */
static int command_replace(struct link *link, uint64_t sequence, const char *why)
{
	json_t *answer = NULL;
	int result;

	log_event(LOG_ERROR, "link", "command_malformed", &(struct log_ids){ .command = sequence },
	    "the data plane cannot read command %" PRIu64 " (%s); its number is used up by a "
	    "command that changes nothing",
	    sequence, why);
	result = link_call(link,
	    json_pack("{s:s, s:I, s:s}", "cmd", "command", "sequence", (json_int_t)sequence, "type",
	        "none"),
	    &answer);
	if (result != 0)
		return result;
	if (link_answer_ok(answer)) {
		commands_pause_over(link);
		command_refused(link, sequence, why);
		link->next_sequence = sequence + 1;
	} else {
		commands_pause(link, sequence, link_answer_error(answer));
	}
	json_decref(answer);
	return 0;
}

/* Sends from next_sequence on; *sent of them. -EMSGSIZE: the one after those is too long. */
static int commands_send(struct link *link, uint64_t last, unsigned *sent)
{
	int result = 0;

	for (*sent = 0; *sent < ADMIN_CLIENT_PIPELINE_MAX; ++*sent) {
		uint64_t sequence = link->next_sequence + *sent;
		json_t *command;

		if (sequence > last)
			return 0;
		result = commands_get(link->config.database, sequence, &command);
		if (result != 0) {
			commands_pause(link, sequence,
			    "control's database does not hold it; "
			    "restore it from its newest copy");
			return 0;
		}
		result = link_send_json(link, command);
		if (result != 0)
			return result;
	}
	return 0;
}

enum outcome {
	OUTCOME_DONE,
	OUTCOME_REFUSED,
	OUTCOME_MALFORMED,
	OUTCOME_FAILED,
};

static enum outcome outcome_of(const json_t *answer)
{
	const char *kind = json_string_value(json_object_get(answer, "kind"));

	if (link_answer_ok(answer))
		return OUTCOME_DONE;
	if (kind != NULL && strcmp(kind, "refused") == 0)
		return OUTCOME_REFUSED;
	if (kind != NULL && strcmp(kind, "malformed") == 0)
		return OUTCOME_MALFORMED;
	return OUTCOME_FAILED;
}

/* Takes `sent` answers, the first for next_sequence; stops counting at the first not done. */
static int commands_receive(struct link *link, unsigned sent)
{
	uint64_t first = link->next_sequence;
	char why[LINK_MESSAGE_SIZE] = "";
	enum outcome outcome = OUTCOME_DONE;
	int result = 0;

	for (unsigned i = 0; i < sent; i++) {
		json_t *answer = NULL;

		result = link_receive(link, &answer);
		if (result != 0)
			break;
		if (outcome == OUTCOME_DONE) {
			outcome = outcome_of(answer);
			if (outcome != OUTCOME_DONE)
				snprintf(why, sizeof(why), "%s", link_answer_error(answer));
			if (outcome == OUTCOME_REFUSED) {
				commands_pause_over(link);
				command_refused(link, first + i, why);
				outcome = OUTCOME_DONE;
			}
			if (outcome == OUTCOME_DONE)
				link->next_sequence = first + i + 1;
		}
		json_decref(answer);
	}
	/* Before the marks, which wake those who wait: they may look at the message next. */
	if (link->next_sequence != first)
		commands_pause_over(link);
	commands_over(link, link->next_sequence - 1);
	if (result != 0)
		return result;
	if (outcome == OUTCOME_MALFORMED)
		return command_replace(link, link->next_sequence, why);
	if (outcome == OUTCOME_FAILED)
		commands_pause(link, link->next_sequence, why);
	return 0;
}

int link_commands_turn(struct link *link, int *busy)
{
	uint64_t last;
	unsigned sent;
	int result, send_result;

	if (link->command_retry_ns != 0) {
		if (link_mono_ns() < link->command_retry_ns)
			return 0;
		/* Where the shards are now decides what comes next. */
		result = link_status_read(link);
		if (result != 0 || link_numbers_refused(link))
			return result;
		link_commands_resume(link);
	}
	if (commands_marks_wait(link))
		return 0;
	result = commands_last(link->config.database, &last);
	if (result != 0) {
		commands_pause(link, link->next_sequence, "control's database cannot be read");
		return 0;
	}
	if (last < link->next_sequence) {
		commands_pause_over(link);
		return 0;
	}
	*busy = 1;
	send_result = commands_send(link, last, &sent);
	pthread_mutex_lock(&link->mutex);
	if (sent != 0 && link->report.command_sent < link->next_sequence + sent - 1)
		link->report.command_sent = link->next_sequence + sent - 1;
	pthread_mutex_unlock(&link->mutex);
	if (send_result != 0 && send_result != -EMSGSIZE)
		return send_result;
	if (sent == 0 && send_result == -EMSGSIZE)
		return command_replace(
		    link, link->next_sequence, "it is longer than a line may be");
	return commands_receive(link, sent);
}
