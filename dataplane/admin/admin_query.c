/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions about rows and sessions: from the line to a shard_query, and from the answered one to
 * JSON. Bet ids use all 64 bits, so an id may be given as a number or as a string of digits.
 */
#include "dataplane/admin/admin.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* One row per question about a row: where its id is looked up. */
static const struct {
	const char *name, *field;
	enum shard_query_kind kind;
	uint64_t lowest, highest;
} questions[] = {
	{ "account_show", "account_id", QUERY_ACCOUNT, 1, LIMIT_ACCOUNT_ID_MAX },
	{ "bet_show", "bet_id", QUERY_BET, 1, UINT64_MAX },
	{ "terminal_show", "terminal_id", QUERY_TERMINAL, 1, LIMIT_TERMINAL_ID_MAX },
	{ "market_show", "market_id", QUERY_MARKET, 1, LIMIT_ACCOUNT_ID_MAX },
};

static void set_number(json_t *object, const char *name, uint64_t value)
{
	json_object_set_new(object, name, json_integer((json_int_t)value));
}

/* 64 bits do not fit a JSON number. */
static void set_text(json_t *object, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	json_object_set_new(object, name, json_string(text));
}

static void set_bool(json_t *object, const char *name, int value)
{
	json_object_set_new(object, name, json_boolean(value));
}

/* A whole number, or its digits in a string. 0 or -EINVAL. */
static int id_read(const json_t *value, uint64_t *id)
{
	const char *text = json_string_value(value);
	char *end;

	if (json_is_integer(value) && json_integer_value(value) >= 0) {
		*id = (uint64_t)json_integer_value(value);
		return 0;
	}
	if (text == NULL || text[0] < '0' || text[0] > '9')
		return -EINVAL;
	errno = 0;
	*id = strtoull(text, &end, 10);
	return errno != 0 || *end != '\0' ? -EINVAL : 0;
}

int admin_query_parse(const struct admin_context *context, const json_t *object, const char *name,
    struct admin_request *request, json_t **error)
{
	const struct ids_bucket_map *buckets = &context->shared->buckets;
	uint64_t id = 0;
	size_t i = 0;

	request->command.kind = SHARD_QUERY;
	if (strcmp(name, "sessions") == 0) {
		json_t *from = json_object_get(object, "from_slot");

		request->kind = ADMIN_ALL_SHARDS;
		request->query_kind = QUERY_SESSIONS;
		if (from != NULL && (id_read(from, &id) != 0 || id >= LIMIT_SESSION_SLOTS))
			*error = admin_error(
			    "\"from_slot\" is out of range; give 0 to %u", LIMIT_SESSION_SLOTS - 1);
		request->query_id = id;
		return 1;
	}
	while (i < SLUICE_ARRAY_COUNT(questions) && strcmp(name, questions[i].name) != 0)
		i++;
	if (i == SLUICE_ARRAY_COUNT(questions))
		return 0;
	if (id_read(json_object_get(object, questions[i].field), &id) != 0 ||
	    id < questions[i].lowest || id > questions[i].highest) {
		*error =
		    admin_error("\"%s\" is missing or out of range; give %" PRIu64 " to %" PRIu64,
		        questions[i].field, questions[i].lowest, questions[i].highest);
		return 1;
	}
	request->kind = ADMIN_ONE_SHARD;
	request->query_kind = questions[i].kind;
	request->query_id = id;
	/* Every market is on every shard. */
	request->shard = questions[i].kind == QUERY_MARKET ? 0
	                 : questions[i].kind == QUERY_BET
	                     ? buckets->shard[ids_bucket_of_printed(id)]
	                     : buckets->shard[ids_bucket_of_key(id)];
	return 1;
}

/*
 * The home of a live slot, or 0xff. Relaxed: main's own stores, and those of workers that end
 * expired sessions; who is asked about a session that is gone leaves it out.
 */
static uint8_t slot_home(const struct switch_shared *shared, uint32_t slot)
{
	return atomic_load_explicit(&shared->slot_home[slot], memory_order_relaxed);
}

void admin_query_prepare(const struct admin_context *context, const struct admin_request *request,
    struct shard_query *query)
{
	const struct switch_shared *shared = context->shared;

	query->kind = request->query_kind;
	query->id = request->query_id;
	query->sessions_count = 0;
	query->found = 0;
	query->shard = 0;
	query->lsn = 0;
	if (query->kind != QUERY_SESSIONS)
		return;
	for (uint64_t slot = query->id;
	     slot < shared->slots_max && query->sessions_count < QUERY_SESSIONS_MAX; slot++) {
		uint8_t home = slot_home(shared, (uint32_t)slot);

		if (home != 0xff)
			query->sessions[query->sessions_count++] =
			    (struct query_session){ .slot = (uint32_t)slot, .home = home };
	}
}

/* ---- Answers ---- */

static json_t *profile_json(const struct risk_profile *profile)
{
	json_t *object = json_object();

	/* Amounts are kept as minor units << 8, counts << 16: whole ones are told. */
	set_number(object, "observations", profile->observations);
	set_number(object, "cancels", profile->cancels);
	set_number(object, "score", profile->profile_score);
	set_number(object, "amount_mean", profile->amount_mean >> 8);
	set_number(object, "amount_spread", profile->amount_spread >> 8);
	set_number(object, "amount_max", profile->amount_max);
	set_number(object, "count_24h", profile->count_24h >> 16);
	set_number(object, "count_7d", profile->count_7d >> 16);
	set_number(object, "count_30d", profile->count_30d >> 16);
	set_text(object, "first_ns", profile->first_ns);
	set_text(object, "updated_ns", profile->updated_ns);
	return object;
}

static void account_json(json_t *object, const struct account_row *account)
{
	set_number(object, "account_id", account->id);
	json_object_set_new(object, "balance", json_integer(account->balance));
	set_number(object, "currency", account->currency);
	set_bool(object, "frozen", (account->flags & ACCOUNT_FROZEN) != 0);
	json_object_set_new(object, "staked_today", json_integer(account->staked_today));
	set_number(object, "staked_day", account->staked_day);
	json_object_set_new(object, "profile", profile_json(&account->profile));
}

static void bet_json(json_t *object, const struct bet_row *bet)
{
	json_t *legs = json_array();

	set_text(object, "bet_id", bet->id);
	set_number(object, "account_id", bet->account_id);
	set_number(object, "terminal_id", bet->terminal_id);
	json_object_set_new(object, "stake", json_integer(bet->stake));
	json_object_set_new(object, "payout", json_integer(bet->payout));
	set_text(object, "placed_at_ns", bet->placed_at_ns);
	set_number(object, "currency", bet->currency);
	set_number(object, "state", bet->state);
	for (unsigned i = 0; i < bet->leg_count && i < LIMIT_BET_LEGS_MAX; i++) {
		json_t *leg = json_object();

		set_number(leg, "market_id", bet->legs[i].market_id);
		set_number(leg, "selection", bet->legs[i].selection);
		set_number(leg, "odds", bet->legs[i].odds);
		json_array_append_new(legs, leg);
	}
	json_object_set_new(object, "legs", legs);
}

static void terminal_json(json_t *object, uint64_t id, const struct query_terminal *terminal)
{
	set_number(object, "terminal_id", id);
	set_number(object, "rights", terminal->rights);
	set_bool(object, "blocked", terminal->blocked);
	json_object_set_new(object, "daily_max", json_integer(terminal->daily_max));
	json_object_set_new(object, "staked_today", json_integer(terminal->staked_today));
	set_text(object, "highest_request_id", terminal->highest_request_id);
}

static void market_json(json_t *object, const struct market_row_state *market)
{
	json_t *odds = json_array();

	set_number(object, "market_id", market->id);
	set_number(object, "version", market->version);
	set_number(object, "event_id", market->event_id);
	set_text(object, "start_time_ns", market->start_time_ns);
	set_number(object, "state", market->state);
	set_number(object, "kind", market->kind);
	for (unsigned i = 0; i < market->selection_count && i < LIMIT_MARKET_SELECTIONS_MAX; i++)
		json_array_append_new(odds, json_integer(market->odds[i]));
	json_object_set_new(object, "odds", odds);
}

static json_t *heartbeat_json(const struct terminal_heartbeat *heartbeat)
{
	json_t *object;

	if (heartbeat->received_ns == 0)
		return json_null();
	object = json_object();
	set_text(object, "received_ns", heartbeat->received_ns);
	set_text(object, "local_time_ns", heartbeat->local_time_ns);
	set_number(object, "sequence", heartbeat->sequence);
	set_number(object, "firmware", heartbeat->firmware);
	set_number(object, "error_code", heartbeat->error_code);
	set_number(object, "state", heartbeat->state);
	set_number(object, "battery", heartbeat->battery_percent);
	return object;
}

static json_t *session_json(const struct query_session *session)
{
	json_t *object = json_object();

	set_number(object, "session_id", session->session_id);
	set_number(object, "terminal_id", session->terminal_id);
	set_number(object, "shard", session->home);
	set_number(object, "rights", session->rights);
	set_number(object, "epoch", session->epoch);
	set_text(object, "last_seen_ns", session->last_seen_ns);
	set_bool(object, "wants_rotation", session->wants_rotation);
	set_number(object, "datagrams", session->datagrams);
	set_number(object, "messages", session->messages);
	set_number(object, "resends", session->resends);
	set_number(object, "open_failed", session->open_failed);
	json_object_set_new(object, "heartbeat", heartbeat_json(&session->heartbeat));
	return object;
}

static json_t *sessions_json(const struct admin_context *context, const struct shard_query *query)
{
	const struct switch_shared *shared = context->shared;
	json_t *list = json_array();
	uint64_t next = 0;

	for (uint32_t i = 0; i < query->sessions_count; i++)
		if (query->sessions[i].session_id != 0)
			json_array_append_new(list, session_json(&query->sessions[i]));
	if (query->sessions_count == QUERY_SESSIONS_MAX) {
		next = query->sessions[QUERY_SESSIONS_MAX - 1].slot + 1u;
		while (next < shared->slots_max && slot_home(shared, (uint32_t)next) == 0xff)
			next++;
	}
	if (next >= shared->slots_max)
		next = 0;
	return json_pack(
	    "{s:b, s:o, s:I}", "ok", 1, "sessions", list, "next_slot", (json_int_t)next);
}

json_t *admin_query_answer(const struct admin_context *context, const struct shard_query *query)
{
	json_t *object;

	if (query->kind == QUERY_SESSIONS)
		return sessions_json(context, query);
	object = json_pack("{s:b, s:b, s:i, s:I}", "ok", 1, "found", (int)query->found, "shard",
	    (int)query->shard, "lsn", (json_int_t)query->lsn);
	if (object == NULL || !query->found)
		return object;
	switch (query->kind) {
	case QUERY_ACCOUNT:
		account_json(object, &query->account);
		break;
	case QUERY_BET:
		bet_json(object, &query->bet);
		break;
	case QUERY_TERMINAL:
		terminal_json(object, query->id, &query->terminal);
		break;
	case QUERY_MARKET:
		market_json(object, &query->market);
		break;
	case QUERY_SESSIONS:
		break;
	}
	return object;
}
