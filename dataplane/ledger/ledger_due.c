/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time: what is due, and closed rows that retire.
 *
 * A heap (ledger_derived.h) holds objects and markets by when time acts on them. An open object is
 * due at its due_ns; a closed one retires then, or at once where its kind keeps none. A market is
 * due when its tickets expire, and when its result is final: then its chain is passed over in
 * slices for bets to retire. When a result is final control says, by a numbered command: by their
 * own clocks one shard could make it final while another takes it back. A bet that could retire
 * only later (a ticket paid after that) is put in a queue when it is changed. So no table is ever
 * scanned. Keys are made from the rules as they were when the row changed and looked at again when
 * they come up: a period that was made longer holds at once, one that was made shorter for what
 * changes from then on. What may happen at once is keyed by the time it came up, so the heap is a
 * queue and nothing in it waits for ever; heap, pass and queue take turns.
 *
 * A TRANSFER_IN is due when the watermark of its link has passed it: that is seen as the LINK
 * changes, for the newest ones. What it misses (rows loaded in another order, a watermark that
 * jumped) is looked at every 10 s.
 *
 * Tickets expire ticket_expiry_s after the last of their markets was walked, so the time is known
 * from rows alone. Nothing of this is state: after a restart the hooks make it anew, and a chain
 * that was passed over before is passed over once more.
 *
 * ledger_decide_due changes nothing but these structures; a decision that is not carried out comes
 * again.
 */
#include <errno.h>

#include "dataplane/ledger/ledger_derived.h"
#include "dataplane/ledger/ledger_transfer.h"

#define NS_PER_S 1000000000ull
#define LOOK_MAX 256 /* heap entries looked at in one call */
#define NOTE_MAX 64  /* TRANSFER_INs that one change of a link makes due */
/* What could not be done yet is looked at again after it. */
#define AGAIN_NS (10 * NS_PER_S)

/* ---- Heap ---- */

uint32_t due_item(const struct ledger *ledger, enum ledger_table table, uint32_t row)
{
	return table == LEDGER_OBJECT ? row : ledger->config.objects_max + row;
}

static void heap_put(struct ledger_derived *derived, uint32_t index, struct due_entry entry)
{
	derived->heap[index] = entry;
	derived->at[entry.item] = index + 1;
}

/* Moves the entry at `index` to where it belongs. Ties by item: the order is the same everywhere.
 */
static int due_before(const struct due_entry *a, const struct due_entry *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->item < b->item;
}

static void heap_settle(struct ledger_derived *derived, uint32_t index)
{
	struct due_entry entry = derived->heap[index];

	while (index > 0 && due_before(&entry, &derived->heap[(index - 1) / 2])) {
		heap_put(derived, index, derived->heap[(index - 1) / 2]);
		index = (index - 1) / 2;
	}
	for (uint32_t child; (child = 2 * index + 1) < derived->heap_count; index = child) {
		if (child + 1 < derived->heap_count &&
		    due_before(&derived->heap[child + 1], &derived->heap[child]))
			child++;
		if (!due_before(&derived->heap[child], &entry))
			break;
		heap_put(derived, index, derived->heap[child]);
	}
	heap_put(derived, index, entry);
}

void due_set(struct ledger_derived *derived, uint32_t item, uint64_t due_ns)
{
	uint32_t index = derived->at[item];
	struct due_entry last;

	if (due_ns == UINT64_MAX) {
		if (index == 0)
			return;
		derived->at[item] = 0;
		last = derived->heap[--derived->heap_count];
		if (index - 1 < derived->heap_count) {
			derived->heap[index - 1] = last;
			heap_settle(derived, index - 1);
		}
		return;
	}
	if (index == 0)
		index = ++derived->heap_count;
	derived->heap[index - 1] = (struct due_entry){ .due_ns = due_ns, .item = item };
	heap_settle(derived, index - 1);
}

/* ---- Objects ---- */

/* When time acts on an object as it is; UINT64_MAX never. */
static uint64_t object_due(const struct ledger *ledger, const struct object_row *object)
{
	uint64_t now_ns = ledger->shard.time_ns;

	switch (object->kind) {
	case OBJECT_CLAIM: /* with its sprinkle */
	case OBJECT_LINK:
	case OBJECT_PLAY_COUNTERS:
	case OBJECT_PARTNER:
		return UINT64_MAX;
	case OBJECT_TRANSFER:
		return object->state == OBJECT_OPEN ? UINT64_MAX : now_ns;
	case OBJECT_TRANSFER_IN:
		return transfer_in_retirable(ledger, object) ? now_ns : now_ns + AGAIN_NS;
	default:
		break;
	}
	if (object->due_ns != 0)
		return object->due_ns;
	/* Nothing waits; of a closed one: at once. */
	return object->state == OBJECT_OPEN ? UINT64_MAX : now_ns;
}

/* Downwards from the watermark, to one that has left or was made due before. */
static void link_note(struct ledger *ledger, const struct object_row *row)
{
	struct ledger_derived *derived = ledger->derived;
	uint64_t now_ns = ledger->shard.time_ns, free_id;
	struct object_link link;

	memcpy(&link, row->body, sizeof(link));
	for (unsigned i = 0; i < NOTE_MAX && le64_get(link.in_kept) > i; i++) {
		const struct object_key key = { .kind = OBJECT_TRANSFER_IN,
			.words = { le64_get(link.peer), le64_get(link.in_kept) - i } };
		uint32_t in = ledger_object_find_key(ledger, &key, &free_id);

		if (in == ROW_NONE ||
		    (derived->at[in] != 0 && derived->heap[derived->at[in] - 1].due_ns <= now_ns))
			return;
		due_set(derived, in, now_ns);
	}
}

/* A round's transactions stay as long as the round. */
static uint64_t round_tx_due(
    const struct ledger *ledger, const struct object_row *object, uint64_t time_ns)
{
	uint64_t due_ns = object->due_ns;
	struct object_round_tx tx;
	uint32_t row;

	memcpy(&tx, object->body, sizeof(tx));
	row = object_find(ledger, le64_get(tx.round_id));
	if (row == ROW_NONE || ledger->objects[row].row.kind != OBJECT_ROUND)
		return due_ns;
	if (ledger->objects[row].row.state == OBJECT_OPEN)
		return time_ns + ledger->shard.rules.partner_key_hold_s * NS_PER_S;
	return ledger->objects[row].row.due_ns > due_ns ? ledger->objects[row].row.due_ns : due_ns;
}

/* 1: nothing needs the closed row any more; 0: look again later, at *due_ns. */
static int object_retirable(const struct ledger *ledger, const struct object_row *object,
    uint64_t time_ns, uint64_t *due_ns)
{
	struct object_key key;

	*due_ns = time_ns + AGAIN_NS;
	if (object->kind == OBJECT_TRANSFER_IN && !transfer_in_retirable(ledger, object))
		return 0;
	if (object->kind == OBJECT_ROUND_TX) {
		uint64_t due = round_tx_due(ledger, object, time_ns);

		if (due > time_ns) {
			*due_ns = due;
			return 0;
		}
	}
	/* One whose hash is the same stands behind it and is looked for from here. */
	if (object_key_of(object->kind, object->partner_id, object->body, &key) == 0 &&
	    object_find(ledger, object->id + 1) != ROW_NONE)
		return 0;
	return 1;
}

/* Open objects, and what ends with more than its own row. Result as theirs. */
static int object_act(struct decision *decision, const struct object_row *object)
{
	switch (object->kind) {
	case OBJECT_WITHDRAWAL:
		return withdraw_due(decision, object);
	case OBJECT_SPRINKLE:
		return object->state == OBJECT_OPEN ? sprinkle_due(decision, object)
		                                    : sprinkle_retire(decision, object);
	case OBJECT_PLAY_LIMITS:
		return play_due(decision, object);
	case OBJECT_ROUND:
		return round_due(decision, object);
	default:
		return 0;
	}
}

/* The closed objects that are due now, up to 64. */
static int objects_retire(struct ledger *ledger, uint64_t time_ns, struct event_buffer *event)
{
	struct ledger_derived *derived = ledger->derived;
	struct decision decision;
	unsigned count = 0;

	decision_begin(&decision, ledger, EVENT_OBJECT_RETIRE, time_ns);
	for (unsigned looked = 0; looked < LOOK_MAX && count < EVENT_IDS_MAX; looked++) {
		const struct due_entry *top = &derived->heap[0];
		const struct object_row *object;
		uint64_t due_ns;

		if (derived->heap_count == 0 || top->due_ns > time_ns ||
		    top->item >= ledger->config.objects_max)
			break;
		object = &ledger->objects[top->item].row;
		if (object->state == OBJECT_OPEN || object->kind == OBJECT_SPRINKLE)
			break;
		/* Retired, it leaves the heap; if it does not, it is looked at again. */
		if (object_retirable(ledger, object, time_ns, &due_ns))
			decision.body.ids[count++] = le64_make(object->id);
		due_set(derived, top->item, due_ns);
	}
	return count == 0 ? -EAGAIN : due_retire_write(&decision, count, event);
}

static int object_decide(
    struct ledger *ledger, uint32_t row, uint64_t time_ns, struct event_buffer *event)
{
	const struct object_row *object = &ledger->objects[row].row;
	struct decision decision;
	int todo;

	if (object->state != OBJECT_OPEN && object->kind != OBJECT_SPRINKLE)
		return objects_retire(ledger, time_ns, event);
	decision_begin(&decision, ledger, EVENT_TICK, time_ns);
	todo = object_act(&decision, object);
	if (todo == 1)
		todo = decision_write(&decision, WIRE_CODE_OK, event);
	if (todo > 0)
		return todo;
	/* Not now: a full table, a claim on its way. */
	due_set(ledger->derived, row, time_ns + AGAIN_NS);
	return -EAGAIN;
}

/* ---- Hooks and entry ---- */

static void object_note(struct ledger *ledger, uint32_t row)
{
	const struct object_row *object = &ledger->objects[row].row;

	due_set(ledger->derived, row, object_due(ledger, object));
	if (object->kind == OBJECT_LINK)
		link_note(ledger, object);
}

void ledger_due_note(struct ledger *ledger, enum ledger_table table, uint32_t row, uint64_t due_ns)
{
	(void)due_ns; /* the row has it */
	if (table == LEDGER_BET)
		due_bet_note(ledger, row);
	else if (table == LEDGER_MARKET)
		due_market_note(ledger, row);
	else if (table == LEDGER_OBJECT)
		object_note(ledger, row);
}

void ledger_due_forget(struct ledger *ledger, enum ledger_table table, uint32_t row)
{
	SLUICE_REQUIRE(table == LEDGER_OBJECT || table == LEDGER_BET);
	if (table == LEDGER_BET)
		ledger_due_unqueue(ledger, row);
	else
		due_set(ledger->derived, due_item(ledger, table, row), UINT64_MAX);
}

uint64_t ledger_due_ns(const struct ledger *ledger)
{
	const struct ledger_derived *derived = ledger->derived;

	if (derived->sweep.market_id != 0 || derived->queue_first != 0)
		return 0;
	return derived->heap_count == 0 ? UINT64_MAX : derived->heap[0].due_ns;
}

/* What the heap has first. A market whose pass must wait for another's goes behind all objects that
 * are due (at the same time, objects are first). */
static int heap_decide(struct ledger *ledger, uint64_t time_ns, struct event_buffer *event)
{
	struct ledger_derived *derived = ledger->derived;
	const struct due_entry *top = &derived->heap[0];

	for (unsigned looked = 0; looked < LOOK_MAX; looked++) {
		if (derived->heap_count == 0 || top->due_ns > time_ns)
			return 0;
		if (top->item < ledger->config.objects_max)
			return object_decide(ledger, top->item, time_ns, event);
		if (derived->sweep.market_id == 0)
			return due_market_decide(
			    ledger, top->item - ledger->config.objects_max, time_ns);
		if (top->due_ns == time_ns)
			return 0;
		due_set(derived, top->item, time_ns);
	}
	return -EAGAIN;
}

enum { TURN_HEAP, TURN_SWEEP, TURN_QUEUE, TURNS };

int ledger_decide_due(struct ledger *ledger, uint64_t time_ns, struct event_buffer *event)
{
	struct ledger_derived *derived = ledger->derived;
	int result = 0;

	if (time_ns < ledger->shard.time_ns)
		time_ns = ledger->shard.time_ns;
	for (unsigned i = 0; i < TURNS && result == 0; i++) {
		unsigned turn = derived->turn;

		derived->turn = (uint8_t)((turn + 1) % TURNS);
		if (turn == TURN_HEAP)
			result = heap_decide(ledger, time_ns, event);
		else if (turn == TURN_SWEEP && derived->sweep.market_id != 0)
			result = due_sweep_decide(ledger, time_ns, event);
		else if (turn == TURN_QUEUE && derived->queue_first != 0)
			result = due_queue_decide(ledger, time_ns, event);
	}
	return result;
}
