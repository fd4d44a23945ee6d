/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Partners and their idempotency keys.
 *
 * A key names one request of a partner on one account (of a transfer: the source) for at least
 * rules.partner_key_hold_s, whatever terminal and request id it comes under: the partner's servers
 * fail over to each other. The request is compared by a fingerprint of all it asks for (message
 * type, accounts, amount, currency), not by its id or deadline, which differ. The key lives on the
 * account's shard, and so does its share of the partner's quota: keys_max / shards, rounded up. The
 * account is part of its identity, as a shard knows nothing of another's keys: so a key means the
 * same on any number of shards. Keys of refused requests are not kept: a refusal may be tried again
 * under the same key. When another shard refuses a transfer later, its key is set free by the
 * TRANSFER_DONE: REVERSED, out of the quota, and it retires at once.
 *
 * A reversal does not free the key: the same key means the same request, and that was carried out
 * and taken back. So it is REVERSED_BEFORE from then on: REPEATED would say that the money is
 * there.
 * The REVERSAL outlives the key: it is kept as long, from later on. (Unless the rule was lowered in
 * between: then the key's last days say REPEATED.)
 */
#include <errno.h>

#include "dataplane/ledger/ledger_decision.h"

#define SECOND_NS 1000000000ull

static int key_absent(const uint64_t key[2])
{
	return key[0] == 0 && key[1] == 0;
}

static struct object_key key_of(const struct decision *decision, const uint64_t key[2])
{
	return (struct object_key){ .kind = OBJECT_PARTNER_KEY,
		.words = { key[0], key[1], decision->account->partner_id, decision->account_id } };
}

/*
 * Keys of older logs have an id hashed without the account. Their rows name it, so they are found
 * by the whole key like all others, from the older hash on; one of another account is passed over.
 */
const struct object_row *partner_key_find(const struct ledger *ledger, const struct object_key *key)
{
	const struct object_row *row = ledger_object_by_key(ledger, key);
	struct object_key before = *key, held;
	uint64_t id;

	if (row != NULL)
		return row;
	before.words[3] = 0;
	for (id = object_key_hash(&before); (row = ledger_object(ledger, id)) != NULL; id++)
		if (row->kind == OBJECT_PARTNER_KEY &&
		    object_key_of(row->kind, row->partner_id, row->body, &held) == 0 &&
		    memcmp(held.words, key->words, sizeof(held.words)) == 0)
			return row;
	return NULL;
}

static void fingerprint(const struct wire_request *wire, struct le64 out[2])
{
	uint64_t words[5] = { wire->template_id };
	XXH128_hash_t hash;

	if (wire->template_id == WIRE_TRANSFER) {
		words[1] = wire->transfer.from_account;
		words[2] = wire->transfer.to_account;
		words[3] = (uint64_t)wire->transfer.amount;
		words[4] = wire->transfer.currency;
	} else {
		words[1] = wire->deposit.account_id;
		words[3] = (uint64_t)wire->deposit.amount;
		words[4] = wire->deposit.currency;
	}
	hash = XXH3_128bits(words, sizeof(words));
	out[0] = le64_make(hash.low64);
	out[1] = le64_make(hash.high64);
}

/* This shard's share of the keys the partner may hold. */
static uint32_t quota(const struct ledger *ledger, const struct object_row *partner)
{
	uint32_t shards = ledger->config.shard_count;
	struct object_partner body;

	memcpy(&body, partner->body, sizeof(body));
	return (uint32_t)(((uint64_t)le32_get(body.keys_max) + shards - 1) / shards);
}

/* Whether what was carried out under the key was reversed. */
static int is_reversed(const struct ledger *ledger, const struct object_partner_key *body)
{
	const struct object_key reversal = { .kind = OBJECT_REVERSAL,
		.words = { le64_get(body->terminal_id), le64_get(body->request_id) } };

	return reversal.words[0] != 0 && ledger_object_by_key(ledger, &reversal) != NULL;
}

/*
 * What a withdrawal that had to wait has come to: a partner that asks again through another server
 * must not pay out what nobody approved, or what was rejected or timed out. The object outlives the
 * key (withdrawal_close).
 */
static uint16_t withdrawal_repeat(
    struct decision *decision, const struct object_partner_key *body, int64_t *payout)
{
	const struct object_row *row = ledger_object(decision->ledger, le64_get(body->object_id));

	*payout = 0;
	if (row == NULL || row->kind != OBJECT_WITHDRAWAL || row->state == OBJECT_REVERSED)
		return WIRE_CODE_WITHDRAWAL_CLOSED;
	if (row->state == OBJECT_DONE)
		*payout = le64s_get(body->payout);
	return WIRE_CODE_REPEATED;
}

/*
 * A transfer that is under way to another shard may still be refused there, and what it paid must
 * not be told before it has: the key is set free then, so one that is held and closed has paid.
 */
static int64_t transfer_paid(const struct decision *decision, const struct object_partner_key *body)
{
	const struct object_row *row = ledger_object(decision->ledger, le64_get(body->object_id));

	return row != NULL && row->kind == OBJECT_TRANSFER && row->state == OBJECT_OPEN
	           ? 0
	           : le64s_get(body->payout);
}

/*
 * PARTNER_UNKNOWN for a key on an account of no partner: nobody's key would be kept for it, and to
 * carry the request out without would break the promise.
 */
uint16_t partner_key_judge(struct decision *decision, const uint64_t key[2], int *repeat)
{
	const struct account_row *account = decision->account;
	const struct object_row *kept, *partner;
	struct object_partner_key body;
	struct object_key natural;
	struct le64 print[2];
	uint16_t code = WIRE_CODE_REPEATED;
	int64_t payout;

	*repeat = 0;
	if (key_absent(key) || account == NULL)
		return WIRE_CODE_OK;
	partner = ledger_partner(decision->ledger, account->partner_id);
	if (partner == NULL)
		return WIRE_CODE_PARTNER_UNKNOWN;
	natural = key_of(decision, key);
	kept = partner_key_find(decision->ledger, &natural);
	if (kept == NULL || kept->state != OBJECT_DONE)
		return ledger_partner_keys(decision->ledger, account->partner_id) <
		               quota(decision->ledger, partner)
		           ? WIRE_CODE_OK
		           : WIRE_CODE_PARTNER_QUOTA;
	memcpy(&body, kept->body, sizeof(body));
	fingerprint(decision->request, print);
	if (memcmp(print, body.fingerprint, sizeof(print)) != 0)
		return WIRE_CODE_KEY_MISMATCH;
	if (is_reversed(decision->ledger, &body))
		return WIRE_CODE_REVERSED_BEFORE;
	payout = le64s_get(body.payout);
	if (le16_get(body.code) == WIRE_CODE_PENDING && decision->type == EVENT_WITHDRAW)
		code = withdrawal_repeat(decision, &body, &payout);
	else if (le16_get(body.code) == WIRE_CODE_PENDING)
		payout = transfer_paid(decision, &body);
	if (code != WIRE_CODE_REPEATED)
		return code;
	*repeat = 1;
	decision->object_id = le64_get(body.object_id);
	decision->payout = payout;
	return code;
}

uint64_t partner_key_keep(struct decision *decision, const uint64_t key[2], uint16_t code)
{
	const struct risk_rules *rules = &decision->ledger->shard.rules;
	const struct object_row *freed;
	struct object_partner_key body;
	struct object_key natural;
	struct object_row *object;

	if (key_absent(key))
		return 0;
	natural = key_of(decision, key);
	body = (struct object_partner_key){
		.key = { le64_make(key[0]), le64_make(key[1]) },
		.account_id = le64_make(decision->account_id),
		.object_id = le64_make(decision->object_id),
		.payout = le64s_make(decision->payout),
		.lsn = le64_make(decision->ledger->shard.lsn + 1),
		.code = le16_make(code),
		.terminal_id = le64_make(decision->terminal_id),
		.request_id = le64_make(decision->request->request_id),
	};
	fingerprint(decision->request, body.fingerprint);
	freed = partner_key_find(decision->ledger, &natural);
	object = freed != NULL ? decision_object(decision, freed)
	                       : decision_object_key(decision, &natural);
	object->state = OBJECT_DONE;
	object->currency = decision->currency;
	object->partner_id = decision->account->partner_id;
	object->due_ns = decision->time_ns + rules->partner_key_hold_s * SECOND_NS;
	memcpy(object->body, &body, sizeof(body));
	return object->id;
}

void partner_key_free(struct decision *decision, uint64_t key_id, uint64_t object_id)
{
	const struct object_row *row = key_id == 0 ? NULL : ledger_object(decision->ledger, key_id);
	struct object_partner_key body;
	struct object_row *object;

	if (row == NULL || row->kind != OBJECT_PARTNER_KEY || row->state != OBJECT_DONE)
		return;
	memcpy(&body, row->body, sizeof(body));
	if (le64_get(body.object_id) != object_id)
		return; /* its hold was over, and the number is another key's */
	object = decision_object(decision, row);
	object->state = OBJECT_REVERSED;
	object->due_ns = 0;
}

/* ---- PARTNER_SET ---- */

static int partner_invalid(const struct object_partner *partner)
{
	int64_t exposure_max = le64s_get(partner->exposure_max);
	uint16_t currency = le16_get(partner->currency);

	return le64_get(partner->version) == 0 || exposure_max < 0 ||
	       exposure_max > LIMIT_BALANCE_MAX || currency > 999 ||
	       (exposure_max > 0 && currency == 0) || partner->blocked > 1;
}

/*
 * One version of a partner, complete. Judged cases stay. What leases moved between the shards
 * stays, and some may be on its way; it would be money of another currency if the partner's
 * changed. Control refuses that, so that no shard need look at its part of the credit and decide
 * otherwise than the rest.
 */
int partner_set_command(struct decision *decision, const struct ledger_command *command)
{
	struct object_key key = { .kind = OBJECT_PARTNER, .words = { command->object_id } };
	struct object_partner body = command->partner, old = { 0 };
	const struct object_row *row;
	struct object_row *object;

	if (command->object_id == 0 || command->object_id > LIMIT_PARTNER_ID_MAX ||
	    partner_invalid(&body))
		return -EINVAL;
	row = ledger_partner(decision->ledger, command->object_id);
	if (row != NULL)
		memcpy(&old, row->body, sizeof(old));
	if (le64_get(body.version) <= le64_get(old.version))
		return 0;
	body.credit_moved = old.credit_moved;
	body.feedback = old.feedback;
	body.reserved[0] = 0;
	memset(body.reserved_tail, 0, sizeof(body.reserved_tail));
	decision->type = EVENT_PARTNER_SET;
	decision->object_id = command->object_id;
	object = row != NULL ? decision_object(decision, row) : decision_object_key(decision, &key);
	object->state = OBJECT_OPEN;
	object->currency = le16_get(body.currency);
	object->partner_id = (uint32_t)command->object_id;
	memcpy(object->body, &body, sizeof(body));
	return 1;
}
