/* SPDX-License-Identifier: Apache-2.0 */
#include "lmdb-schema/object.h"

#define XXH_INLINE_ALL
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <xxhash.h>

#include "wire/limits.h"

#define STATE_BIT(state) (1u << (state))

struct kind_facts {
	const char *name;
	uint32_t body_size;
	uint32_t states; /* allowed, STATE_BIT */
};

static const struct kind_facts kinds[OBJECT_KIND_MAX + 1] = {
	[OBJECT_WITHDRAWAL] = { "withdrawal", sizeof(struct object_withdrawal),
	    STATE_BIT(OBJECT_OPEN) | STATE_BIT(OBJECT_DONE) | STATE_BIT(OBJECT_REVERSED) },
	[OBJECT_TRANSFER] = { "transfer", sizeof(struct object_transfer),
	    STATE_BIT(OBJECT_OPEN) | STATE_BIT(OBJECT_DONE) | STATE_BIT(OBJECT_REVERSED) },
	[OBJECT_TRANSFER_IN] = { "transfer_in", sizeof(struct object_transfer_in),
	    STATE_BIT(OBJECT_DONE) | STATE_BIT(OBJECT_REFUSED) },
	[OBJECT_LINK] = { "link", sizeof(struct object_link), STATE_BIT(OBJECT_OPEN) },
	[OBJECT_SPRINKLE] = { "sprinkle", sizeof(struct object_sprinkle),
	    STATE_BIT(OBJECT_OPEN) | STATE_BIT(OBJECT_DONE) },
	[OBJECT_CLAIM] = { "claim", sizeof(struct object_claim),
	    STATE_BIT(OBJECT_OPEN) | STATE_BIT(OBJECT_DONE) | STATE_BIT(OBJECT_REVERSED) },
	[OBJECT_ROUND] = { "round", sizeof(struct object_round),
	    STATE_BIT(OBJECT_OPEN) | STATE_BIT(OBJECT_DONE) },
	[OBJECT_ROUND_TX] = { "round_tx", sizeof(struct object_round_tx),
	    STATE_BIT(OBJECT_DONE) | STATE_BIT(OBJECT_REVERSED) },
	[OBJECT_PARTNER_KEY] = { "partner_key", sizeof(struct object_partner_key),
	    STATE_BIT(OBJECT_DONE) | STATE_BIT(OBJECT_REVERSED) },
	[OBJECT_REVERSAL] = { "reversal", sizeof(struct object_reversal), STATE_BIT(OBJECT_DONE) },
	[OBJECT_PLAY_LIMITS] = { "play_limits", sizeof(struct object_play_limits),
	    STATE_BIT(OBJECT_OPEN) },
	[OBJECT_PLAY_COUNTERS] = { "play_counters", sizeof(struct object_play_counters),
	    STATE_BIT(OBJECT_OPEN) },
	[OBJECT_PARTNER] = { "partner", sizeof(struct object_partner), STATE_BIT(OBJECT_OPEN) },
};

uint32_t object_body_size(unsigned kind)
{
	return kind <= OBJECT_KIND_MAX ? kinds[kind].body_size : 0;
}

uint32_t object_body_told(const struct object_bytes *object)
{
	uint32_t size = object_body_size(object->kind), first = OBJECT_PARTNER_SIZE_FIRST;

	return object->kind == OBJECT_PARTNER && bytes_all_zero(object->body + first, size - first)
	           ? first
	           : size;
}

const char *object_kind_name(unsigned kind)
{
	return kind <= OBJECT_KIND_MAX ? kinds[kind].name : NULL;
}

uint64_t object_key_hash(const struct object_key *key)
{
	uint64_t words[5] = { key->kind, key->words[0], key->words[1], key->words[2],
		key->words[3] };

	return XXH3_64bits(words, sizeof(words)) | 1ull << 53;
}

/* The word at an offset of a body. */
static uint64_t word_at(const uint8_t *body, size_t offset)
{
	struct le64 word;

	memcpy(&word, body + offset, sizeof(word));
	return le64_get(word);
}

static uint32_t half_at(const uint8_t *body, size_t offset)
{
	struct le32 word;

	memcpy(&word, body + offset, sizeof(word));
	return le32_get(word);
}

#define WORD(type, field) word_at(body, offsetof(struct type, field))

int object_key_of(unsigned kind, uint32_t partner_id, const uint8_t body[OBJECT_BODY_SIZE],
    struct object_key *key)
{
	struct object_key found = { .kind = (uint8_t)kind };

	switch (kind) {
	case OBJECT_TRANSFER_IN:
		found.words[0] = WORD(object_transfer_in, source);
		found.words[1] = WORD(object_transfer_in, sequence);
		break;
	case OBJECT_LINK:
		found.words[0] = WORD(object_link, peer);
		break;
	case OBJECT_CLAIM:
		found.words[0] = WORD(object_claim, token);
		found.words[1] = WORD(object_claim, account_id);
		break;
	case OBJECT_ROUND:
		found.words[0] = partner_id;
		found.words[1] = half_at(body, offsetof(struct object_round, game));
		found.words[2] = WORD(object_round, round);
		found.words[3] = WORD(object_round, account_id);
		break;
	case OBJECT_ROUND_TX:
		found.words[0] = WORD(object_round_tx, transaction[0]);
		found.words[1] = WORD(object_round_tx, transaction[1]);
		found.words[2] = WORD(object_round_tx, account_id);
		found.words[3] = partner_id;
		break;
	case OBJECT_PARTNER_KEY:
		found.words[0] = WORD(object_partner_key, key[0]);
		found.words[1] = WORD(object_partner_key, key[1]);
		found.words[2] = partner_id;
		found.words[3] = WORD(object_partner_key, account_id);
		break;
	case OBJECT_REVERSAL:
		found.words[0] = WORD(object_reversal, terminal_id);
		found.words[1] = WORD(object_reversal, target_request_id);
		break;
	case OBJECT_PLAY_LIMITS:
		found.words[0] = WORD(object_play_limits, account_id);
		break;
	case OBJECT_PLAY_COUNTERS:
		found.words[0] = WORD(object_play_counters, account_id);
		break;
	case OBJECT_PARTNER:
		found.words[0] = partner_id;
		break;
	default:
		return -ENOENT;
	}
	*key = found;
	return 0;
}

/* ---- Checks of one kind's values: 1 valid ---- */

static int amount_valid(struct le64s amount, int64_t low)
{
	return le64s_get(amount) >= low && le64s_get(amount) <= LIMIT_BALANCE_MAX;
}

static int account_valid(struct le64 id)
{
	return le64_get(id) >= 1 && le64_get(id) <= LIMIT_ACCOUNT_ID_MAX;
}

#define READ(type, name)                                                                           \
	struct type name;                                                                          \
	memcpy(&name, body, sizeof(name))

static int transfer_valid(const uint8_t *body)
{
	READ(object_transfer, transfer);
	return transfer.purpose >= TRANSFER_MONEY && transfer.purpose <= TRANSFER_LEASE &&
	       transfer.reserved == 0 && amount_valid(transfer.amount, 1) &&
	       amount_valid(transfer.claimer_balance, 0) &&
	       (transfer.purpose == TRANSFER_CLAIM || le64s_get(transfer.claimer_balance) == 0) &&
	       le64_get(transfer.sequence) != 0 && le16_get(transfer.peer) < LIMIT_SHARDS &&
	       (transfer.purpose == TRANSFER_LEASE
	               ? le64_get(transfer.to_account) == 0
	               : account_valid(transfer.to_account) && transfer.lease_scope == 0 &&
	                     transfer.lease_selection == 0) &&
	       (transfer.purpose == TRANSFER_MONEY) == (le64_get(transfer.from_account) != 0);
}

static int transfer_in_valid(const uint8_t *body)
{
	READ(object_transfer_in, in);
	return le64_get(in.source) < LIMIT_SHARDS && le64_get(in.sequence) != 0 &&
	       amount_valid(in.amount, 1) && in.purpose >= TRANSFER_MONEY &&
	       in.purpose <= TRANSFER_LEASE && bytes_all_zero(in.reserved, sizeof(in.reserved));
}

static int link_valid(const uint8_t *body)
{
	READ(object_link, link);
	return le64_get(link.peer) < LIMIT_SHARDS &&
	       le64_get(link.out_done) <= le64_get(link.out_last) &&
	       le64_get(link.in_kept) <= le64_get(link.in_last);
}

static int sprinkle_valid(const uint8_t *body)
{
	READ(object_sprinkle, sprinkle);
	return account_valid(sprinkle.giver) && amount_valid(sprinkle.total, 1) &&
	       amount_valid(sprinkle.remaining, 0) &&
	       le64s_get(sprinkle.remaining) <= le64s_get(sprinkle.total) &&
	       le32_get(sprinkle.shares) >= 1 &&
	       le32_get(sprinkle.shares) <= LIMIT_SPRINKLE_SHARES_MAX &&
	       le32_get(sprinkle.claimed) <= le32_get(sprinkle.shares) && sprinkle.equal <= 1 &&
	       bytes_all_zero(sprinkle.reserved, sizeof(sprinkle.reserved));
}

static int claim_valid(const uint8_t *body)
{
	READ(object_claim, claim);
	return le64_get(claim.token) != 0 && account_valid(claim.account_id) &&
	       amount_valid(claim.amount, 1) &&
	       bytes_all_zero(claim.reserved, sizeof(claim.reserved));
}

static int round_valid(const uint8_t *body)
{
	READ(object_round, round);
	return account_valid(round.account_id) && bytes_all_zero(round.reserved, 4);
}

static int round_tx_valid(const uint8_t *body)
{
	READ(object_round_tx, tx);
	return account_valid(tx.account_id) && amount_valid(tx.amount, 0) &&
	       tx.op >= ROUND_OP_DEBIT && tx.op <= ROUND_OP_TOMBSTONE &&
	       tx.counted <= (tx.op == ROUND_OP_DEBIT ? ROUND_COUNTED_ALL : 0) &&
	       (tx.counted != 0) == (le32_get(tx.terminal_id) != 0) &&
	       bytes_all_zero(tx.reserved, sizeof(tx.reserved));
}

static int play_limits_valid(const uint8_t *body)
{
	READ(object_play_limits, limits);
	for (unsigned i = 0; i < PLAY_LIMITS; i++)
		if (!amount_valid(limits.active[i], -1) || !amount_valid(limits.wanted[i], -1))
			return 0;
	return account_valid(limits.account_id);
}

static int body_valid(unsigned kind, const uint8_t *body)
{
	switch (kind) {
	case OBJECT_WITHDRAWAL: {
		READ(object_withdrawal, withdrawal);
		return account_valid(withdrawal.account_id) && amount_valid(withdrawal.amount, 1);
	}
	case OBJECT_TRANSFER:
		return transfer_valid(body);
	case OBJECT_TRANSFER_IN:
		return transfer_in_valid(body);
	case OBJECT_LINK:
		return link_valid(body);
	case OBJECT_SPRINKLE:
		return sprinkle_valid(body);
	case OBJECT_CLAIM:
		return claim_valid(body);
	case OBJECT_ROUND:
		return round_valid(body);
	case OBJECT_ROUND_TX:
		return round_tx_valid(body);
	case OBJECT_PARTNER_KEY: {
		READ(object_partner_key, key);
		return bytes_all_zero(key.reserved, sizeof(key.reserved));
	}
	case OBJECT_PLAY_LIMITS:
		return play_limits_valid(body);
	case OBJECT_PLAY_COUNTERS: {
		READ(object_play_counters, counters);
		return account_valid(counters.account_id);
	}
	case OBJECT_PARTNER: {
		READ(object_partner, partner);
		return amount_valid(partner.exposure_max, 0) && partner.blocked <= 1 &&
		       partner.reserved[0] == 0 &&
		       bytes_all_zero(
		           partner.feedback.reserved, sizeof(partner.feedback.reserved)) &&
		       bytes_all_zero(partner.reserved_tail, sizeof(partner.reserved_tail));
	}
	case OBJECT_REVERSAL: {
		READ(object_reversal, reversal);
		return le32_get(reversal.bucket_plus_one) <= LIMIT_BUCKETS &&
		       bytes_all_zero(reversal.reserved, sizeof(reversal.reserved));
	}
	default:
		return 1;
	}
}

int object_check(const struct object_bytes *object)
{
	const struct kind_facts *facts;

	if (object->kind > OBJECT_KIND_MAX || kinds[object->kind].name == NULL)
		return -EBADMSG;
	facts = &kinds[object->kind];
	if (object->state > OBJECT_REFUSED || !(facts->states & STATE_BIT(object->state)) ||
	    le64_get(object->id) == 0 || le16_get(object->currency) > 999 ||
	    le32_get(object->partner_id) > LIMIT_PARTNER_ID_MAX)
		return -EBADMSG;
	if (!bytes_all_zero(object->body + facts->body_size, OBJECT_BODY_SIZE - facts->body_size))
		return -EBADMSG;
	return body_valid(object->kind, object->body) ? 0 : -EBADMSG;
}
