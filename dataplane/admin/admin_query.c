/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions about rows and sessions: from the line to a shard_query (its answer: admin_rows.c). Ids
 * of bets and objects use all 64 bits, so an id may be given as a number or as a string of digits.
 */
#include "dataplane/admin/admin.h"
#include "wire/hex.h"

#include <errno.h>
#include <inttypes.h>
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
	{ "object_show", "object_id", QUERY_OBJECT, 1, UINT64_MAX },
	{ "ticket_verify", "bet_id", QUERY_TICKET, 1, UINT64_MAX },
};

int admin_id_read(const json_t *value, uint64_t *id)
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

static void sessions_parse(const json_t *object, struct admin_request *request, json_t **error)
{
	json_t *from = json_object_get(object, "from_slot");
	uint64_t id = 0;

	request->kind = ADMIN_ALL_SHARDS;
	request->query.kind = QUERY_SESSIONS;
	if (from != NULL && (admin_id_read(from, &id) != 0 || id >= LIMIT_SESSION_SLOTS))
		*error = admin_error(
		    "\"from_slot\" is out of range; give 0 to %u", LIMIT_SESSION_SLOTS - 1);
	request->query.id = id;
}

static void withdrawals_parse(const struct admin_context *context, const json_t *object,
    struct admin_request *request, json_t **error)
{
	const json_t *from = json_object_get(object, "from_row");
	uint64_t shard = 0, row = 0;

	request->kind = ADMIN_ONE_SHARD;
	request->query.kind = QUERY_WITHDRAWALS;
	if (admin_id_read(json_object_get(object, "shard"), &shard) != 0 ||
	    shard >= context->shared->shard_count)
		*error = admin_error("\"shard\" is missing or out of range; give 0 to %u",
		    context->shared->shard_count - 1);
	else if (from != NULL && (admin_id_read(from, &row) != 0 || row > UINT32_MAX))
		*error =
		    admin_error("\"from_row\" is out of range; give next_row of the last answer");
	request->shard = (uint32_t)shard;
	request->query.id = row;
}

/* An object by its natural key: {"kind":"partner","words":[7]}. */
static void key_parse(const json_t *object, struct admin_request *request, json_t **error)
{
	const char *name = json_string_value(json_object_get(object, "kind"));
	const json_t *words = json_object_get(object, "words");
	struct object_key *key = &request->query.key;

	request->kind = ADMIN_ALL_SHARDS;
	request->query.kind = QUERY_OBJECT;
	for (unsigned kind = 1; name != NULL && kind <= OBJECT_KIND_MAX; kind++)
		if (strcmp(object_kind_name(kind), name) == 0)
			key->kind = (uint8_t)kind;
	if (key->kind == 0) {
		*error = admin_error("\"object_id\" is missing, and \"kind\" is no kind of object");
		return;
	}
	if (json_array_size(words) == 0 || json_array_size(words) > 4) {
		*error = admin_error("\"words\" must be a list of the 1 to 4 numbers of its key");
		return;
	}
	for (size_t i = 0; i < json_array_size(words); i++)
		if (admin_id_read(json_array_get(words, i), &key->words[i]) != 0)
			*error = admin_error("\"words\"[%zu] is not a whole number", i);
}

/* Odds of the legs, in their order. 0 or -EINVAL. */
static int ticket_odds_read(const json_t *odds, struct ticket_facts *facts)
{
	size_t count = json_array_size(odds);

	if (count == 0 || count > LIMIT_BET_LEGS_MAX)
		return -EINVAL;
	for (size_t i = 0; i < count; i++) {
		json_int_t number = json_integer_value(json_array_get(odds, i));

		if (number < LIMIT_ODDS_MIN || number > LIMIT_ODDS_MAX)
			return -EINVAL;
		facts->odds[i] = (uint32_t)number;
	}
	facts->leg_count = (unsigned)count;
	return 0;
}

/* The code, and what is known of a bet that has left memory. */
static void ticket_parse_fields(const json_t *object, struct admin_request *request, json_t **error)
{
	const char *text = json_string_value(json_object_get(object, "ticket"));
	struct ticket_facts facts = { .bet_id = request->query.id };
	uint64_t stake = 0, payout = 0, placed_at_ns = 0;

	if (text == NULL || strlen(text) != 2 * TICKET_SIZE ||
	    hex_decode(text, request->query.ticket, TICKET_SIZE) != 0) {
		*error = admin_error("\"ticket\" must be %d hexadecimal digits", 2 * TICKET_SIZE);
		return;
	}
	if (json_object_get(object, "stake") == NULL)
		return;
	if (admin_id_read(json_object_get(object, "stake"), &stake) != 0 ||
	    stake > LIMIT_STAKE_MAX ||
	    admin_id_read(json_object_get(object, "payout"), &payout) != 0 ||
	    payout > LIMIT_PAYOUT_MAX ||
	    admin_id_read(json_object_get(object, "placed_at_ns"), &placed_at_ns) != 0 ||
	    ticket_odds_read(json_object_get(object, "odds"), &facts) != 0) {
		*error =
		    admin_error("\"stake\", \"payout\", \"odds\" and \"placed_at_ns\" of a bet "
		                "go together");
		return;
	}
	facts.stake = (int64_t)stake;
	facts.payout = (int64_t)payout;
	facts.placed_at_ns = placed_at_ns;
	request->query.facts = facts;
}

int admin_query_parse(const struct admin_context *context, const json_t *object, const char *name,
    struct admin_request *request, json_t **error)
{
	const struct ids_bucket_map *buckets = &context->shared->buckets;
	uint64_t id = 0;
	size_t i = 0;

	request->command.kind = SHARD_QUERY;
	if (strcmp(name, "sessions") == 0) {
		sessions_parse(object, request, error);
		return 1;
	}
	if (strcmp(name, "withdrawals") == 0) {
		withdrawals_parse(context, object, request, error);
		return 1;
	}
	if (strcmp(name, "object_show") == 0 && json_object_get(object, "object_id") == NULL) {
		key_parse(object, request, error);
		return 1;
	}
	while (i < SLUICE_ARRAY_COUNT(questions) && strcmp(name, questions[i].name) != 0)
		i++;
	if (i == SLUICE_ARRAY_COUNT(questions))
		return 0;
	if (admin_id_read(json_object_get(object, questions[i].field), &id) != 0 ||
	    id < questions[i].lowest || id > questions[i].highest) {
		*error =
		    admin_error("\"%s\" is missing or out of range; give %" PRIu64 " to %" PRIu64,
		        questions[i].field, questions[i].lowest, questions[i].highest);
		return 1;
	}
	request->query.kind = questions[i].kind;
	request->query.id = id;
	/* Where an object is, only its key tells. */
	if (questions[i].kind == QUERY_MARKET || questions[i].kind == QUERY_OBJECT) {
		request->kind = ADMIN_ALL_SHARDS;
		return 1;
	}
	if (questions[i].kind == QUERY_TICKET)
		ticket_parse_fields(object, request, error);
	request->shard = questions[i].kind == QUERY_BET || questions[i].kind == QUERY_TICKET
	                     ? buckets->shard[ids_bucket_of_printed(id)]
	                     : buckets->shard[ids_bucket_of_key(id)];
	request->kind = ADMIN_ONE_SHARD;
	return 1;
}

uint8_t admin_slot_home(const struct switch_shared *shared, uint32_t slot)
{
	return atomic_load_explicit(&shared->slot_home[slot], memory_order_relaxed);
}

void admin_query_prepare(const struct admin_context *context, const struct admin_request *request,
    struct shard_query *query)
{
	const struct switch_shared *shared = context->shared;

	query->kind = request->query.kind;
	query->id = request->query.id;
	query->key = request->query.key;
	memcpy(query->ticket, request->query.ticket, sizeof(query->ticket));
	query->facts = request->query.facts;
	query->sessions_count = 0;
	query->found = 0;
	query->shard = 0;
	query->lsn = 0;
	if (query->kind != QUERY_SESSIONS)
		return;
	for (uint64_t slot = query->id;
	     slot < shared->slots_max && query->sessions_count < QUERY_SESSIONS_MAX; slot++) {
		uint8_t home = admin_slot_home(shared, (uint32_t)slot);

		if (home != 0xff)
			query->sessions[query->sessions_count++] =
			    (struct query_session){ .slot = (uint32_t)slot, .home = home };
	}
}
