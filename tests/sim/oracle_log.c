/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the logs hold. Every durable event is read once, in order, as the store has committed it:
 * its bytes may never change again; money is added up anew by code that shares nothing with the
 * ledger (tools/sluice-db/derive.h); its request is found and must not have another event. Then
 * whatever anybody was told is looked for.
 */
#include <stdlib.h>

#include "tests/sim/world.h"

void damage_note(struct damage *damage, uint64_t lsn, const char *format, ...)
{
	va_list values;

	if (damage->what[0] != '\0')
		return;
	damage->lsn = lsn;
	va_start(values, format);
	vsnprintf(damage->what, sizeof(damage->what), format, values);
	va_end(values);
}

void oracle_make(struct world *world)
{
	struct ledger_config config = {
		.shard_count = world->plan.shards,
		.accounts_max = 256,
		.bets_max = 8192,
		.markets_max = 64,
		.terminals_max = 32,
		.objects_max = 16384,
	};

	ids_bucket_map_default(&config.buckets, world->plan.shards);
	world->oracle.read_count = 0;
	for (uint32_t i = 0; i < world->plan.shards; i++) {
		struct oracle_shard *shard = &world->oracle.shards[i];

		memset(shard, 0, sizeof(*shard));
		derive_init(&shard->derive, i, 1, &shard->damage);
		table_init(&shard->accounts, sizeof(struct oracle_account));
		shard->point_count = 1;
		config.shard = i;
		shard->shadow = ledger_create(&config);
		SLUICE_REQUIRE(shard->shadow != NULL);
	}
}

void oracle_free(struct world *world)
{
	for (uint32_t i = 0; i < world->plan.shards; i++) {
		struct oracle_shard *shard = &world->oracle.shards[i];

		derive_free(&shard->derive);
		table_free(&shard->accounts);
		ledger_free(shard->shadow);
		free(shard->hashes);
		free(shard->types);
		free(shard->states);
		free(shard->objects);
		free(shard->points);
		memset(shard, 0, sizeof(*shard));
	}
}

/* ---- Balances over time ---- */

static void point_add(struct oracle_shard *shard, uint64_t id, uint64_t lsn, int64_t balance)
{
	struct oracle_account *account = table_get(&shard->accounts, id);

	if (shard->point_count >= shard->point_room) {
		shard->point_room = shard->point_room == 0 ? 1024 : 2 * shard->point_room;
		shard->points =
		    table_allocate(shard->points, shard->point_room * sizeof(*shard->points));
	}
	if (account->last != 0 && shard->points[account->last].lsn == lsn) {
		shard->points[account->last].balance = balance;
		return;
	}
	shard->points[shard->point_count] = (struct oracle_point){ lsn, balance, 0 };
	if (account->last != 0)
		shard->points[account->last].next = shard->point_count;
	else
		account->first = shard->point_count;
	account->last = shard->point_count++;
}

int64_t oracle_balance(
    const struct oracle_shard *shard, uint64_t account_id, uint64_t lsn, int *found)
{
	const struct oracle_account *account = table_find(&shard->accounts, account_id);

	*found = 0;
	for (uint32_t at = account == NULL ? 0 : account->first; at != 0;
	     at = shard->points[at].next) {
		if (shard->points[at].lsn != lsn)
			continue;
		*found = 1;
		return shard->points[at].balance;
	}
	return 0;
}

/* As derived (derive.c), not as the event says, which must be the same. */
static void balances_take(struct oracle_shard *shard, const struct event_view *view, uint64_t lsn)
{
	uint64_t id = le64_get(view->record.account_id);
	const struct derived_account *account;

	if (id != 0 && (account = table_find(&shard->derive.accounts, id)) != NULL)
		point_add(shard, id, lsn, account->balance);
	for (unsigned i = 0; i < view->line_count; i++) {
		id = view->lines[i].account_id;
		if (id <= LIMIT_ACCOUNT_ID_MAX &&
		    (account = table_find(&shard->derive.accounts, id)) != NULL)
			point_add(shard, id, lsn, account->balance);
	}
}

/* ---- Requests ---- */

static struct terminal *terminal_of(struct world *world, uint64_t id)
{
	for (uint32_t i = 0; i < WORLD_TERMINALS; i++)
		if (world->terminals[i].id == id)
			return &world->terminals[i];
	return NULL;
}

/*
 * What went to another shard: of a share no account is in the event, and the answer is of the
 * transfer; what was refused there says what a refusal here does.
 */
static void transfer_take(struct op *op, const struct event_view *view)
{
	uint16_t type = le16_get(view->record.type);
	int refused = wire_code_class(le16_get(view->record.code)) != 0;

	if (type != EVENT_TRANSFER_OUT && type != EVENT_TRANSFER_DONE)
		return;
	for (unsigned i = 0; i < view->object_count; i++) {
		struct object_transfer transfer;

		if (view->objects[i].kind != OBJECT_TRANSFER)
			continue;
		memcpy(&transfer, view->objects[i].body, sizeof(transfer));
		if (refused)
			op->event_payout = 0;
		if (transfer.purpose == TRANSFER_CLAIM) {
			op->event_object = le64_get(transfer.reference);
			op->event_balance = le64s_get(transfer.claimer_balance);
		} else if (refused) {
			op->event_object = le64_get(transfer.to_account);
		}
	}
}

static void request_take(
    struct world *world, uint32_t number, const struct event_view *view, uint64_t lsn)
{
	const struct event_record *record = &view->record;
	uint64_t terminal_id = le64_get(record->terminal_id);
	uint64_t request_id = le64_get(record->request_id);
	uint16_t type = le16_get(record->type), code = le16_get(record->code);
	struct terminal *terminal = terminal_of(world, terminal_id);
	struct op *op;

	if (terminal_id == 0 || request_id == 0)
		return;
	op = terminal == NULL ? NULL : terminal_op(terminal, request_id);
	if (op == NULL || op->state == OP_FREE)
		world_violation(world, "money",
		    "shard %u, LSN %llu: an event of request %llu of terminal %llu, never asked",
		    number, (unsigned long long)lsn, (unsigned long long)request_id,
		    (unsigned long long)terminal_id);
	if (op->never && code != WIRE_CODE_EXPIRED)
		world_violation(world, "window",
		    "request %llu of terminal %llu was said never to be carried out; LSN %llu of "
		    "shard %u does (%s)",
		    (unsigned long long)request_id, (unsigned long long)terminal_id,
		    (unsigned long long)lsn, number, wire_code_name(code));
	if (op->events > 0 &&
	    !(type == EVENT_TRANSFER_DONE && op->event_type == EVENT_TRANSFER_OUT &&
	        op->event_shard == number))
		world_violation(world, "applied-twice",
		    "request %llu of terminal %llu: LSN %llu of shard %u and LSN %llu of shard %u",
		    (unsigned long long)request_id, (unsigned long long)terminal_id,
		    (unsigned long long)op->event_lsn, op->event_shard, (unsigned long long)lsn,
		    number);
	if (op->events > 0)
		op->open_lsn = op->event_lsn;
	op->events++;
	op->event_lsn = lsn;
	op->event_shard = (uint8_t)number;
	op->event_code = code;
	op->event_type = type;
	op->event_object = le64_get(record->object_id);
	op->event_balance = le64s_get(record->balance);
	op->event_payout = le64s_get(record->payout);
	transfer_take(op, view);
	op->checked = 0;
}

/* ---- Events ---- */

static void shard_room(struct oracle_shard *shard, uint64_t lsn)
{
	if (lsn < shard->room)
		return;
	shard->room = shard->room == 0 ? 4096 : 2 * shard->room;
	shard->hashes = table_allocate(shard->hashes, shard->room * sizeof(*shard->hashes));
	shard->types = table_allocate(shard->types, shard->room);
	shard->states = table_allocate(shard->states, shard->room);
	shard->objects = table_allocate(shard->objects, shard->room * sizeof(*shard->objects));
}

static uint8_t bet_state_after(const struct event_view *view)
{
	uint16_t type = le16_get(view->record.type);
	struct event_bet_change change;

	if (le16_get(view->record.code) != WIRE_CODE_OK)
		return 0;
	switch (type) {
	case EVENT_PLACE_BET:
		return BET_OPEN;
	case EVENT_CANCEL_BET:
	case EVENT_BET_SETTLE:
	case EVENT_BET_VOID:
	case EVENT_REDEEM:
	case EVENT_TICKET_EXPIRE:
		memcpy(&change, view->body, sizeof(change));
		return change.to;
	default:
		return 0;
	}
}

static void event_take(struct world *world, uint32_t number, uint64_t lsn,
    const struct event_buffer *event, size_t length)
{
	struct oracle_shard *shard = &world->oracle.shards[number];
	uint64_t hash = XXH3_64bits(event->bytes, length);
	struct event_view view;
	int error;

	shard_room(shard, lsn);
	if (event_view_read(event->bytes, length, &view) != 0)
		world_violation(world, "money", "shard %u, LSN %llu: malformed", number,
		    (unsigned long long)lsn);
	if (derive_event(&shard->derive, (struct db_bytes){ event->bytes, length }) != 0)
		world_violation(world, "money", "shard %u, LSN %llu (%s): %s", number,
		    (unsigned long long)lsn, event_type_name(le16_get(view.record.type)),
		    shard->damage.what);
	error = ledger_apply(shard->shadow, event->bytes, length);
	if (error != 0)
		world_violation(world, "state-hash",
		    "shard %u, LSN %llu (%s) does not apply to what is before it: %s", number,
		    (unsigned long long)lsn, event_type_name(le16_get(view.record.type)),
		    strerror(-error));
	memcpy(shard->hashes[lsn], &hash, sizeof(hash));
	shard->types[lsn] = (uint8_t)le16_get(view.record.type);
	shard->objects[lsn] = le64_get(view.record.object_id);
	shard->states[lsn] = bet_state_after(&view);
	balances_take(shard, &view, lsn);
	request_take(world, number, &view, lsn);
	shard->audited = lsn;
	world->counts.events++;
}

static size_t event_get(
    struct world *world, uint32_t number, uint64_t lsn, struct event_buffer *event)
{
	int length = log_history_event(world->process.histories[number], lsn, event);

	if (length <= 0)
		world_violation(world, world->damaged ? "damage-missed" : "ack-lost",
		    "shard %u: LSN %llu is not in the log: %s", number, (unsigned long long)lsn,
		    strerror(-length));
	return (size_t)length;
}

/* One that was read before. */
static void event_again(struct world *world, uint32_t number, uint64_t lsn)
{
	struct oracle_shard *shard = &world->oracle.shards[number];
	struct event_buffer event;
	size_t length = event_get(world, number, lsn, &event);
	uint64_t hash = XXH3_64bits(event.bytes, length);

	if (memcmp(shard->hashes[lsn], &hash, sizeof(hash)) != 0)
		world_violation(world, world->damaged ? "damage-missed" : "ack-lost",
		    "shard %u: LSN %llu is not what it was", number, (unsigned long long)lsn);
}

/* ---- What was told ---- */

/* Two templates' answers carry no payout (struct money_reply). */
static int says_the_same(const struct op *op)
{
	const struct answer *answer = &op->answer;
	int money =
	    op->request.template_id == WIRE_CANCEL_BET || op->request.template_id == WIRE_DEPOSIT;

	return answer->object_id == op->event_object && answer->balance == op->event_balance &&
	       (money || answer->payout == op->event_payout);
}

static void answer_check(
    struct world *world, const struct terminal *terminal, struct op *op, int recovered)
{
	const struct answer *answer = &op->answer;
	const struct oracle_shard *shard = &world->oracle.shards[answer->shard];
	const char *name = world->damaged ? "damage-missed" : "ack-lost";

	if (answer->template_id == 0 || answer->lsn == 0 || op->checked)
		return;
	if (answer->lsn > shard->audited) {
		if (recovered)
			world_violation(world, name,
			    "request %llu of terminal %llu was answered %s at LSN %llu of shard "
			    "%u, "
			    "whose log ends at %llu",
			    (unsigned long long)op->request.request_id,
			    (unsigned long long)terminal->id, wire_code_name(answer->code),
			    (unsigned long long)answer->lsn, answer->shard,
			    (unsigned long long)shard->audited);
		return;
	}
	if (op->events == 0 ||
	    !((op->event_lsn == answer->lsn && op->event_shard == answer->shard) ||
	        (op->open_lsn == answer->lsn && answer->code == WIRE_CODE_PENDING)))
		world_violation(world, name,
		    "request %llu of terminal %llu was answered %s at LSN %llu of shard %u: that "
		    "is "
		    "another event (its own: LSN %llu of shard %u, %u found)",
		    (unsigned long long)op->request.request_id, (unsigned long long)terminal->id,
		    wire_code_name(answer->code), (unsigned long long)answer->lsn, answer->shard,
		    (unsigned long long)op->event_lsn, op->event_shard, op->events);
	if (op->event_lsn == answer->lsn && op->event_code != answer->code)
		world_violation(world, "answer-changed",
		    "request %llu of terminal %llu was answered %s, the log says %s",
		    (unsigned long long)op->request.request_id, (unsigned long long)terminal->id,
		    wire_code_name(answer->code), wire_code_name(op->event_code));
	if (op->event_lsn == answer->lsn && !says_the_same(op))
		world_violation(world, "answer-changed",
		    "request %llu of terminal %llu was answered object %llx, balance %lld; the log "
		    "says object %llx, balance %lld",
		    (unsigned long long)op->request.request_id, (unsigned long long)terminal->id,
		    (unsigned long long)answer->object_id, (long long)answer->balance,
		    (unsigned long long)op->event_object, (long long)op->event_balance);
	op->checked = 1;
}

static const char *read_wrong(
    struct world *world, const struct oracle_read *read, struct oracle_shard *shard)
{
	struct terminal *terminal;
	const struct op *op;
	int64_t balance;
	int found;

	switch ((enum read_kind)read->kind) {
	case READ_BALANCE:
	case READ_ROW:
		balance = oracle_balance(shard, read->id, read->lsn, &found);
		return !found                     ? "that event is not the account's"
		       : balance != read->balance ? "the balance was another one then"
		                                  : NULL;
	case READ_BET:
		return shard->objects[read->lsn] != read->id ? "that event is not the bet's"
		       : shard->states[read->lsn] != 0 && shard->states[read->lsn] != read->state
		           ? "its state was another one then"
		           : NULL;
	case READ_STATUS:
		terminal = terminal_of(world, read->terminal_id);
		op = terminal == NULL ? NULL : terminal_op(terminal, read->id);
		if (read->code == WIRE_CODE_FENCED) /* the event is the FENCE or REVERSE */
			return shard->objects[read->lsn] != read->id ? "that event fences another"
			                                             : NULL;
		return op == NULL || op->events == 0 ? "its request is in no log"
		       : (op->event_lsn != read->lsn && op->open_lsn != read->lsn) ||
		               op->event_shard != read->shard
		           ? "its outcome is another event"
		           : NULL;
	case READ_OBJECT:
		return NULL;
	}
	return NULL;
}

static void reads_check(struct world *world, int recovered)
{
	struct oracle *oracle = &world->oracle;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < oracle->read_count; i++) {
		const struct oracle_read *read = &oracle->reads[i];
		struct oracle_shard *shard = &oracle->shards[read->shard];
		const char *wrong;

		if (read->lsn > shard->audited) {
			if (recovered)
				world_violation(world,
				    world->damaged ? "damage-missed" : "read-undurable",
				    "question %llu of terminal %llu was shown LSN %llu of shard "
				    "%u, "
				    "whose log ends at %llu",
				    (unsigned long long)read->request_id,
				    (unsigned long long)read->terminal_id,
				    (unsigned long long)read->lsn, read->shard,
				    (unsigned long long)shard->audited);
			oracle->reads[kept++] = *read;
			continue;
		}
		wrong = read_wrong(world, read, shard);
		if (wrong != NULL)
			world_violation(world, "balance-history",
			    "question %llu of terminal %llu about %llx, kind %u: shown %lld at LSN "
			    "%llu of shard %u: %s",
			    (unsigned long long)read->request_id,
			    (unsigned long long)read->terminal_id, (unsigned long long)read->id,
			    read->kind, (long long)read->balance, (unsigned long long)read->lsn,
			    read->shard, wrong);
	}
	oracle->read_count = kept;
}

void oracle_follow(struct world *world, uint32_t number)
{
	struct oracle_shard *shard = &world->oracle.shards[number];
	uint64_t first_lsn = log_history_first_lsn(world->process.histories[number]);
	struct store_status status;
	struct event_buffer event;

	if (sim_disk_cut_due())
		return;
	if (first_lsn > shard->first_lsn && first_lsn > 1)
		world->counts.logs_retired++;
	shard->first_lsn = first_lsn;
	if (first_lsn > shard->audited + 1)
		world_violation(world, "retention",
		    "shard %u: the log begins at LSN %llu, and what lies behind %llu was never "
		    "durable before",
		    number, (unsigned long long)first_lsn, (unsigned long long)shard->audited);
	store_status(world->process.stores[number], &status);
	if (shard->audited >= status.committed_lsn)
		return;
	sim_disk_look(1);
	while (shard->audited < status.committed_lsn) {
		size_t length = event_get(world, number, shard->audited + 1, &event);

		event_take(world, number, shard->audited + 1, &event, length);
	}
	sim_disk_look(0);
}

void oracle_audit(struct world *world, int recovered, int whole)
{
	for (uint32_t i = 0; i < world->plan.shards; i++) {
		struct oracle_shard *shard = &world->oracle.shards[i];
		struct store_status status;

		store_status(world->process.stores[i], &status);
		if (status.committed_lsn < shard->audited)
			world_violation(world, world->damaged ? "damage-missed" : "ack-lost",
			    "shard %u: the log ends at LSN %llu, it was durable up to %llu", i,
			    (unsigned long long)status.committed_lsn,
			    (unsigned long long)shard->audited);
		if (whole)
			for (uint64_t lsn = log_history_first_lsn(world->process.histories[i]);
			     lsn <= shard->audited; lsn += 1 + sim_below(24))
				event_again(world, i, lsn);
		else if (shard->audited != 0)
			event_again(world, i, shard->audited);
		oracle_follow(world, i);
		trace_note(TRACE_AUDIT, i, shard->audited, 0, 0);
	}
	for (uint32_t i = 0; i < WORLD_TERMINALS; i++)
		for (uint32_t id = 1; id < world->terminals[i].next_id; id++)
			answer_check(
			    world, &world->terminals[i], &world->terminals[i].ops[id], recovered);
	reads_check(world, recovered);
}
