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

static void watch(struct shards *shards, uint32_t shard, const struct event_view *view)
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
	shards_check(shards, shard);
	shards_check_between(shards);
}

/* ---- Commands ---- */

static void rules_set(struct shards_stream *stream)
{
	struct ledger_command command = { .type = EVENT_RULES_SET };
	struct risk_rules *rules = &command.rules;

	risk_rules_default(rules);
	rules->version = ledger_shard(stream->shards->ledger[0])->rules.version + 1;
	rules->refuse_score = 101;
	rules->stake_single_max = 100000;
	rules->stake_daily_max = LIMIT_BALANCE_MAX;
	rules->payout_max = LIMIT_PAYOUT_MAX;
	rules->withdraw_pending_min = 8000;
	rules->withdraw_timeout_s = 7200;
	rules->result_final_s = 40000;
	rules->ticket_expiry_s = 30000;
	rules->limit_raise_delay_s = 3600;
	rules->sprinkle_window_max_s = 3000;
	rules->exposure_selection_max = STREAM_SELECTION_MAX;
	rules->exposure_market_max = STREAM_MARKET_MAX;
	if (!(stream->options & STREAM_LIMITS_FIXED)) {
		rules->exposure_selection_max = (int64_t)pick(stream, 4) * 20000;
		rules->exposure_market_max = (int64_t)pick(stream, 4) * 40001;
	}
	/* Not all shards hear of it, when a process stops in between. */
	for (uint32_t shard = 0; shard < SHARDS; shard++) {
		command.rules.version =
		    ledger_shard(stream->shards->ledger[shard])->rules.version + 1;
		assert_true(shards_command_on(stream->shards, shard, &command) > 0);
	}
}

static void market_set(struct shards_stream *stream, uint64_t id)
{
	struct ledger_command command = fixture_market_command(id, 100 + id / 2, ++stream->version,
	    pick(stream, 6) ? MARKET_OPEN : MARKET_SUSPENDED,
	    stream->shards->time_ns + (pick(stream, 8) ? 3 * DAY : HOUR));

	command.market.odds[2] = le32_make(9000);
	(void)shards_command(stream->shards, &command);
}

static void result_set(struct shards_stream *stream)
{
	uint64_t id = pick(stream, 4) ? stream->market_first + pick(stream, 4)
	                              : 1 + pick(stream, stream->market_last);
	struct ledger_command command = { .type = EVENT_MARKET_RESULT, .market_id = id };
	struct settlement_outcomes outcomes = { 0 };
	struct settlement_outcomes_disk disk;

	command.result.selection_count = STREAM_SELECTIONS;
	command.result.version = le64_make(++stream->version);
	command.result.op = RESULT_SET;
	if (!(stream->options & STREAM_LIMITS_FIXED) && pick(stream, 3) == 0)
		command.result.op = RESULT_ROLLBACK;
	else if (pick(stream, 12) == 0)
		command.result.op = RESULT_FINAL;
	if (command.result.op == RESULT_SET) {
		for (unsigned i = 0; i < STREAM_SELECTIONS; i++)
			outcomes.of[i].kind =
			    (uint8_t)(SETTLEMENT_WIN + pick(stream, SETTLEMENT_HALF_LOSE));
		if (pick(stream, 5) == 0)
			outcomes.of[0] = (struct settlement_outcome){ SETTLEMENT_DEAD_HEAT, 1, 2 };
		settlement_outcomes_write(&outcomes, STREAM_SELECTIONS, &disk);
		memcpy(command.result.outcomes, &disk, sizeof(disk));
	}
	if (command.result.op == RESULT_FINAL)
		command.result.version = le64_make(0);
	(void)shards_command(stream->shards, &command);
}

static void partner_set(struct shards_stream *stream, uint32_t partner_id)
{
	struct ledger_command command = { .type = EVENT_PARTNER_SET, .object_id = partner_id };

	command.partner.version = le64_make(++stream->partner_version);
	command.partner.exposure_max = le64s_make(STREAM_PARTNER_MAX);
	if (!(stream->options & STREAM_LIMITS_FIXED))
		command.partner.exposure_max = le64s_make((int64_t)pick(stream, 4) * 50003);
	command.partner.keys_max = le32_make(40);
	command.partner.currency = le16_make(KRW);
	command.partner.blocked = (uint8_t)(stream->asked_count > 0 && pick(stream, 12) == 0);
	(void)shards_command(stream->shards, &command);
}

static void account_command(struct shards_stream *stream)
{
	struct ledger_command command = { .account_id = 1 + pick(stream, STREAM_ACCOUNTS) };

	switch (pick(stream, 4)) {
	case 0:
		command.type = EVENT_ACCOUNT_FREEZE;
		command.flags = pick(stream, 3) ? 0 : EVENT_FLAG_FROZEN;
		break;
	case 1:
		command.type = EVENT_PLAY_SET;
		memset(&command.play, 0, sizeof(command.play));
		command.play.account_id = le64_make(command.account_id);
		for (unsigned i = 0; i < PLAY_LIMITS; i++)
			command.play.active[i] =
			    le64s_make(pick(stream, 2) ? -1 : (int64_t)pick(stream, 300000));
		memcpy(command.play.wanted, command.play.active, sizeof(command.play.wanted));
		break;
	default:
		command.type = EVENT_ADJUST;
		command.amount = (int64_t)pick(stream, 60000) - 20000;
		command.reason = 3;
		command.control_sequence = ++stream->control_sequence;
		break;
	}
	(void)shards_command(stream->shards, &command);
}

static void other_command(struct shards_stream *stream)
{
	struct ledger_command command = { 0 };

	switch (pick(stream, 5)) {
	case 0:
		command.type = EVENT_WITHDRAW_CLOSE;
		command.object_id = stream_id(stream, &stream->withdrawals);
		command.flags = pick(stream, 2) ? EVENT_FLAG_PAID : 0;
		break;
	case 1:
		command.type = EVENT_BET_VOID;
		command.object_id = stream_id(stream, &stream->bets);
		command.reason = 2;
		break;
	case 2:
		command.type = EVENT_TERMINAL_SET;
		command.terminal_id = 1 + pick(stream, STREAM_TERMINALS);
		command.control_sequence = 1;
		command.terminal.version = le64_make(++stream->terminal_version);
		command.terminal.rights = le32_make(RIGHT_ALL);
		break;
	case 3:
		command.type = pick(stream, 2) ? EVENT_TICK : EVENT_COMMAND_MARK;
		for (uint32_t shard = 0; shard < SHARDS; shard++) {
			command.control_sequence =
			    ledger_shard(stream->shards->ledger[shard])->control_sequence + 1;
			(void)shards_command_on(stream->shards, shard, &command);
		}
		return;
	default:
		command.type = EVENT_WITHDRAW_CLOSE;
		command.object_id = stream_id(stream, &stream->withdrawals);
		command.flags = pick(stream, 2) ? EVENT_FLAG_PAID : 0;
		break;
	}
	(void)shards_command(stream->shards, &command);
}

static void command_step(struct shards_stream *stream)
{
	switch (pick(stream, 24)) {
	case 0:
		if (pick(stream, 3) == 0)
			rules_set(stream);
		break;
	case 1:
		if (pick(stream, 3) == 0)
			partner_set(stream, 1 + (uint32_t)pick(stream, STREAM_PARTNERS));
		break;
	case 2:
	case 3:
	case 4:
		result_set(stream);
		break;
	case 5:
		if (stream->market_last < STREAM_MARKETS) {
			stream->market_last++;
			if (stream->market_last - stream->market_first > 6)
				stream->market_first++;
		}
		market_set(stream, stream->market_last);
		break;
	case 6:
	case 7:
	case 8:
		market_set(stream, stream->market_first + pick(stream, 7));
		break;
	case 9:
	case 10:
	case 11:
	case 12:
		account_command(stream);
		break;
	default:
		other_command(stream);
		break;
	}
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

	assert_int_equal(
	    ledger_shortage(shards->ledger[receiver], wire, shards->time_ns, &shortage), 1);
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

/* Two or three requests of a shard are carried out, and undone: nothing has happened. */
static void group_step(struct shards_stream *stream)
{
	struct shards *shards = stream->shards;
	uint32_t shard = (uint32_t)pick(stream, SHARDS);
	struct ledger *ledger = shards->ledger[shard];
	uint64_t hash = ledger_state_hash(ledger);

	ledger_group_begin(ledger);
	for (unsigned i = 0; i < 3; i++) {
		struct wire_request wire;
		struct ledger_request request = { .wire = &wire, .linked = i < 2 };
		struct event_buffer event;
		int length;

		request.terminal_id = stream_request_make(stream, &wire);
		wire.request_id = shards->request_id[request.terminal_id] + 1;
		if (shards_of_request(shards, &wire, request.terminal_id) != shard)
			continue;
		length = ledger_decide(ledger, &request, shards->time_ns, &event);
		assert_true(length > 0);
		assert_int_equal(ledger_apply(ledger, event.bytes, (size_t)length), 0);
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
		command_step(stream);
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

static void accounts_make(struct shards_stream *stream)
{
	struct shards *shards = stream->shards;

	for (uint64_t id = 1; id <= STREAM_ACCOUNTS; id++) {
		struct wire_request wire = { .template_id = WIRE_OPEN_ACCOUNT,
			.open_account = { .account_id = id,
			    .deadline_ns = NO_DEADLINE,
			    .currency = stream_currency(id),
			    .partner_id = stream_partner(id) } };
		struct ledger_command money = { .type = EVENT_ADJUST,
			.account_id = id,
			.amount = 1000 + (int64_t)pick(stream, 100000),
			.control_sequence = ++stream->control_sequence };

		if (id % 8 == 3)
			continue; /* opened later, or never */
		assert_int_equal(shards_code(shards, &wire, 1), WIRE_CODE_OK);
		assert_true(shards_command(shards, &money) > 0);
	}
}

struct shards_stream *shards_stream_new(struct shards *shards, unsigned options)
{
	struct shards_stream *stream = calloc(1, sizeof(*stream));

	assert_non_null(stream);
	stream->shards = shards;
	stream->options = options;
	shards->watch = watch;
	shards->watch_data = stream;
	for (uint32_t partner = 1; partner <= STREAM_PARTNERS; partner++)
		partner_set(stream, partner);
	rules_set(stream);
	stream->market_first = 1;
	for (stream->market_last = 0; stream->market_last < 6;)
		market_set(stream, ++stream->market_last);
	accounts_make(stream);
	for (uint32_t shard = 0; shard < SHARDS; shard++)
		shards_sync(shards, shard);
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
