/* SPDX-License-Identifier: Apache-2.0 */
#include "lmdb-schema/object_fields.h"

#include <string.h>

#define SIZE_OF(kind, member) sizeof(((struct object_##kind *)NULL)->member)
#define FIELD(kind, member, what)                                                                  \
	{                                                                                          \
#member, OBJECT_FIELD_##what, (uint8_t)SIZE_OF(kind, member), 1,                   \
		    (uint16_t)offsetof(struct object_##kind, member)                               \
	}
/* Under another name than the one that every object has beside it. */
#define FIELD_AS(kind, member, what, name)                                                         \
	{                                                                                          \
		name, OBJECT_FIELD_##what, (uint8_t)SIZE_OF(kind, member), 1,                      \
		    (uint16_t)offsetof(struct object_##kind, member)                               \
	}
#define LIST(kind, member, what)                                                                   \
	{                                                                                          \
#member, OBJECT_FIELD_##what, (uint8_t)SIZE_OF(kind, member[0]),                   \
		    (uint8_t)(SIZE_OF(kind, member) / SIZE_OF(kind, member[0])),                   \
		    (uint16_t)offsetof(struct object_##kind, member)                               \
	}
/* Two words that are one identifier of 128 bits. */
#define BYTES(kind, member)                                                                        \
	{                                                                                          \
#member, OBJECT_FIELD_HEX, (uint8_t)SIZE_OF(kind, member), 1,                      \
		    (uint16_t)offsetof(struct object_##kind, member)                               \
	}
#define ORIGIN(kind)                                                                               \
	{ "terminal_id", OBJECT_FIELD_NUMBER, 8, 1,                                                \
		(uint16_t)offsetof(struct object_##kind, origin.terminal_id) },                    \
	{                                                                                          \
		"request_id", OBJECT_FIELD_ID, 8, 1,                                               \
		    (uint16_t)offsetof(struct object_##kind, origin.request_id)                    \
	}

static const struct object_field withdrawal[] = {
	FIELD(withdrawal, account_id, NUMBER),
	FIELD(withdrawal, amount, AMOUNT),
	FIELD(withdrawal, created_ns, TIME),
	FIELD(withdrawal, closed_ns, TIME),
	ORIGIN(withdrawal),
};
static const struct object_field transfer[] = {
	FIELD(transfer, purpose, NUMBER),
	FIELD(transfer, from_account, NUMBER),
	FIELD(transfer, to_account, NUMBER),
	FIELD(transfer, amount, AMOUNT),
	FIELD(transfer, reference, ID),
	FIELD(transfer, peer, NUMBER),
	FIELD(transfer, sequence, NUMBER),
	FIELD(transfer, code, CODE),
	FIELD(transfer, created_ns, TIME),
	FIELD(transfer, lease_scope, NUMBER),
	FIELD(transfer, lease_selection, NUMBER),
	FIELD(transfer, claimer_balance, AMOUNT),
	ORIGIN(transfer),
};
static const struct object_field transfer_in[] = {
	FIELD(transfer_in, purpose, NUMBER),
	FIELD(transfer_in, source, NUMBER),
	FIELD(transfer_in, sequence, NUMBER),
	FIELD(transfer_in, transfer_id, ID),
	FIELD(transfer_in, account_id, NUMBER),
	FIELD(transfer_in, from_account, NUMBER),
	FIELD(transfer_in, amount, AMOUNT),
	FIELD(transfer_in, code, CODE),
};
static const struct object_field peer_link[] = {
	FIELD(link, peer, NUMBER),
	FIELD(link, out_last, NUMBER),
	FIELD(link, out_done, NUMBER),
	FIELD(link, in_last, NUMBER),
	FIELD(link, in_kept, NUMBER),
};
static const struct object_field sprinkle[] = {
	FIELD(sprinkle, giver, NUMBER),
	FIELD(sprinkle, room, ID),
	FIELD(sprinkle, total, AMOUNT),
	FIELD(sprinkle, remaining, AMOUNT),
	FIELD(sprinkle, shares, NUMBER),
	FIELD(sprinkle, claimed, NUMBER),
	FIELD(sprinkle, equal, FLAG),
	FIELD(sprinkle, seed, ID),
	FIELD(sprinkle, created_ns, TIME),
	FIELD(sprinkle, ends_ns, TIME),
	FIELD(sprinkle, last_claim, ID),
};
static const struct object_field claim[] = {
	FIELD(claim, token, ID),
	FIELD(claim, account_id, NUMBER),
	FIELD(claim, amount, AMOUNT),
	FIELD(claim, share, NUMBER),
	FIELD(claim, previous_claim, ID),
};
static const struct object_field game_round[] = {
	FIELD(round, game, NUMBER),
	FIELD(round, round, ID),
	FIELD(round, account_id, NUMBER),
	FIELD(round, debited, AMOUNT),
	FIELD(round, credited, AMOUNT),
	FIELD(round, opened_ns, TIME),
	FIELD(round, closed_ns, TIME),
	FIELD(round, last_tx, ID),
};
static const struct object_field round_tx[] = {
	BYTES(round_tx, transaction),
	FIELD(round_tx, op, NUMBER),
	FIELD(round_tx, counted, NUMBER),
	FIELD(round_tx, terminal_id, NUMBER),
	FIELD(round_tx, account_id, NUMBER),
	FIELD(round_tx, amount, AMOUNT),
	FIELD(round_tx, round_id, ID),
	FIELD(round_tx, previous_tx, ID),
	FIELD_AS(round_tx, lsn, NUMBER, "event_lsn"),
	FIELD(round_tx, done_ns, TIME),
};
static const struct object_field partner_key[] = {
	BYTES(partner_key, key),
	BYTES(partner_key, fingerprint),
	FIELD(partner_key, account_id, NUMBER),
	FIELD_AS(partner_key, object_id, ID, "result_id"),
	FIELD(partner_key, payout, AMOUNT),
	FIELD(partner_key, code, CODE),
	FIELD_AS(partner_key, lsn, NUMBER, "event_lsn"),
	FIELD(partner_key, terminal_id, NUMBER),
	FIELD(partner_key, request_id, ID),
};
static const struct object_field reversal[] = {
	FIELD(reversal, terminal_id, NUMBER),
	FIELD(reversal, target_request_id, ID),
	FIELD_AS(reversal, lsn, NUMBER, "event_lsn"),
	FIELD(reversal, bucket_plus_one, NUMBER),
};
static const struct object_field play_limits[] = {
	FIELD(play_limits, account_id, NUMBER),
	LIST(play_limits, active, AMOUNT),
	LIST(play_limits, wanted, AMOUNT),
	FIELD(play_limits, excluded_until_ns, TIME),
	FIELD(play_limits, cooloff_until_ns, TIME),
};
static const struct object_field play_counters[] = {
	FIELD(play_counters, account_id, NUMBER),
	LIST(play_counters, deposited, AMOUNT),
	LIST(play_counters, staked, AMOUNT),
	LIST(play_counters, lost, AMOUNT),
	FIELD(play_counters, day, NUMBER),
	FIELD(play_counters, week, NUMBER),
	FIELD(play_counters, since_ns, TIME),
};
static const struct object_field partner[] = {
	FIELD(partner, version, NUMBER),
	FIELD(partner, exposure_max, AMOUNT),
	FIELD(partner, credit_moved, AMOUNT),
	FIELD(partner, keys_max, NUMBER),
	FIELD_AS(partner, currency, NUMBER, "limit_currency"),
	FIELD(partner, blocked, FLAG),
	/* Judged cases, ever; of the last transaction confirmed the time, Unix seconds. */
	FIELD_AS(partner, feedback.confirmed, NUMBER, "confirmed"),
	FIELD_AS(partner, feedback.dismissed, NUMBER, "dismissed"),
	FIELD_AS(partner, feedback.last_s, NUMBER, "confirmed_last_s"),
};

#define KIND(number, table) [OBJECT_##number] = { table, SLUICE_ARRAY_COUNT(table) }
static const struct {
	const struct object_field *fields;
	size_t count;
} kinds[OBJECT_KIND_MAX + 1] = {
	KIND(WITHDRAWAL, withdrawal),
	KIND(TRANSFER, transfer),
	KIND(TRANSFER_IN, transfer_in),
	KIND(LINK, peer_link),
	KIND(SPRINKLE, sprinkle),
	KIND(CLAIM, claim),
	KIND(ROUND, game_round),
	KIND(ROUND_TX, round_tx),
	KIND(PARTNER_KEY, partner_key),
	KIND(REVERSAL, reversal),
	KIND(PLAY_LIMITS, play_limits),
	KIND(PLAY_COUNTERS, play_counters),
	KIND(PARTNER, partner),
};

const struct object_field *object_fields(unsigned kind, size_t *count)
{
	if (kind > OBJECT_KIND_MAX || kinds[kind].fields == NULL)
		return NULL;
	*count = kinds[kind].count;
	return kinds[kind].fields;
}

uint64_t object_field_value(
    const struct object_field *field, const uint8_t body[OBJECT_BODY_SIZE], unsigned index)
{
	uint64_t value = 0;

	SLUICE_REQUIRE(field->form != OBJECT_FIELD_HEX && index < field->count);
	for (unsigned i = field->size; i > 0; i--)
		value = value << 8 | body[field->offset + index * field->size + i - 1];
	return value;
}

const char *object_state_name(unsigned state)
{
	static const char *const names[] = { NULL, "open", "done", "reversed", "refused" };

	return state < SLUICE_ARRAY_COUNT(names) ? names[state] : NULL;
}
