/* SPDX-License-Identifier: Apache-2.0 */
/* One step of a random stream: a request, a command, time, something that arrives, or a crash. */
#include "tests/ledger/shards_stream.h"

#include <errno.h>

static uint64_t pick(struct shards_stream *stream, uint64_t bound)
{
	return shards_pick(stream->shards, bound);
}

static void note(struct stream_ids *ids, uint64_t id)
{
	ids->ids[ids->count++ % STREAM_KEPT] = id;
}

/* ---- What every event must leave behind ---- */

static int64_t base_of(uint32_t shard, int64_t limit)
{
	return limit / SHARDS + (shard < limit % SHARDS);
}

/* A bet was accepted: its shard has the credit for it, by an addition of our own. */
static void check_credit(
    struct shards_stream *stream, uint32_t shard, const struct event_view *view)
{
	const struct ledger *ledger = stream->shards->ledger[shard];
	const struct risk_rules *rules = &ledger_shard(ledger)->rules;
	struct bet_row bet;

	assert_int_equal(ledger_bet(ledger, le64_get(view->record.object_id), &bet), 0);
	if (bet.currency != rules->currency)
		return;
	for (unsigned i = 0; i < bet.leg_count; i++) {
		const struct market_row_state *market =
		    ledger_market(ledger, bet.legs[i].market_id);
		int selection = bet.legs[i].selection;

		if (rules->exposure_selection_max > 0)
			assert_true(ledger_market_exposure(ledger, market->id, selection) <=
			            base_of(shard, rules->exposure_selection_max) +
			                market->credit_moved[selection]);
		if (rules->exposure_market_max > 0)
			assert_true(ledger_market_exposure(ledger, market->id, -1) <=
			            base_of(shard, rules->exposure_market_max) +
			                market->credit_moved_market);
	}
	if (stream->options & STREAM_LIMITS_FIXED) {
		shards_check_exposure(stream->shards, STREAM_SELECTION_MAX, STREAM_MARKET_MAX);
		for (uint32_t partner = 1; partner <= STREAM_PARTNERS; partner++)
			shards_check_partner(stream->shards, partner, STREAM_PARTNER_MAX);
	}
}

static void walks_begin_anew(struct shards_stream *stream, uint32_t shard)
{
	memset(stream->walks[shard], 0, sizeof(stream->walks[shard]));
}

void shards_stream_note(struct shards *shards, uint32_t shard, const struct event_view *view)
{
	struct shards_stream *stream = shards->watch_data;
	uint16_t type = le16_get(view->record.type), code = le16_get(view->record.code);

	if (type == EVENT_PLACE_BET && code == WIRE_CODE_OK) {
		note(&stream->bets, le64_get(view->record.object_id));
		check_credit(stream, shard, view);
	}
	if (type == EVENT_SPRINKLE_CREATE && code == WIRE_CODE_OK)
		note(&stream->tokens, le64_get(view->record.object_id));
	if (type == EVENT_WITHDRAW && code == WIRE_CODE_PENDING)
		note(&stream->withdrawals, le64_get(view->record.object_id));
	if (type == EVENT_MARKET_RESULT)
		walks_begin_anew(stream, shard);
}

static void watch(struct shards *shards, uint32_t shard, const struct event_view *view)
{
	shards_stream_note(shards, shard, view);
	shards_check(shards, shard);
	shards_check_between(shards);
}

/* ---- Requests ---- */

static void asked_note(struct shards_stream *stream, uint64_t terminal_id, uint32_t shard)
{
	struct shards *shards = stream->shards;

	stream->asked[stream->asked_count++ % STREAM_KEPT] = (struct stream_asked){
		.terminal_id = terminal_id,
		.request_id = shards->request_id[terminal_id],
		.lsn = ledger_shard(shards->ledger[shard])->lsn,
		.shard = shard,
	};
}

/* A bet lacked credit: another shard gives some. */
static void lease(struct shards_stream *stream, const struct wire_request *wire, uint32_t receiver)
{
	struct shards *shards = stream->shards;
	uint32_t donor = (receiver + 1 + (uint32_t)pick(stream, SHARDS - 1)) % SHARDS;
	struct ledger_shortage shortage;
	struct event_buffer event;
	int length;

	/* Above a whole limit: no credit of others could help. */
	if (ledger_shortage(shards->ledger[receiver], wire, shards->time_ns, &shortage) == 0)
		return;
	assert_true(shortage.amount > 0);
	length = ledger_decide_lease(
	    shards->ledger[donor], &shortage, receiver, shards->time_ns, &event);
	assert_true(length >= 0);
	if (length > 0)
		shards_take(shards, donor, &event, (size_t)length);
}

static void request_step(struct shards_stream *stream)
{
	struct shards *shards = stream->shards;
	struct wire_request wire;
	uint64_t terminal_id = stream_request_make(stream, &wire);
	uint32_t shard = shards_of_request(shards, &wire, terminal_id);
	struct event_buffer event;
	uint16_t code;
	int length = shards_request(shards, &wire, terminal_id, &event);

	assert_true(length > 0);
	asked_note(stream, terminal_id, shard);
	code = fixture_code(&event);
	if (code == WIRE_CODE_EXPOSURE_SELECTION || code == WIRE_CODE_EXPOSURE_MARKET ||
	    code == WIRE_CODE_EXPOSURE_PARTNER)
		lease(stream, &wire, shard);
}

static void reverse_step(struct shards_stream *stream)
{
	struct shards *shards = stream->shards;
	unsigned known = stream->asked_count < STREAM_KEPT ? stream->asked_count : STREAM_KEPT;
	struct wire_request wire = { .template_id = WIRE_REVERSE };
	const struct stream_asked *target;
	struct event_record record;
	struct event_buffer event;

	if (known == 0)
		return;
	target = &stream->asked[pick(stream, known)];
	if (target->lsn > ledger_shard(shards->ledger[target->shard])->lsn)
		return; /* lost in a crash */
	record = shards_record(shards, target->shard, target->lsn);
	if (le64_get(record.terminal_id) != target->terminal_id ||
	    le64_get(record.request_id) != target->request_id)
		return;
	wire.reverse.target_request_id = target->request_id;
	wire.reverse.deadline_ns = NO_DEADLINE;
	shards->asked.reverse_target = &record;
	assert_true(
	    shards_request_on(shards, target->shard, &wire, target->terminal_id, &event) > 0);
	shards->asked.reverse_target = NULL;
}

/* Up to three requests of a shard, all or none: what is undone has never happened. */
static void group_step(struct shards_stream *stream)
{
	struct shards *shards = stream->shards;
	uint32_t shard = (uint32_t)pick(stream, SHARDS);
	struct ledger *ledger = shards->ledger[shard];
	uint64_t hash = ledger_state_hash(ledger);
	struct event_buffer events[3];
	size_t lengths[3];
	unsigned count = 0, refused = 0;

	ledger_group_begin(ledger);
	for (unsigned i = 0; i < 12 && count < 3; i++) {
		struct wire_request wire;
		struct ledger_request request = { .wire = &wire, .linked = count < 2 };
		int length;

		request.terminal_id = stream_request_make(stream, &wire);
		if (shards_of_request(shards, &wire, request.terminal_id) != shard)
			continue;
		wire.request_id = ++shards->request_id[request.terminal_id];
		length = ledger_decide(ledger, &request, shards->time_ns, &events[count]);
		assert_true(length > 0);
		lengths[count] = (size_t)length;
		refused += wire_code_class(fixture_code(&events[count])) != WIRE_CLASS_DONE;
		assert_int_equal(ledger_apply(ledger, events[count++].bytes, (size_t)length), 0);
	}
	if (refused <= 1 && count == 3) {
		ledger_group_commit(ledger);
		shards_take_group(shards, shard, events, lengths, count);
		return;
	}
	ledger_group_undo(ledger);
	assert_true(ledger_state_hash(ledger) == hash);
	shards_check(shards, shard);
}

/* ---- Time, and what is on its way ---- */

static void walk_step(struct shards_stream *stream, unsigned events)
{
	struct shards *shards = stream->shards;
	uint32_t shard = (uint32_t)pick(stream, SHARDS), row = 0;
	struct ledger *ledger = shards->ledger[shard];
	const struct market_row_state *market = ledger_walk_due(ledger, &row);
	struct event_buffer event;

	if (market == NULL)
		return;
	while (events-- > 0) {
		struct ledger_walk *walk = &stream->walks[shard][market->id];
		int length;

		walk->market_id = market->id;
		length = ledger_walk_next(ledger, walk, 3, shards->time_ns, &event);
		if (length == -EAGAIN)
			continue;
		if (length == 0) {
			length = ledger_decide_walked(ledger, walk, shards->time_ns, &event);
			assert_true(length > 0);
			shards_take(shards, shard, &event, (size_t)length);
			return;
		}
		assert_true(length > 0);
		shards_take(shards, shard, &event, (size_t)length);
	}
}

static void crash(struct shards_stream *stream)
{
	shards_crash(stream->shards);
	for (uint32_t shard = 0; shard < SHARDS; shard++)
		walks_begin_anew(stream, shard);
	for (uint32_t shard = 0; shard < SHARDS; shard++)
		shards_check(stream->shards, shard);
	shards_check_between(stream->shards);
}

static void time_step(struct shards_stream *stream)
{
	uint64_t kind = pick(stream, 1600), bound = SECOND;

	if (kind == 0)
		bound = 20 * HOUR;
	else if (kind < 12)
		bound = 600 * SECOND;
	stream->shards->time_ns += pick(stream, bound);
}

void shards_stream_step(struct shards_stream *stream)
{
	struct shards *shards = stream->shards;

	time_step(stream);
	if (pick(stream, stream->options & STREAM_CRASHES ? 40 : 400) == 0)
		crash(stream);
	switch (pick(stream, 20)) {
	case 0:
	case 1:
		stream_command(stream);
		break;
	case 2:
		shards_sync(shards, (uint32_t)pick(stream, SHARDS));
		shards_sync(shards, (uint32_t)pick(stream, SHARDS));
		break;
	case 3:
	case 4:
	case 5:
	case 6:
		if (shards->on_way_count > 0)
			(void)shards_deliver(shards, (unsigned)pick(stream, shards->on_way_count),
			    pick(stream, 8) == 0);
		break;
	case 7:
		(void)shards_due(shards, (uint32_t)pick(stream, SHARDS), 4);
		break;
	case 8:
	case 9:
		walk_step(stream, 6);
		break;
	case 10:
		reverse_step(stream);
		break;
	case 11:
		if (pick(stream, 4) == 0)
			group_step(stream);
		break;
	default:
		request_step(stream);
		break;
	}
}

/* ---- Begin and end ---- */

struct shards_stream *shards_stream_new(struct shards *shards, unsigned options)
{
	struct shards_stream *stream = calloc(1, sizeof(*stream));

	assert_non_null(stream);
	stream->shards = shards;
	stream->options = options;
	shards->watch = watch;
	shards->watch_data = stream;
	stream_world_make(stream);
	return stream;
}

void shards_stream_free(struct shards_stream *stream)
{
	free(stream);
}

void shards_stream_finish(struct shards_stream *stream)
{
	struct shards *shards = stream->shards;

	shards_settle_all(shards);
	shards->time_ns += 2 * DAY;
	for (uint32_t shard = 0; shard < SHARDS; shard++) {
		static const uint16_t currencies[] = { KRW, 840 };
		uint32_t row = 0;

		(void)shards_due(shards, shard, 100000);
		if (!shards->busy)
			assert_int_equal(ledger_transfer_open(shards->ledger[shard], &row), 0);
		for (unsigned c = 0; c < 2; c++) {
			const struct account_row *pots = ledger_account(shards->ledger[shard],
			    ledger_system_account(SYSTEM_POTS, currencies[c], 0));

			assert_true(pots == NULL || pots->balance == 0);
		}
	}
	shards_settle_all(shards);
}
