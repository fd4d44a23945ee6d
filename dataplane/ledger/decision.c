/* SPDX-License-Identifier: Apache-2.0 */
/* Building the event of a decision: accounts, lines, objects, and the bytes. */
#include <errno.h>

#include "dataplane/ledger/ledger_decision.h"

void decision_begin(
    struct decision *decision, struct ledger *ledger, uint16_t type, uint64_t time_ns)
{
	/* Odds, lines, objects and body are filled where they are used: they are large. */
	memset(decision, 0, offsetof(struct decision, odds));
	decision->ledger = ledger;
	decision->type = type;
	decision->time_ns = time_ns > ledger->shard.time_ns ? time_ns : ledger->shard.time_ns;
	if (type != EVENT_PLACE_BET)
		memset(&decision->body, 0, sizeof(decision->body));
}

struct event_limit *decision_limit(struct decision *decision, int64_t limit, int64_t counted)
{
	decision->limit = (struct event_limit){
		.section = { .kind = SECTION_LIMIT, .size = le16_make(sizeof(decision->limit)) },
		.limit = le64s_make(limit),
		.counted = le64s_make(counted),
	};
	decision->has_limit = 1;
	return &decision->limit;
}

void decision_account(struct decision *decision, uint64_t account_id)
{
	uint32_t row;

	decision->account_id = account_id;
	decision->account = NULL;
	/* A system account's number in a request is an unknown account. */
	if (account_id == 0 || account_id > LIMIT_ACCOUNT_ID_MAX)
		return;
	row = account_find(decision->ledger, account_id);
	if (row != ROW_NONE)
		decision->account = &decision->ledger->accounts[row].row;
}

int decision_terminal(struct decision *decision, uint64_t terminal_id)
{
	uint32_t row = terminal_find(decision->ledger, terminal_id);

	decision->terminal_id = terminal_id;
	if (row != ROW_NONE)
		decision->terminal = &decision->ledger->terminals[row].row;
	else if (!table_room(decision->ledger, LEDGER_TERMINAL, 1))
		return -EBUSY;
	return 0;
}

int decision_partner_blocked(const struct decision *decision)
{
	const struct object_row *row =
	    ledger_partner(decision->ledger, decision->account->partner_id);
	struct object_partner partner;

	if (row == NULL)
		return 0;
	memcpy(&partner, row->body, sizeof(partner));
	return partner.blocked;
}

uint16_t decision_account_usable(const struct decision *decision)
{
	if (decision->account == NULL)
		return WIRE_CODE_ACCOUNT_UNKNOWN;
	if (decision->account->flags & ACCOUNT_FROZEN)
		return WIRE_CODE_ACCOUNT_FROZEN;
	if (decision_partner_blocked(decision))
		return WIRE_CODE_PARTNER_BLOCKED;
	if (decision->account->currency != decision->currency)
		return WIRE_CODE_CURRENCY_MISMATCH;
	return WIRE_CODE_OK;
}

/* ---- Money ---- */

static void line_add(struct decision *decision, uint64_t account_id, int64_t amount,
    const struct account_row *customer)
{
	if (amount == 0 && customer == NULL)
		return;
	SLUICE_REQUIRE(decision->line_count < EVENT_LINES_MAX);
	decision->lines[decision->line_count++] =
	    (struct decision_line){ account_id, amount, customer };
}

static void receivable_add(struct decision *decision, int64_t amount)
{
	line_add(decision, ledger_system_account(SYSTEM_RECEIVABLE, decision->currency, 0), amount,
	    NULL);
}

void decision_line(struct decision *decision, uint64_t system_account, int64_t amount)
{
	SLUICE_REQUIRE(system_account & SYSTEM_ACCOUNT_BIT);
	line_add(decision, system_account, amount, NULL);
}

/* What of a credit goes to what the customer owes. */
static int64_t repaid_of(const struct account_row *account, int64_t credit)
{
	return account->owed < credit ? account->owed : credit;
}

uint16_t decision_credit(struct decision *decision, int64_t credit)
{
	int64_t repaid = repaid_of(decision->account, credit);

	SLUICE_REQUIRE(credit >= 0);
	decision->payout = credit;
	if (decision->account->balance > LIMIT_BALANCE_MAX - (credit - repaid)) {
		decision->amount = credit;
		return WIRE_CODE_BALANCE_LIMIT;
	}
	decision->amount = credit - repaid;
	receivable_add(decision, repaid);
	return WIRE_CODE_OK;
}

uint16_t decision_line_credit(
    struct decision *decision, const struct account_row *customer, int64_t credit)
{
	int64_t repaid = repaid_of(customer, credit);

	SLUICE_REQUIRE(credit > 0);
	if (customer->balance > LIMIT_BALANCE_MAX - (credit - repaid))
		return WIRE_CODE_BALANCE_LIMIT;
	/* Of 0 when all of it is repaid: the RECEIVABLE line belongs to the customer before it. */
	line_add(decision, customer->id, credit - repaid, customer);
	receivable_add(decision, repaid);
	return WIRE_CODE_OK;
}

uint16_t decision_debit(struct decision *decision, int64_t debit)
{
	SLUICE_REQUIRE(debit > 0);
	decision->amount = -debit;
	decision->payout = debit;
	return decision->account->balance < debit ? WIRE_CODE_FUNDS_INSUFFICIENT : WIRE_CODE_OK;
}

void decision_debit_owing(struct decision *decision, int64_t debit)
{
	int64_t taken = decision->account->balance < debit ? decision->account->balance : debit;

	SLUICE_REQUIRE(debit > 0);
	decision->amount = -taken;
	receivable_add(decision, taken - debit);
}

/* ---- Objects ---- */

struct object_row *decision_object(struct decision *decision, const struct object_row *from)
{
	struct object_row *object;

	/* Changed before by this decision: the same copy. */
	for (unsigned i = 0; i < decision->object_count; i++)
		if (decision->objects[i].id == from->id)
			return &decision->objects[i];
	SLUICE_REQUIRE(decision->object_count < EVENT_OBJECTS_MAX);
	object = &decision->objects[decision->object_count++];
	*object = *from;
	return object;
}

struct object_row *decision_object_new(
    struct decision *decision, enum object_kind kind, uint64_t id)
{
	struct object_row *object;

	SLUICE_REQUIRE(decision->object_count < EVENT_OBJECTS_MAX);
	object = &decision->objects[decision->object_count++];
	memset(object, 0, sizeof(*object));
	object->id = id;
	object->kind = (uint8_t)kind;
	object->currency = decision->currency;
	return object;
}

struct object_row *decision_object_key(struct decision *decision, const struct object_key *key)
{
	uint64_t id;

	SLUICE_REQUIRE(ledger_object_find_key(decision->ledger, key, &id) == ROW_NONE);
	/* Two new ones of one event with one hash. */
	for (unsigned i = 0; i < decision->object_count; i++)
		if (decision->objects[i].id == id) {
			id++;
			SLUICE_REQUIRE(object_find(decision->ledger, id) == ROW_NONE);
		}
	return decision_object_new(decision, (enum object_kind)key->kind, id);
}

uint64_t decision_new_id(struct decision *decision, uint64_t key)
{
	decision->new_id = 1;
	decision->object_id =
	    ids_make(ids_bucket_of_key(key), decision->ledger->shard.bet_counter + 1);
	return decision->object_id;
}

/* ---- The event ---- */

static size_t put(struct event_buffer *event, size_t at, const void *bytes, size_t size)
{
	SLUICE_REQUIRE(at + size <= sizeof(event->bytes));
	memcpy(event->bytes + at, bytes, size);
	return at + size;
}

static size_t put_legs(const struct decision *decision, uint16_t code, struct event_buffer *event)
{
	size_t at = sizeof(struct event_record);

	for (unsigned i = 0; i < decision->leg_count; i++) {
		const struct wire_leg *claimed = &decision->request->place_bet.legs[i];
		const struct event_leg leg = {
			.market_id = le64_make(claimed->market_id),
			.selection = le16_make(claimed->selection),
			.odds = le32_make(code == WIRE_CODE_OK ? decision->odds[i] : claimed->odds),
		};

		at = put(event, at, &leg, sizeof(leg));
	}
	return at;
}

static size_t put_lines(const struct decision *decision, size_t at, struct event_buffer *event)
{
	for (unsigned i = 0; i < decision->line_count; i++) {
		const struct decision_line *from = &decision->lines[i];
		const struct event_line line = {
			.section = { .kind = SECTION_LINE, .size = le16_make(sizeof(line)) },
			.account_id = le64_make(from->account_id),
			.amount = le64s_make(from->amount),
			.balance = le64s_make(
			    from->customer == NULL ? 0 : from->customer->balance + from->amount),
			.prev_lsn = le64_make(from->customer == NULL ? 0 : from->customer->lsn),
		};

		at = put(event, at, &line, sizeof(line));
	}
	return at;
}

static size_t put_objects(const struct decision *decision, size_t at, struct event_buffer *event)
{
	for (unsigned i = 0; i < decision->object_count; i++) {
		const struct object_row *from = &decision->objects[i];
		size_t size = object_body_size(from->kind);

		while (size >= 8 && bytes_all_zero(from->body + size - 8, 8))
			size -= 8;

		const struct event_object object = {
			.section = { .kind = SECTION_OBJECT,
			    .size = le16_make((uint16_t)(sizeof(object) + size)) },
			.id = le64_make(from->id),
			.due_ns = le64_make(from->due_ns),
			.kind = from->kind,
			.state = from->state,
			.currency = le16_make(from->currency),
			.partner_id = le32_make(from->partner_id),
		};

		at = put(event, at, &object, sizeof(object));
		at = put(event, at, from->body, size);
	}
	return at;
}

static inline struct event_record record_make(
    const struct decision *decision, uint16_t code, int moves)
{
	const struct shard_row *shard = &decision->ledger->shard;
	const struct account_row *account = decision->account;
	int64_t balance = account == NULL ? 0 : account->balance;

	if (moves && (account != NULL || decision->type == EVENT_ACCOUNT_OPEN))
		balance += decision->amount;
	return (struct event_record){
		.lsn = le64_make(shard->lsn + 1),
		.time_ns = le64_make(decision->time_ns),
		.type = le16_make(decision->type),
		.code = le16_make(code),
		.leg_count = decision->leg_count,
		.score = decision->score,
		.terminal_id = le64_make(decision->terminal_id),
		.request_id = le64_make(decision->request_id),
		.body_hash = { le64_make(decision->body_hash[0]),
		    le64_make(decision->body_hash[1]) },
		.prev_terminal_lsn =
		    le64_make(decision->terminal == NULL ? 0 : decision->terminal->lsn),
		.account_id = le64_make(decision->account_id),
		.prev_account_lsn = le64_make(account == NULL ? 0 : account->lsn),
		.amount = le64s_make(decision->amount),
		.balance = le64s_make(balance),
		.object_id = le64_make(decision->object_id),
		.payout = le64s_make(decision->payout),
		.factor_bits = le32_make(decision->factor_bits),
		.rule_version = le32_make(shard->rules.version),
		.currency = le16_make(decision->currency),
		.flags = decision->flags,
		.odds_policy = decision->odds_policy,
		.cashier_id = le32_make(decision->cashier_id),
		.deadline_ns = le64_make(decision->deadline_ns),
	};
}

static inline void record_write(const struct decision *decision, uint16_t code, int moves,
    uint16_t length, struct event_buffer *event)
{
	struct event_record *record = (struct event_record *)(void *)event->bytes;

	_Static_assert(_Alignof(struct event_record) <= 8, "as the buffer is");
	*record = record_make(decision, code, moves);
	record->length = le16_make(length);
}

/* Accounts there may be any number of: one for each terminal or partner. */
static int account_one_of_many(uint64_t account_id)
{
	uint64_t kind = (account_id & ~SYSTEM_ACCOUNT_BIT) >> 56;

	return kind == SYSTEM_CASH || kind == SYSTEM_PARTNER;
}

#define SPARE_TABLE_MIN 1024u

/* Rows that an object made by this decision must leave free. */
static uint32_t object_spare(const struct decision *decision, unsigned kind)
{
	uint32_t capacity = decision->ledger->tables[LEDGER_OBJECT].capacity;

	if (decision->request == NULL || capacity < SPARE_TABLE_MIN)
		return 0;
	return kind == OBJECT_TRANSFER || kind == OBJECT_LINK ? capacity / 16 : capacity / 8;
}

/*
 * Room for the objects the event makes. An eighth of the table is kept from what requests make, and
 * left to what must go on when they have filled it: transfers to other shards, half of it; all of
 * it what comes from them, settlements and operators. Else money would stay in transit.
 */
static int objects_fit(const struct decision *decision)
{
	const struct ledger *ledger = decision->ledger;
	uint32_t made = 0, spare = 0, own;

	for (unsigned i = 0; i < decision->object_count; i++) {
		const struct object_row *object = &decision->objects[i];

		if (object_find(ledger, object->id) != ROW_NONE)
			continue;
		made++;
		own = object_spare(decision, object->kind);
		if (own > spare)
			spare = own;
	}
	return made == 0 || table_room(ledger, LEDGER_OBJECT, made + spare);
}

/* Room for the rows the event makes, and for its system accounts within their limit. */
static int rows_fit(const struct decision *decision, const struct event_view *view)
{
	const struct ledger *ledger = decision->ledger;
	struct ledger_line lines[LEDGER_LINES_MAX];
	int count = ledger_lines(view, lines);
	uint32_t accounts = decision->type == EVENT_ACCOUNT_OPEN;
	uint32_t kept = accounts ? system_rows_kept(ledger) : 0;

	SLUICE_REQUIRE(count >= 0); /* a judge's lines that do not come to zero */
	for (int i = 0; i < count; i++) {
		uint32_t row = account_find(ledger, lines[i].account_id);
		int64_t balance = lines[i].amount;

		if (row == ROW_NONE) {
			accounts++;
			if (account_one_of_many(lines[i].account_id))
				kept = system_rows_kept(ledger);
		} else if (__builtin_add_overflow(
		               ledger->accounts[row].row.balance, lines[i].amount, &balance)) {
			return 0;
		}
		if (balance > SYSTEM_BALANCE_MAX || balance < -SYSTEM_BALANCE_MAX)
			return 0;
	}
	if (decision->type == EVENT_PLACE_BET && !table_room(ledger, LEDGER_BET, 1))
		return 0;
	return (accounts == 0 || table_room(ledger, LEDGER_ACCOUNT, accounts + kept)) &&
	       objects_fit(decision) &&
	       (!decision->new_id || ledger->shard.bet_counter < (1ull << 53) - 1);
}

/* The same for a bet that an account pays, without lines or objects: all that is posted beside the
 * account's amount is on STAKES. Keeps the rows for ledger_apply_own. */
static int bet_rows_fit(const struct decision *decision)
{
	struct ledger *ledger = decision->ledger;
	uint64_t stakes = ledger_system_account(SYSTEM_STAKES, decision->currency, 0);
	uint32_t row = ledger->stakes_seen; /* only the id counts */
	int64_t balance = -decision->amount;

	if (SLUICE_UNLIKELY(ledger->accounts[row].row.id != stakes))
		row = account_find(ledger, stakes);
	if (row == ROW_NONE) {
		if (!table_room(ledger, LEDGER_ACCOUNT, 1))
			return 0;
	} else if (__builtin_add_overflow(ledger->accounts[row].row.balance, balance, &balance)) {
		return 0;
	}
	if (balance > SYSTEM_BALANCE_MAX || balance < -SYSTEM_BALANCE_MAX ||
	    !table_room(ledger, LEDGER_BET, 1) || ledger->shard.bet_counter >= (1ull << 53) - 1)
		return 0;
	if (row == ROW_NONE || decision->terminal == NULL)
		return 1;
	ledger->decided = (struct decided_bet){
		.lsn = ledger->shard.lsn + 1,
		.account =
		    (uint32_t)((const struct account_slot *)decision->account - ledger->accounts),
		.terminal = ledger_terminal_number(ledger, decision->terminal),
		.stakes = row,
		.scene = decision->scene,
	};
	return 1;
}

/* Of a refusal nothing is kept but which of the two messages of a shift it was: the answer given
 * after a restart must be that message's. */
static void body_refused(struct decision *decision, size_t size)
{
	memset(&decision->body, 0, size);
	if (decision->type == EVENT_SHIFT)
		decision->body.shift.op =
		    decision->request->template_id == WIRE_SHIFT_CLOSE ? SHIFT_CLOSE : SHIFT_OPEN;
}

int decision_write(struct decision *decision, uint16_t code, struct event_buffer *event)
{
	int moves = event_moves(decision->type, code);
	int bare = decision->line_count == 0 && decision->object_count == 0;
	struct event_view view;
	size_t at = sizeof(view.record);

	decision->ledger->decided.lsn = 0;
	if (!moves && decision->type != EVENT_TRANSFER_IN) {
		decision->line_count = decision->object_count = 0;
		if (decision->new_id)
			decision->object_id = 0;
	}
	if (decision->type == EVENT_PLACE_BET) {
		at = put_legs(decision, code, event);
	} else {
		int size;

		view.record = record_make(decision, code, moves);
		size = event_body_size(&view.record);
		SLUICE_REQUIRE(size >= 0 && (size_t)size <= sizeof(decision->body));
		if (!moves && size > 0)
			body_refused(decision, (size_t)size);
		at = put(event, at, &decision->body, (size_t)size);
	}
	at = put_lines(decision, at, event);
	at = put_objects(decision, at, event);
	if (decision->has_risk)
		at = put(event, at, &decision->risk, sizeof(decision->risk));
	if (!moves && decision->has_limit)
		at = put(event, at, &decision->limit, sizeof(decision->limit));
	/* Made once more and not copied: what was just written field by field can be read in large
	 * pieces only when it has left the CPU. */
	record_write(decision, code, moves, (uint16_t)at, event);
	if (!moves)
		return (int)at;
	if (SLUICE_LIKELY(bare && decision->type == EVENT_PLACE_BET && decision->account != NULL &&
	                  decision->amount < 0))
		return bet_rows_fit(decision) ? (int)at : -EBUSY;
	if (SLUICE_LIKELY(bare && decision->type != EVENT_PLACE_BET)) {
		/* No sections, as with settlement: nothing to take apart. */
		view.record.length = le16_make((uint16_t)at);
		view.body = event->bytes + sizeof(view.record);
		view.body_size = at - sizeof(view.record);
		event_view_bare(&view);
	} else {
		SLUICE_REQUIRE(event_view_read(event->bytes, at, &view) == 0);
	}
	return rows_fit(decision, &view) ? (int)at : -EBUSY;
}
