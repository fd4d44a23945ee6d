/* SPDX-License-Identifier: Apache-2.0 */
/* What the thread says besides commands: sessions, questions, status, histograms, list. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/commands/commands.h"
#include "control/link/inside.h"
#include "control/log/log.h"

/* ---- Sessions ---- */

#define INSTALL_LINE_SIZE 1024

static void hex_encode(const uint8_t *bytes, size_t size, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < size; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	out[2 * size] = '\0';
}

/* The line is made by hand, not through jansson, so that the keys in it can be wiped. */
static size_t install_line(const struct session_work *work, char line[INSTALL_LINE_SIZE])
{
	char hex[5][2 * AEAD_KEY_SIZE + 1], rates[64] = "";
	int length;

	if (work->rate_per_s != 0 && work->rate_burst != 0)
		snprintf(rates, sizeof(rates),
		    ",\"rate_per_s\":%" PRIu32 ",\"rate_burst\":%" PRIu32, work->rate_per_s,
		    work->rate_burst);
	hex_encode(work->to_switch_key, AEAD_KEY_SIZE, hex[0]);
	hex_encode(work->to_switch_iv, AEAD_IV_SIZE, hex[1]);
	hex_encode(work->to_terminal_key, AEAD_KEY_SIZE, hex[2]);
	hex_encode(work->to_terminal_iv, AEAD_IV_SIZE, hex[3]);
	hex_encode(work->reset_key, KEYS_RESET_SIZE, hex[4]);
	length = snprintf(line, INSTALL_LINE_SIZE,
	    "{\"cmd\":\"session_install\",\"session_id\":%" PRIu32 ",\"terminal_id\":%" PRIu64
	    ",\"rights\":%" PRIu32 ",\"epoch\":%u,\"current\":true,\"expires_ns\":%" PRIu64 "%s"
	    ",\"to_switch_key\":\"%s\",\"to_switch_iv\":\"%s\",\"to_terminal_key\":\"%s\""
	    ",\"to_terminal_iv\":\"%s\",\"reset_key\":\"%s\"}",
	    work->session_id, work->terminal_id, work->rights, (unsigned)work->epoch,
	    work->expires_ns, rates, hex[0], hex[1], hex[2], hex[3], hex[4]);
	explicit_bzero(hex, sizeof(hex));
	SLUICE_REQUIRE(length > 0 && length < INSTALL_LINE_SIZE);
	return (size_t)length;
}

_Static_assert(KEYS_RESET_SIZE <= AEAD_KEY_SIZE, "the reset key fits the row of hex");

/* With its terminal, a session's end takes the way its installation took and cannot overtake it. Of
 * a stray the terminal is not known; it is there already. */
static size_t end_line(const struct session_work *work, char line[INSTALL_LINE_SIZE])
{
	char terminal[40] = "";

	if (work->terminal_id != 0)
		snprintf(
		    terminal, sizeof(terminal), ",\"terminal_id\":%" PRIu64, work->terminal_id);
	return (size_t)snprintf(line, INSTALL_LINE_SIZE,
	    "{\"cmd\":\"session_end\",\"session_id\":%" PRIu32 "%s}", work->session_id, terminal);
}

static int work_send(struct link *link, const struct session_work *work)
{
	char line[INSTALL_LINE_SIZE];
	size_t size;
	int result;

	if (work->kind == SESSION_WORK_INSTALL)
		size = install_line(work, line);
	else
		size = end_line(work, line);
	result = link_send(link, line, size);
	explicit_bzero(line, size);
	return result;
}

/* By "kind"; a data plane without it says what is wrong in words only. */
static int work_error(const json_t *answer)
{
	const char *kind = json_string_value(json_object_get(answer, "kind"));
	const char *error = link_answer_error(answer);

	if (link_answer_ok(answer))
		return 0;
	if (kind != NULL && strcmp(kind, "unknown_session") == 0)
		return -ENOENT;
	if (kind != NULL && strcmp(kind, "slot_live") == 0)
		return -EEXIST;
	if (kind != NULL && strcmp(kind, "refused") != 0)
		return -EPERM;
	if (strstr(error, "no such session") != NULL)
		return -ENOENT;
	if (strstr(error, "session slot is live") != NULL)
		return -EEXIST;
	return -EPERM;
}

static void work_answered(struct link *link, const struct session_work *work, const json_t *answer)
{
	int error = work_error(answer);

	if (error != 0 && (work->kind != SESSION_WORK_END || error != -ENOENT))
		log_event(LOG_WARNING, "link",
		    work->kind == SESSION_WORK_END ? "session_end_refused" : "session_refused",
		    &(struct log_ids){ .session = work->session_id, .terminal = work->terminal_id },
		    "the data plane refused session %" PRIu32 ": %s", work->session_id,
		    link_answer_error(answer));
	sessions_work_done(link->config.sessions, work, error);
}

int link_sessions_turn(struct link *link, int ends_only, int *busy)
{
	struct session_work work[ADMIN_CLIENT_PIPELINE_MAX];
	unsigned count, answered = 0;
	int result = 0;

	count = (ends_only ? sessions_work_ends : sessions_work)(
	    link->config.sessions, database_now_ns(), work, ADMIN_CLIENT_PIPELINE_MAX);
	if (count == 0)
		return 0;
	*busy = 1;
	for (unsigned i = 0; i < count && result == 0; i++)
		result = work_send(link, &work[i]);
	for (; answered < count && result == 0; answered++) {
		json_t *answer = NULL;

		result = link_receive(link, &answer);
		if (result != 0)
			break;
		work_answered(link, &work[answered], answer);
		json_decref(answer);
	}
	for (; answered < count; answered++)
		sessions_work_done(link->config.sessions, &work[answered], -ENOTCONN);
	sessions_work_wipe(work, count);
	return result;
}

/* ---- Questions ---- */

static struct question *question_take(struct link *link, json_t **request)
{
	struct question *question;

	pthread_mutex_lock(&link->mutex);
	question = link->questions;
	if (question != NULL) {
		link->questions = question->next;
		if (link->questions == NULL)
			link->questions_end = &link->questions;
		link->question_count--;
		pthread_cond_broadcast(&link->changed); /* there is a place */
		*request = question->request;
		question->request = NULL;
	}
	pthread_mutex_unlock(&link->mutex);
	return question;
}

/* Hands the answer (its reference too) to the asker, if that still waits. */
static void question_done(
    struct link *link, struct question *question, int result, json_t *answer, const char *message)
{
	pthread_mutex_lock(&link->mutex);
	if (question->abandoned) {
		json_decref(answer);
		free(question);
	} else {
		question->result = result;
		question->answer = answer;
		snprintf(question->message, sizeof(question->message), "%s", message);
		question->done = 1;
		pthread_cond_broadcast(&link->changed);
	}
	pthread_mutex_unlock(&link->mutex);
}

static int question_ask(struct link *link, struct question *question, json_t *request)
{
	json_t *answer = NULL;
	int result = link_call(link, request, &answer);

	if (result == -EMSGSIZE) {
		question_done(link, question, -EPERM, NULL,
		    "The request is longer than the data plane takes (64 KiB). Send less at once.");
		return 0;
	}
	if (result != 0) {
		question_done(link, question, -EHOSTDOWN, NULL, link->admin.message);
		return result;
	}
	if (!link_answer_ok(answer)) {
		question_done(link, question, -EPERM, NULL, link_answer_error(answer));
		json_decref(answer);
		return 0;
	}
	question_done(link, question, 0, answer, "");
	return 0;
}

int link_questions_turn(struct link *link, int *busy)
{
	/* Bounded, so that questions cannot hold up a revocation. */
	for (unsigned i = 0; i < LINK_QUESTIONS_MAX / 4; i++) {
		json_t *request = NULL;
		struct question *question = question_take(link, &request);
		int result;

		if (question == NULL)
			return 0;
		*busy = 1;
		result = question_ask(link, question, request);
		if (result != 0)
			return result;
	}
	return 0;
}

void link_questions_fail(struct link *link)
{
	json_t *request = NULL;
	struct question *question;

	while ((question = question_take(link, &request)) != NULL) {
		json_decref(request);
		question_done(link, question, -EHOSTDOWN, NULL,
		    "The data plane cannot be reached now; try again, or see `sluicectl status`.");
	}
}

/* ---- Status, histograms, list ---- */

/*
 * A shard whose journal began at LSN 1 had done all that was durable on all shards, unless that is
 * not its journal: its directory was lost, or an older one was put in its place. What a restore or
 * a re-sharding began may rightly have fewer: those are sent again. Of a data plane that does not
 * say where its journals began nothing is known. Looked at once a boot, with the mutex held.
 */
static void lost_find(struct link *link, const json_t *shards)
{
	const json_t *shard;
	size_t index;

	link->is_lost = link->lost_is_lsn = 0;
	json_array_foreach(shards, index, shard)
	{
		const json_t *base =
		    json_object_get(json_object_get(shard, "recovery"), "base_lsn");
		uint64_t has =
		    (uint64_t)json_integer_value(json_object_get(shard, "control_sequence"));

		if (link->is_lost || !json_is_integer(base) || json_integer_value(base) != 0 ||
		    has >= link->over_last)
			continue;
		link->is_lost = 1;
		link->lost_shard = (unsigned)index;
		link->lost_has = has;
		link->lost_done = link->over_last;
	}
}

static int status_take(struct link *link, json_t *status)
{
	struct admin_client_status parsed;
	const json_t *shards = json_object_get(status, "shards"), *shard;
	size_t index;

	if (!link_answer_ok(status) ||
	    admin_client_status_parse(&link->admin, status, &parsed) != 0) {
		snprintf(link->admin.message, sizeof(link->admin.message),
		    "The data plane's status cannot be read. Use a data plane of this version.");
		return -EPROTO;
	}
	link->shard_min = parsed.control_sequence;
	link->shard_max = 0;
	json_array_foreach(shards, index, shard)
	{
		json_int_t value = json_integer_value(json_object_get(shard, "control_sequence"));

		if (index == 0 || (uint64_t)value > link->shard_max) {
			link->shard_max = (uint64_t)value;
			link->shard_highest = (unsigned)index;
		}
	}
	pthread_mutex_lock(&link->mutex);
	if (link->report.boot_id != parsed.boot_id) {
		link->report.boots++;
		lost_find(link, shards);
		link_seen_compare(link, shards);
	}
	link->report.boot_id = parsed.boot_id;
	link->status_mono_ns = link_mono_ns();
	json_decref(link->status);
	link->status = json_incref(status);
	pthread_mutex_unlock(&link->mutex);
	return 0;
}

int link_numbers_refused(struct link *link)
{
	int refused;

	pthread_mutex_lock(&link->mutex);
	refused = link->numbers == NUMBERS_AHEAD || link->numbers == NUMBERS_LOST;
	pthread_mutex_unlock(&link->mutex);
	return refused;
}

static int numbers_good(struct link *link)
{
	int good;

	pthread_mutex_lock(&link->mutex);
	good = link->numbers == NUMBERS_GOOD;
	pthread_mutex_unlock(&link->mutex);
	return good;
}

/*
 * What was committed between the look at control's last number and the gate's closing: no shard was
 * told, and no shard ever will be, since it has another command under that number. The transaction
 * that is under way now asked the gate before, and is over when this write begins.
 */
static void numbers_late(struct link *link, uint64_t last)
{
	uint64_t late = last;
	int error = commands_mark_late(
	    link->config.database, last + 1, link->shard_max, CONTROL_COMMAND_REFUSED, &late);

	if (error != 0 || late > last)
		log_event(LOG_ERROR, "link", "commands_late", &(struct log_ids){ .command = late },
		    "commands %" PRIu64 " to %" PRIu64 " were committed while a shard was found "
		    "ahead; no shard was told of them and they are refused: %s",
		    last + 1, late, error == 0 ? "repeat them after the remedy" : strerror(-error));
	pthread_mutex_lock(&link->mutex);
	link->refused_above = last;
	pthread_cond_broadcast(&link->changed);
	pthread_mutex_unlock(&link->mutex);
}

/* `last`: control's number before the status was asked for, so that nothing committed since can
 * hide that a shard has more than it was ever told. */
static void numbers_compare(struct link *link, uint64_t last, unsigned adoptions)
{
	enum numbers_state before;
	int found = 0;

	pthread_mutex_lock(&link->mutex);
	before = link->numbers;
	if (link->numbers == NUMBERS_AHEAD) {
		/* Until it is adopted. */
	} else if (adoptions != link->adoptions) {
		link->status_due_ns = 0; /* `last` is older than the adoption: once more */
	} else if (link->shard_max > last) {
		found = 1;
		link->numbers = NUMBERS_AHEAD;
		link->ahead_last = last;
	} else {
		link->numbers = link->is_lost ? NUMBERS_LOST : NUMBERS_GOOD;
	}
	if (link->numbers == NUMBERS_AHEAD && (found || link->shard_max > link->ahead_max)) {
		link->ahead_max = link->shard_max;
		link->ahead_shard = link->shard_highest;
	}
	if (link->numbers != before)
		pthread_cond_broadcast(&link->changed);
	pthread_mutex_unlock(&link->mutex);
	if (found)
		numbers_late(link, last);
}

int link_status_read(struct link *link)
{
	json_t *answer = NULL;
	unsigned adoptions;
	uint64_t last = 0;
	int result;

	pthread_mutex_lock(&link->mutex);
	adoptions = link->adoptions;
	pthread_mutex_unlock(&link->mutex);
	result = commands_last(link->config.database, &last);
	if (result != 0) {
		snprintf(link->admin.message, sizeof(link->admin.message),
		    "Control's database cannot be read: %s. Restore it from its newest copy.",
		    strerror(-result));
		return result;
	}
	result = link_call(link, json_pack("{s:s}", "cmd", "status"), &answer);
	if (result == 0)
		result = status_take(link, answer);
	link->status_due_ns = link_mono_ns() + LINK_STATUS_NS;
	if (result == 0)
		numbers_compare(link, last, adoptions);
	if (result == 0 && numbers_good(link))
		link_seen_keep(link, json_object_get(answer, "shards"));
	json_decref(answer);
	return result;
}

int link_histograms_read(struct link *link)
{
	json_t *answer = NULL, *previous;
	int result = link_call(link, json_pack("{s:s}", "cmd", "histograms"), &answer);

	link->histograms_due_ns = link_mono_ns() + LINK_HISTOGRAMS_NS;
	if (result != 0)
		return result;
	if (!link_answer_ok(answer)) { /* a data plane that has none */
		json_decref(answer);
		link->histograms_due_ns = UINT64_MAX;
		return 0;
	}
	pthread_mutex_lock(&link->mutex);
	previous = link->histograms;
	link->histograms = answer;
	pthread_mutex_unlock(&link->mutex);
	json_decref(previous);
	return 0;
}

static void listed_take(struct link *link, const json_t *session)
{
	json_int_t id = json_integer_value(json_object_get(session, "session_id"));
	json_int_t terminal = json_integer_value(json_object_get(session, "terminal_id"));

	if (id <= 0 || id > UINT32_MAX)
		return;
	if (!sessions_seen(link->config.sessions, (uint32_t)id, (uint64_t)terminal))
		log_event(LOG_WARNING, "link", "session_unknown",
		    &(struct log_ids){ .session = (uint64_t)id, .terminal = (uint64_t)terminal },
		    "the data plane has a session that control did not establish; it is ended");
	else if (json_is_true(json_object_get(session, "wants_rotation")))
		(void)sessions_rotate_worn(link->config.sessions, (uint32_t)id);
	if (link->config.on_session != NULL)
		link->config.on_session(link->config.context, session);
}

/* One page. The next follows soon, or when the list begins anew. */
int link_list_read(struct link *link)
{
	const json_t *session;
	json_t *answer = NULL;
	uint64_t now_ns = link_mono_ns();
	size_t index;
	int result;

	if (link->list_slot == 0)
		link->list_begun_ns = now_ns;
	result = link_call(link,
	    json_pack("{s:s, s:I}", "cmd", "sessions", "from_slot", (json_int_t)link->list_slot),
	    &answer);
	if (result != 0)
		return result;
	if (!link_answer_ok(answer)) { /* a data plane that has no list */
		json_decref(answer);
		link->list_due_ns = UINT64_MAX;
		return 0;
	}
	json_array_foreach(json_object_get(answer, "sessions"), index, session)
	    listed_take(link, session);
	link->list_slot = (uint32_t)json_integer_value(json_object_get(answer, "next_slot"));
	link->list_due_ns =
	    link->list_slot != 0 ? now_ns + LINK_LIST_PAGE_NS : link->list_begun_ns + LINK_LIST_NS;
	json_decref(answer);
	return 0;
}
