/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bets and objects, wherever they are: in a shard's memory, which the data plane answers for, or
 * retired into the closed tables of its rows environment, which control reads itself. The answers
 * have one form, the admin socket's.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "control/control.h"
#include "lmdb-schema/history.h"

#define ASK_MS 5000
/* A cycle that began before it retired, the pause (2 s at most under load) and a cycle of a second
 * and a half: a person would not wait for longer. */
#define CLOSED_TRIES    50
#define CLOSED_PAUSE_NS 100000000l

static void number_set(json_t *object, const char *name, uint64_t value)
{
	json_object_set_new(object, name, json_integer((json_int_t)value));
}

static void text_set(json_t *object, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	json_object_set_new(object, name, json_string(text));
}

int handle_history_open(struct control *control, uint32_t shard, struct log_history **history)
{
	char relative[64], path[CONTROL_PATH_SIZE];
	int error;

	snprintf(relative, sizeof(relative), "var/lib/sluice/shard-%" PRIu32, shard);
	error = control_path(control, relative, path, sizeof(path));
	return error != 0 ? error : log_history_open(history, path, shard);
}

static json_t *bet_json(const struct record_bet_full *full, uint32_t shard)
{
	const struct record_bet *bet = &full->bet;
	json_t *object = json_object(), *legs = json_array();

	number_set(object, "shard", shard);
	number_set(object, "lsn", le64_get(bet->lsn));
	text_set(object, "bet_id", le64_get(bet->id));
	number_set(object, "account_id", le64_get(bet->account_id));
	number_set(object, "terminal_id", le64_get(bet->terminal_id));
	number_set(object, "stake", (uint64_t)le64s_get(bet->stake));
	number_set(object, "payout", (uint64_t)le64s_get(bet->payout));
	text_set(object, "placed_at_ns", le64_get(bet->placed_at_ns));
	number_set(object, "currency", le16_get(bet->currency));
	number_set(object, "state", bet->state);
	number_set(object, "reprints", bet->reprints);
	for (unsigned i = 0; i < bet->leg_count && i < LIMIT_BET_LEGS_MAX; i++) {
		json_t *leg = json_object();

		number_set(leg, "market_id", le64_get(full->legs[i].market_id));
		number_set(leg, "selection", le16_get(full->legs[i].selection));
		number_set(leg, "odds", le32_get(full->legs[i].odds));
		json_array_append_new(legs, leg);
	}
	json_object_set_new(object, "legs", legs);
	return object;
}

/* Looks in one shard's closed tables. 0 with *out, -ENOENT. */
typedef int closed_look(struct log_history *history, uint32_t shard, uint64_t id, json_t **out);

static int look_bet(struct log_history *history, uint32_t shard, uint64_t id, json_t **out)
{
	struct record_bet_full bet;
	int error = log_history_closed_bet(history, id, &bet);

	if (error == 0)
		*out = bet_json(&bet, shard);
	return error;
}

static int look_object(struct log_history *history, uint32_t shard, uint64_t id, json_t **out)
{
	struct object_bytes object;
	int error = log_history_closed_object(history, id, &object);

	if (error != 0)
		return error;
	*out = view_object_bytes(&object);
	number_set(*out, "shard", shard);
	return 0;
}

/* All shards in turn: which one a bucket belongs to, only the data plane says. -EAGAIN: it was
 * among the open rows of the last checkpoint. */
static int closed_look_once(struct control *control, closed_look *look, uint64_t id, json_t **out)
{
	int error = -ENOENT;

	for (uint32_t shard = 0; shard < LIMIT_SHARDS && error == -ENOENT; shard++) {
		struct log_history *history = NULL;

		if (handle_history_open(control, shard, &history) != 0)
			break; /* one behind the last shard */
		error = look(history, shard, id, out);
		log_history_close(history);
	}
	return error;
}

/* What a worker has just let go is shown by the next checkpoint: that is waited for. */
static int closed_find(struct control *control, closed_look *look, uint64_t id, json_t **out)
{
	const struct timespec pause = { .tv_nsec = CLOSED_PAUSE_NS };
	int error = closed_look_once(control, look, id, out);

	for (int i = 0; i < CLOSED_TRIES && error == -EAGAIN; i++) {
		(void)nanosleep(&pause, NULL);
		error = closed_look_once(control, look, id, out);
	}
	return error;
}

int handle_bet_find(
    struct control *control, uint64_t bet_id, json_t **answer, char *message, size_t message_size)
{
	char id[24];
	int error;

	snprintf(id, sizeof(id), "%" PRIu64, bet_id);
	error = link_ask(control->link, json_pack("{s:s, s:s}", "cmd", "bet_show", "bet_id", id),
	    ASK_MS, answer, message, message_size);
	if (error == 0 && json_is_true(json_object_get(*answer, "found")))
		return 0;
	if (error == 0) {
		json_decref(*answer);
		*answer = NULL;
	}
	if (closed_find(control, look_bet, bet_id, answer) == 0) {
		message[0] = '\0';
		return 0;
	}
	return error == 0 ? -ENOENT : error;
}

int handle_object_find(struct control *control, uint64_t object_id, json_t **answer, char *message,
    size_t message_size)
{
	char id[24];
	json_t *all = NULL;
	int error;

	snprintf(id, sizeof(id), "%" PRIu64, object_id);
	error =
	    link_ask(control->link, json_pack("{s:s, s:s}", "cmd", "object_show", "object_id", id),
	        ASK_MS, &all, message, message_size);
	if (error == 0) {
		*answer = json_incref(json_array_get(json_object_get(all, "objects"), 0));
		json_decref(all);
		if (*answer != NULL)
			return 0;
	}
	if (closed_find(control, look_object, object_id, answer) == 0) {
		message[0] = '\0';
		return 0;
	}
	return error == 0 ? -ENOENT : error;
}
