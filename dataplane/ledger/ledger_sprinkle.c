/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sprinkles: an amount that one customer shares out in a room, and the claims of others.
 *
 * The money waits in POTS. The split is decided claim by claim and needs no list: with r left for k
 * shares an equal split gives ceil(r / k) (so the first ones take the remainder), and a random one
 * draws evenly from 1 .. floor(2 r / k) - 1, whose mean is about r / k; the last share takes what
 * is left. Every share is at least 1 (r >= k at the begin, and a draw leaves at least k - 1) and
 * the sum is exact. The draw is XXH3-64 of seed and share number; the seed is XXH3-64 of token and
 * time, and is in the event, so anybody can do the split again from the log.
 *
 * A claim by an account of another shard leaves as a transfer; when that is refused the share goes
 * back into the sprinkle and the account may claim again. After the window (time, by the timer) the
 * rest goes back to the giver, frozen or not; a share that is refused later still goes straight to
 * the giver.
 */
#include <errno.h>

#include "dataplane/ledger/ledger_transfer.h"

#define NS_PER_S 1000000000ull
/* A giver's account that is full is asked again after it. */
#define REFUND_AGAIN_S 3600u
/* An ended one stays in memory so long, for those who come late. */
#define KEPT_S 3600u

static uint64_t pots(const struct decision *decision)
{
	return ledger_system_account(SYSTEM_POTS, decision->currency, 0);
}

/* ---- SPRINKLE_CREATE ---- */

uint16_t sprinkle_create_judge(struct decision *decision)
{
	const struct wire_request *request = decision->request;
	const struct risk_rules *rules = &decision->ledger->shard.rules;
	int64_t amount = request->sprinkle_create.amount;
	uint32_t shares = request->sprinkle_create.shares;
	uint32_t window_s = request->sprinkle_create.window_s;
	struct object_sprinkle sprinkle;
	struct object_row *object;
	uint64_t token;
	uint16_t code;

	decision->amount = amount == INT64_MIN ? INT64_MAX : -amount;
	code = decision_account_usable(decision);
	if (code != WIRE_CODE_OK)
		return code;
	if (amount <= 0 || amount > LIMIT_BALANCE_MAX)
		return WIRE_CODE_AMOUNT_INVALID;
	if (shares == 0 || shares > LIMIT_SPRINKLE_SHARES_MAX || shares > amount || window_s == 0 ||
	    window_s > rules->sprinkle_window_max_s)
		return WIRE_CODE_SHARES_INVALID;
	code = ledger_risk_judge(decision, &(struct risk_case){ .amount = amount });
	if (code == WIRE_CODE_OK)
		code = decision_debit(decision, amount);
	if (code != WIRE_CODE_OK)
		return code;
	token = decision_new_id(decision, decision->account_id);
	const uint64_t seed_of[2] = { token, decision->time_ns };
	sprinkle = (struct object_sprinkle){
		.giver = le64_make(decision->account_id),
		.total = le64s_make(amount),
		.remaining = le64s_make(amount),
		.room = le64_make(request->sprinkle_create.room),
		.seed = le64_make(XXH3_64bits(seed_of, sizeof(seed_of))),
		.created_ns = le64_make(decision->time_ns),
		.ends_ns = le64_make(decision->time_ns + window_s * NS_PER_S),
		.shares = le32_make(shares),
		.equal = request->sprinkle_create.equal,
	};
	object = decision_object_new(decision, OBJECT_SPRINKLE, token);
	object->state = OBJECT_OPEN;
	object->currency = decision->currency;
	object->due_ns = le64_get(sprinkle.ends_ns);
	memcpy(object->body, &sprinkle, sizeof(sprinkle));
	return WIRE_CODE_OK;
}

/* ---- CLAIM ---- */

/* The next share of what is left. */
static int64_t share_draw(const struct object_sprinkle *sprinkle)
{
	int64_t rest = le64s_get(sprinkle->remaining);
	uint32_t number = le32_get(sprinkle->claimed);
	int64_t shares = (int64_t)le32_get(sprinkle->shares) - number;
	const uint64_t draw_of[2] = { le64_get(sprinkle->seed), number };
	uint64_t draw, choices;

	if (shares == 1)
		return rest;
	if (sprinkle->equal)
		return rest / shares + (rest % shares != 0);
	draw = XXH3_64bits(draw_of, sizeof(draw_of));
	choices = (uint64_t)(2 * rest / shares - 1);
	return 1 + (int64_t)((unsigned __int128)draw * choices >> 64);
}

static const struct object_row *claim_find(
    const struct ledger *ledger, uint64_t token, uint64_t account_id)
{
	const struct object_key key = { .kind = OBJECT_CLAIM, .words = { token, account_id } };

	return ledger_object_by_key(ledger, &key);
}

/* Whether the account may have a share of it. */
static uint16_t claim_allowed(
    const struct decision *decision, const struct object_row *row, const struct object_row *before)
{
	const struct wire_request *request = decision->request;
	struct object_sprinkle sprinkle;

	if (row == NULL || row->kind != OBJECT_SPRINKLE)
		return WIRE_CODE_SPRINKLE_UNKNOWN;
	memcpy(&sprinkle, row->body, sizeof(sprinkle));
	if (le64_get(sprinkle.room) != request->claim.room)
		return WIRE_CODE_SPRINKLE_UNKNOWN;
	if (le64_get(sprinkle.giver) == request->claim.account_id)
		return WIRE_CODE_CLAIM_OWN;
	/* One that was refused at the claimer's shard may be tried again. */
	if (before != NULL && before->state != OBJECT_REVERSED)
		return WIRE_CODE_CLAIMED_BEFORE;
	if (row->state != OBJECT_OPEN || decision->time_ns >= le64_get(sprinkle.ends_ns))
		return WIRE_CODE_SPRINKLE_ENDED;
	return le32_get(sprinkle.claimed) == le32_get(sprinkle.shares) ? WIRE_CODE_SPRINKLE_EMPTY
	                                                               : WIRE_CODE_OK;
}

/* The sprinkle with one share less, and the claim. Returns the share. */
static int64_t share_take(struct decision *decision, const struct object_row *row,
    const struct object_row *before, uint64_t account_id, enum object_state state)
{
	struct object_row *object = decision_object(decision, row), *claim_object;
	const struct object_key key = { .kind = OBJECT_CLAIM, .words = { row->id, account_id } };
	struct object_claim claim = { .token = le64_make(row->id),
		.account_id = le64_make(account_id) };
	struct object_sprinkle sprinkle;
	int64_t share;

	memcpy(&sprinkle, object->body, sizeof(sprinkle));
	share = share_draw(&sprinkle);
	if (before == NULL) {
		claim_object = decision_object_key(decision, &key);
		claim_object->currency = row->currency;
		claim.previous_claim = sprinkle.last_claim;
		sprinkle.last_claim = le64_make(claim_object->id);
	} else { /* in the chain already */
		claim_object = decision_object(decision, before);
		memcpy(&claim, claim_object->body, sizeof(claim));
	}
	claim.amount = le64s_make(share);
	claim.share = sprinkle.claimed;
	claim_object->state = (uint8_t)state;
	memcpy(claim_object->body, &claim, sizeof(claim));
	sprinkle.remaining = le64s_make(le64s_get(sprinkle.remaining) - share);
	sprinkle.claimed = le32_make(le32_get(sprinkle.claimed) + 1);
	memcpy(object->body, &sprinkle, sizeof(sprinkle));
	return share;
}

static uint16_t claim_here(struct decision *decision, const struct object_row *row,
    const struct object_row *before, uint64_t account_id)
{
	uint16_t code;

	decision_account(decision, account_id);
	code = decision_account_usable(decision);
	if (code != WIRE_CODE_OK)
		return code;
	code =
	    decision_credit(decision, share_take(decision, row, before, account_id, OBJECT_DONE));
	if (code != WIRE_CODE_OK)
		decision->payout = 0; /* nothing is paid */
	return code;
}

static uint16_t claim_away(struct decision *decision, const struct object_row *row,
    const struct object_row *before, uint64_t account_id, uint32_t peer)
{
	int64_t share;

	/* The claimer's row is elsewhere: nothing of an account is in this event. */
	decision->account_id = 0;
	decision->account = NULL;
	decision->amount = 0;
	decision->type = EVENT_TRANSFER_OUT;
	share = share_take(decision, row, before, account_id, OBJECT_OPEN);
	decision->payout = share;
	decision_line(decision, pots(decision), -share);
	return transfer_out(decision, TRANSFER_CLAIM, peer, account_id, share, row->id);
}

uint16_t claim_judge(struct decision *decision)
{
	const struct wire_request *request = decision->request;
	const struct ledger *ledger = decision->ledger;
	uint64_t token = request->claim.token, account_id = request->claim.account_id;
	const struct object_row *row, *before;
	uint32_t peer;
	uint16_t code;

	decision->object_id = token;
	row = ledger_object(ledger, token);
	before = claim_find(ledger, token, account_id);
	code = claim_allowed(decision, row, before);
	if (code != WIRE_CODE_OK)
		return code;
	decision->currency = row->currency;
	if (account_id == 0 || account_id > LIMIT_ACCOUNT_ID_MAX)
		return WIRE_CODE_ACCOUNT_UNKNOWN;
	peer = ledger_shard_of(ledger, account_id);
	return peer == ledger->config.shard ? claim_here(decision, row, before, account_id)
	                                    : claim_away(decision, row, before, account_id, peer);
}

/* ---- The answer from another shard ---- */

void claim_finish(struct decision *decision, uint64_t token, uint64_t account_id)
{
	const struct object_row *row = claim_find(decision->ledger, token, account_id);

	SLUICE_REQUIRE(row != NULL && row->state == OBJECT_OPEN);
	decision_object(decision, row)->state = OBJECT_DONE;
}

int claim_reverse(struct decision *decision, uint64_t token, uint64_t account_id, int64_t amount)
{
	const struct object_row *row = ledger_object(decision->ledger, token);
	const struct object_row *claim = claim_find(decision->ledger, token, account_id);
	struct object_sprinkle sprinkle;

	SLUICE_REQUIRE(row != NULL && row->kind == OBJECT_SPRINKLE && claim != NULL &&
	               claim->state == OBJECT_OPEN);
	memcpy(&sprinkle, row->body, sizeof(sprinkle));
	decision_object(decision, claim)->state = OBJECT_REVERSED;
	if (row->state != OBJECT_OPEN) {
		/* As a line: the answer goes to the claimer and must not show the giver's balance.
		 */
		const struct account_row *giver =
		    ledger_account(decision->ledger, le64_get(sprinkle.giver));

		SLUICE_REQUIRE(giver != NULL);
		return decision_line_credit(decision, giver, amount) == WIRE_CODE_OK ? 0 : -EBUSY;
	}
	sprinkle.remaining = le64s_make(le64s_get(sprinkle.remaining) + amount);
	sprinkle.claimed = le32_make(le32_get(sprinkle.claimed) - 1);
	memcpy(decision_object(decision, row)->body, &sprinkle, sizeof(sprinkle));
	decision_line(decision, pots(decision), amount);
	return 0;
}

/* ---- The end ---- */

int sprinkle_due(struct decision *decision, const struct object_row *row)
{
	struct object_sprinkle sprinkle;
	struct object_row *object;
	int64_t rest;

	memcpy(&sprinkle, row->body, sizeof(sprinkle));
	if (row->state != OBJECT_OPEN || decision->time_ns < row->due_ns)
		return 0;
	rest = le64s_get(sprinkle.remaining);
	decision->type = EVENT_SPRINKLE_END;
	decision->flags |= EVENT_FLAG_TIMER;
	decision->object_id = row->id;
	decision->currency = row->currency;
	decision_account(decision, le64_get(sprinkle.giver));
	object = decision_object(decision, row);
	/* To a frozen account too: it is its money. */
	if (rest > 0 && decision_credit(decision, rest) != WIRE_CODE_OK) {
		decision->amount = decision->payout = 0;
		decision->line_count = 0;
		object->due_ns = decision->time_ns + REFUND_AGAIN_S * NS_PER_S;
		return 1;
	}
	sprinkle.remaining = le64s_make(0);
	object->state = OBJECT_DONE;
	object->due_ns = decision->time_ns + KEPT_S * NS_PER_S;
	memcpy(object->body, &sprinkle, sizeof(sprinkle));
	return 1;
}

int sprinkle_retire(struct decision *decision, const struct object_row *row)
{
	struct object_sprinkle sprinkle;
	uint64_t id;
	unsigned count = 0;

	memcpy(&sprinkle, row->body, sizeof(sprinkle));
	if (row->state != OBJECT_DONE)
		return 0;
	for (id = le64_get(sprinkle.last_claim); id != 0 && count < EVENT_IDS_MAX - 1;) {
		const struct object_row *claim_row = ledger_object(decision->ledger, id);
		struct object_claim claim;

		SLUICE_REQUIRE(claim_row != NULL && claim_row->kind == OBJECT_CLAIM);
		/* One whose hash is the same stands behind it and is looked for from here. */
		if (claim_row->state == OBJECT_OPEN ||
		    object_find(decision->ledger, id + 1) != ROW_NONE)
			break;
		memcpy(&claim, claim_row->body, sizeof(claim));
		decision->body.ids[count++] = le64_make(id);
		id = le64_get(claim.previous_claim);
	}
	if (count == 0 && id != 0)
		return 0;
	decision->type = EVENT_OBJECT_RETIRE;
	if (id == 0) {
		decision->body.ids[count++] = le64_make(row->id);
	} else {
		sprinkle.last_claim = le64_make(id);
		memcpy(decision_object(decision, row)->body, &sprinkle, sizeof(sprinkle));
	}
	decision->leg_count = (uint8_t)count;
	return 1;
}
