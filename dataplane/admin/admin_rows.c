/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers to questions about rows and sessions, as JSON. 64 bits that may be any are strings; words
 * for states of bets and markets are control's to choose (control/view.c).
 */
#include "dataplane/admin/admin.h"

#include <stdio.h>

#include "lmdb-schema/object_fields.h"
#include "lmdb-schema/object_json.h"

static void set_number(json_t *object, const char *name, uint64_t value)
{
	json_object_set_new(object, name, json_integer((json_int_t)value));
}

static void set_text(json_t *object, const char *name, uint64_t value)
{
	json_object_set_new(object, name, object_json_digits(value));
}

static void set_bool(json_t *object, const char *name, int value)
{
	json_object_set_new(object, name, json_boolean(value));
}

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

/* ---- Objects ---- */

/* Its kind's fields by their names, beside what every object has. */
static json_t *object_json(const struct object_row *row)
{
	json_t *object = json_object();

	set_text(object, "object_id", row->id);
	set_number(object, "lsn", row->lsn);
	json_object_set_new(object, "kind", json_string(object_kind_name(row->kind)));
	json_object_set_new(object, "state", json_string(object_state_name(row->state)));
	set_text(object, "due_ns", row->due_ns);
	set_number(object, "currency", row->currency);
	set_number(object, "partner_id", row->partner_id);
	object_json_fields(object, row->kind, row->body);
	return object;
}

/* The same object may be on several shards (PARTNER, LINK); as a rule one has it. */
static json_t *objects_json(const struct admin_context *context, const struct shard_query *query)
{
	json_t *list = json_array();

	for (uint32_t shard = 0; shard < context->shared->shard_count; shard++) {
		json_t *object;

		if (!query->objects[shard].found)
			continue;
		object = object_json(&query->objects[shard].row);
		set_number(object, "shard", shard);
		if (query->objects[shard].row.kind == OBJECT_PARTNER && query->id == 0)
			set_number(object, "exposure", (uint64_t)query->objects[shard].exposure);
		json_array_append_new(list, object);
	}
	return json_pack(
	    "{s:b, s:b, s:o}", "ok", 1, "found", json_array_size(list) > 0, "objects", list);
}

static json_t *withdrawals_json(const struct shard_query *query)
{
	const struct query_withdrawals *page = &query->withdrawals;
	json_t *list = json_array();

	for (uint32_t i = 0; i < page->count; i++)
		json_array_append_new(list, object_json(&page->rows[i]));
	return json_pack("{s:b, s:i, s:o, s:I}", "ok", 1, "shard", (int)query->shard, "withdrawals",
	    list, "next_row", (json_int_t)page->next_row);
}

/* ---- Rows ---- */

static void account_json(json_t *object, const struct query_account *answer)
{
	const struct account_row *account = &answer->row;

	set_number(object, "account_id", account->id);
	json_object_set_new(object, "balance", json_integer(account->balance));
	set_number(object, "currency", account->currency);
	set_bool(object, "frozen", (account->flags & ACCOUNT_FROZEN) != 0);
	set_bool(object, "pep", (account->flags & ACCOUNT_PEP) != 0);
	set_bool(object, "sanctioned", (account->flags & ACCOUNT_SANCTIONED) != 0);
	set_bool(object, "country_risk", (account->flags & ACCOUNT_COUNTRY_RISK) != 0);
	json_object_set_new(object, "staked_today", json_integer(account->staked_today));
	set_number(object, "staked_day", account->staked_day);
	set_number(object, "partner_id", account->partner_id);
	json_object_set_new(object, "owed", json_integer(account->owed));
	json_object_set_new(object, "profile", profile_json(&account->profile));
	json_object_set_new(
	    object, "limits", answer->limits.id != 0 ? object_json(&answer->limits) : json_null());
	json_object_set_new(object, "counters",
	    answer->counters.id != 0 ? object_json(&answer->counters) : json_null());
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
	set_number(object, "reprints", bet->reprints);
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

/* "win", or "dead_heat 1/2": one place for two winners. */
static json_t *outcome_json(struct settlement_outcome_disk outcome)
{
	char text[40];

	if (outcome.kind != SETTLEMENT_DEAD_HEAT)
		return json_string(settlement_kind_name(outcome.kind));
	snprintf(text, sizeof(text), "dead_heat %u/%u", outcome.places, outcome.winners);
	return json_string(text);
}

/* What the shards have together: exposures add up, and a walk is over when it is so everywhere. */
static void market_shards_json(json_t *object, const struct admin_context *context,
    const struct shard_query *query, unsigned selections)
{
	int64_t exposure_market = 0, exposure[LIMIT_MARKET_SELECTIONS_MAX] = { 0 };
	json_t *list = json_array();
	uint64_t bets_open = 0;
	int walked = 1;

	for (uint32_t shard = 0; shard < context->shared->shard_count; shard++) {
		const struct query_market *market = &query->markets[shard];

		if (!market->found)
			continue;
		walked &= market->row.walked;
		exposure_market += market->exposure_market;
		bets_open += market->bets_open;
		for (unsigned i = 0; i < selections; i++)
			exposure[i] += market->exposure[i];
	}
	for (unsigned i = 0; i < selections; i++)
		json_array_append_new(list, json_integer(exposure[i]));
	set_bool(object, "walked", walked);
	set_number(object, "bets_open", bets_open);
	json_object_set_new(object, "exposure", list);
	json_object_set_new(object, "exposure_market", json_integer(exposure_market));
}

static json_t *market_json(const struct admin_context *context, const struct shard_query *query)
{
	const struct market_row_state *market = &query->markets[0].row;
	json_t *odds = json_array(), *result = json_array();
	json_t *object = json_pack(
	    "{s:b, s:b, s:i}", "ok", 1, "found", (int)query->markets[0].found, "shard", 0);
	unsigned count;

	set_number(object, "lsn", query->markets[0].found ? market->lsn : 0);
	if (!query->markets[0].found) {
		json_decref(odds);
		json_decref(result);
		return object;
	}
	count =
	    market->selection_count <= LIMIT_MARKET_SELECTIONS_MAX ? market->selection_count : 0;
	set_number(object, "market_id", market->id);
	set_number(object, "version", market->version);
	set_number(object, "event_id", market->event_id);
	set_text(object, "start_time_ns", market->start_time_ns);
	set_number(object, "state", market->state);
	set_number(object, "kind", market->kind);
	json_object_set_new(object, "line", json_integer(market->line));
	for (unsigned i = 0; i < count; i++) {
		json_array_append_new(odds, json_integer(market->odds[i]));
		json_array_append_new(result, outcome_json(market->outcomes.of[i]));
	}
	json_object_set_new(object, "odds", odds);
	json_object_set_new(object, "result", result);
	set_bool(object, "final", market->final);
	market_shards_json(object, context, query, count);
	return object;
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
		while (next < shared->slots_max && admin_slot_home(shared, (uint32_t)next) == 0xff)
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
	if (query->kind == QUERY_MARKET)
		return market_json(context, query);
	if (query->kind == QUERY_OBJECT)
		return objects_json(context, query);
	if (query->kind == QUERY_WITHDRAWALS)
		return withdrawals_json(query);
	object = json_pack("{s:b, s:b, s:i, s:I}", "ok", 1, "found", (int)query->found, "shard",
	    (int)query->shard, "lsn", (json_int_t)query->lsn);
	if (object == NULL)
		return NULL;
	if (query->kind == QUERY_TICKET)
		set_bool(object, "genuine", query->ticket_bet.genuine);
	if (!query->found)
		return object;
	if (query->kind == QUERY_ACCOUNT)
		account_json(object, &query->account);
	else if (query->kind == QUERY_BET)
		bet_json(object, &query->bet);
	else if (query->kind == QUERY_TICKET)
		bet_json(object, &query->ticket_bet.bet);
	else
		terminal_json(object, query->id, &query->terminal);
	return object;
}
