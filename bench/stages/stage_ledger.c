/* SPDX-License-Identifier: Apache-2.0 */
/* Request window, decide, apply, state hash, risk. */
#include <stdlib.h>
#include <string.h>

#include "bench/stages/bets.h"
#include "bench/stages/stages.h"
#include "dataplane/risk/risk.h"
#include "dataplane/risk/risk_factors.h"
#include "dataplane/risk/risk_state.h"
#include "dataplane/session/window.h"

#define ACCOUNTS  10000ull
#define BALANCE   1000000000000
#define BETS_ROOM (1u << 18)
/* Bets of one run of a stage over a batch: what a group commit of 16 KiB holds. */
#define BATCH_BURSTS 3
#define BETS_REBUILD (BETS_ROOM - 64 * LIMIT_BURST)

struct ledger_context {
	struct bets bets;
	uint64_t time_ns, placed;
	unsigned at; /* in the burst */
	struct event_buffer event;
	int length;
	int decided; /* event holds a decision that is not applied yet */
	int factors; /* rules with the factors of the risk states */
};

static void ledger_make(struct ledger_context *context)
{
	context->bets.ledger = bets_ledger_create(ACCOUNTS, BETS_ROOM, BALANCE, 1);
	SLUICE_REQUIRE(context->bets.ledger != NULL);
	if (context->factors)
		bets_factors_set(context->bets.ledger, 0);
	context->time_ns = BETS_START;
	context->at = LIMIT_BURST;
	context->placed = 0;
	context->decided = 0;
}

static void *context_make(int factors)
{
	struct ledger_context *context = stages_alloc(sizeof(*context));

	context->factors = factors;
	context->bets.accounts = ACCOUNTS;
	context->bets.random = STAGES_SEED;
	ledger_make(context);
	return context;
}

static void *create_ledger(const char *directory)
{
	(void)directory;
	return context_make(0);
}

static void *create_factors(const char *directory)
{
	(void)directory;
	return context_make(1);
}

static void finish_ledger(void *opaque)
{
	struct ledger_context *context = opaque;

	ledger_free(context->bets.ledger);
	free(context);
}

/* A ledger full of open bets is begun anew. */
static void room_keep(struct ledger_context *context)
{
	if (context->placed < BETS_REBUILD)
		return;
	ledger_free(context->bets.ledger);
	ledger_make(context);
}

static uint64_t terminal_of(const struct ledger_context *context, unsigned i)
{
	return context->bets.wires[i].request_id % STAGES_TERMINALS + 1;
}

/* As the worker does it for its burst. */
static void burst_prefetch(const struct ledger_context *context)
{
	for (unsigned i = 0; i < LIMIT_BURST; i++)
		ledger_prefetch_begin(
		    context->bets.ledger, &context->bets.wires[i], terminal_of(context, i));
	for (unsigned i = 0; i < LIMIT_BURST; i++) {
		ledger_prefetch(context->bets.ledger, &context->bets.wires[i]);
		ledger_prefetch_terminal(context->bets.ledger, terminal_of(context, i));
	}
}

static inline void decide_next(struct ledger_context *context)
{
	unsigned i = context->at;
	struct ledger_request request = { .wire = &context->bets.wires[i],
		.terminal_id = terminal_of(context, i) };

	context->length =
	    ledger_decide(context->bets.ledger, &request, context->time_ns, &context->event);
	SLUICE_REQUIRE(context->length > 0);
	context->at++;
	context->placed++;
	context->decided = 1;
}

static inline void apply_decided(struct ledger_context *context)
{
	SLUICE_REQUIRE(ledger_apply_own(context->bets.ledger, context->event.bytes,
	                   (size_t)context->length) == 0);
	context->decided = 0;
}

/* The next burst, its rows fetched as the worker does it; the hash of a batch now and then. */
static void burst_next(struct ledger_context *context)
{
	room_keep(context);
	if (context->placed % (BATCH_BURSTS * LIMIT_BURST) == 0)
		(void)ledger_state_hash(context->bets.ledger);
	context->time_ns += 1000;
	bets_burst_make(&context->bets);
	burst_prefetch(context);
	context->at = 0;
}

static void prepare_decide(void *opaque)
{
	struct ledger_context *context = opaque;

	if (context->decided)
		apply_decided(context);
	if (context->at == LIMIT_BURST)
		burst_next(context);
}

static void prepare_apply(void *opaque)
{
	struct ledger_context *context = opaque;

	if (context->at == LIMIT_BURST)
		burst_next(context);
	decide_next(context);
}

STAGE_RUN(decide)
{
	decide_next(opaque);
}

STAGE_RUN(apply)
{
	apply_decided(opaque);
}

STAGE_RUN(decide_factors)
{
	decide_next(opaque);
}

STAGE_RUN(apply_factors)
{
	apply_decided(opaque);
}

static void prepare_bet(void *opaque)
{
	struct ledger_context *context = opaque;

	room_keep(context);
	if (context->placed % (BATCH_BURSTS * LIMIT_BURST) == 0)
		(void)ledger_state_hash(context->bets.ledger);
	context->time_ns += 1000;
	bets_burst_make(&context->bets);
}

static inline void burst_place(struct ledger_context *context)
{
	burst_prefetch(context);
	context->at = 0;
	while (context->at < LIMIT_BURST) {
		decide_next(context);
		apply_decided(context);
	}
}

STAGE_RUN(bet)
{
	burst_place(opaque);
}

STAGE_RUN(bet_factors)
{
	burst_place(opaque);
}

static void prepare_hash(void *opaque)
{
	struct ledger_context *context = opaque;

	for (unsigned i = 0; i < BATCH_BURSTS; i++) {
		room_keep(context);
		context->time_ns += 1000;
		bets_burst_make(&context->bets);
		burst_place(context);
	}
}

STAGE_RUN(state_hash)
{
	struct ledger_context *context = opaque;

	stages_keep(ledger_state_hash(context->bets.ledger));
}

STAGE_RUN(state_hash_factors)
{
	struct ledger_context *context = opaque;

	stages_keep(ledger_state_hash(context->bets.ledger));
}

/* ---- request window ---- */

struct window_context {
	struct terminal_window *windows; /* STAGES_TERMINALS */
	uint64_t random, lsn;
	uint64_t *next_id;
	uint32_t terminal[LIMIT_BURST];
	struct wire_request requests[LIMIT_BURST];
	struct window_outcome outcomes[LIMIT_BURST];
};

static void *create_window(const char *directory)
{
	struct window_context *context = stages_alloc(sizeof(*context));

	(void)directory;
	context->windows = stages_alloc(STAGES_TERMINALS * sizeof(*context->windows));
	context->next_id = stages_alloc(STAGES_TERMINALS * sizeof(*context->next_id));
	context->random = STAGES_SEED;
	for (uint32_t i = 0; i < STAGES_TERMINALS; i++)
		window_init(&context->windows[i], i + 1);
	return context;
}

static void finish_window(void *opaque)
{
	struct window_context *context = opaque;

	free(context->windows);
	free(context->next_id);
	free(context);
}

static void prepare_window(void *opaque)
{
	struct window_context *context = opaque;

	for (unsigned i = 0; i < LIMIT_BURST; i++) {
		uint64_t number = stages_random(&context->random);
		uint32_t terminal = (uint32_t)(number % STAGES_TERMINALS);
		uint64_t id = ++context->next_id[terminal];

		context->terminal[i] = terminal;
		context->requests[i] = (struct wire_request){ .request_id = id,
			.template_id = WIRE_PLACE_BET,
			.body_hash = { number, ~number } };
		context->outcomes[i] = (struct window_outcome){ .request_id = id,
			.body_hash = { number, ~number },
			.lsn = ++context->lsn,
			.template_id = WIRE_PLACE_BET };
	}
}

STAGE_RUN(window)
{
	struct window_context *context = opaque;
	const struct window_entry *entry;

	for (unsigned i = 0; i < LIMIT_BURST; i++)
		window_prefetch(
		    &context->windows[context->terminal[i]], context->requests[i].request_id);
	for (unsigned i = 0; i < LIMIT_BURST; i++)
		SLUICE_REQUIRE(window_admit(&context->windows[context->terminal[i]],
		                   &context->requests[i], &entry) == WINDOW_ADMITTED);
	for (unsigned i = 0; i < LIMIT_BURST; i++)
		window_complete(&context->windows[context->terminal[i]], &context->outcomes[i]);
}

/* ---- risk ---- */

struct risk_context {
	struct risk_rules rules;
	struct risk_factor_rules factor_rules;
	struct risk_profile profile;
	struct risk_input input;
	struct risk_account_state account;
	struct risk_terminal_state terminal;
	struct risk_transaction transaction;
	uint64_t random;
};

static void risk_step(struct risk_context *context)
{
	uint64_t number = stages_random(&context->random);
	int64_t stake = (int64_t)(number % 100000) + 100;

	risk_profile_bet(&context->profile, context->input.time_ns, stake, 0);
	context->input =
	    (struct risk_input){ .time_ns = context->input.time_ns + number % 3600000000000ull,
		    .stake = stake,
		    .payout = 2 * stake,
		    .odds_product = 2000,
		    .currency = context->rules.currency };
	context->transaction = (struct risk_transaction){ .time_ns = context->input.time_ns,
		.amount = stake,
		.terminal_id = number % 8 + 1,
		.selection_id = number >> 60,
		.kind = RISK_KIND_STAKE,
		.utc_offset_s = context->rules.utc_offset_s };
}

static void *create_risk(const char *directory)
{
	struct risk_context *context = stages_alloc(sizeof(*context));

	(void)directory;
	risk_rules_default(&context->rules);
	risk_factor_rules_default(&context->factor_rules);
	risk_profile_init(&context->profile, BETS_START);
	risk_account_init(&context->account, BETS_START);
	risk_terminal_init(&context->terminal, BETS_START);
	context->random = STAGES_SEED;
	context->input.time_ns = BETS_START;
	for (unsigned i = 0; i < 1000; i++) {
		risk_step(context);
		risk_account_observe(&context->account, &context->transaction);
		risk_terminal_observe(&context->terminal, &context->transaction, 1);
	}
	return context;
}

static void prepare_risk(void *opaque)
{
	risk_step(opaque);
}

STAGE_RUN(risk)
{
	struct risk_context *context = opaque;
	struct risk_result result;

	risk_evaluate(&context->rules, &context->profile, &context->input, &result);
	stages_keep(result.score);
}

STAGE_RUN(risk_states)
{
	struct risk_context *context = opaque;
	struct risk_view view;
	struct risk_state_result result;

	risk_view_make(&view, &context->account, &context->terminal, &context->transaction, 1);
	risk_factors_evaluate(&context->factor_rules, &view, 0, &result);
	stages_keep(result.points);
}

STAGE_RUN(risk_observe)
{
	struct risk_context *context = opaque;

	risk_account_observe(&context->account, &context->transaction);
	risk_terminal_observe(&context->terminal, &context->transaction, 1);
}

/* clang-format off */
const struct stage stages_ledger[] = {
	{ "window", "bet", "request window: admitted, completed; bursts of 32",
	    create_window, prepare_window, stage_run_window, finish_window,
	    LIMIT_BURST, 0, 0, 0, 0 },
	{ "risk", "bet", "risk_evaluate: the factors of the account's profile",
	    create_risk, prepare_risk, stage_run_risk, free, 1, 0, 0, 0, 0 },
	{ "risk_states", "bet", "view and factors of the states of account and terminal",
	    create_risk, prepare_risk, stage_run_risk_states, free, 1, 0, 0, 0, 0 },
	{ "risk_observe", "bet", "one bet folded into both states",
	    create_risk, prepare_risk, stage_run_risk_observe, free, 1, 0, 0, 0, 0 },
	{ "decide", "bet", "ledger_decide, rows fetched before; 10,000 accounts, risk included",
	    create_ledger, prepare_decide, stage_run_decide, finish_ledger, 1, 0, 0, 0, 0 },
	{ "apply", "bet", "ledger_apply_own of its event",
	    create_ledger, prepare_apply, stage_run_apply, finish_ledger, 1, 0, 0, 0, 0 },
	{ "bet", "bet", "fetched, decided, applied in bursts of 32 as the worker does it",
	    create_ledger, prepare_bet, stage_run_bet, finish_ledger,
	    LIMIT_BURST, 0, 0, 0, 0 },
	{ "decide_factors", "bet", "decide with rules that look at the risk states too",
	    create_factors, prepare_decide, stage_run_decide_factors, finish_ledger,
	    1, 0, 0, 0, 0 },
	{ "apply_factors", "bet", "apply with them: both states learn",
	    create_factors, prepare_apply, stage_run_apply_factors, finish_ledger, 1, 0, 0, 0, 0 },
	{ "bet_factors", "bet", "fetched, decided, applied with them",
	    create_factors, prepare_bet, stage_run_bet_factors, finish_ledger,
	    LIMIT_BURST, 0, 0, 0, 0 },
	{ "state_hash_factors", "bet", "state hash with them",
	    create_factors, prepare_hash, stage_run_state_hash_factors, finish_ledger,
	    BATCH_BURSTS * LIMIT_BURST, 0, 0, 0, 0 },
	{ "state_hash", "bet", "state hash at the end of a batch of 96 bets",
	    create_ledger, prepare_hash, stage_run_state_hash, finish_ledger,
	    BATCH_BURSTS * LIMIT_BURST, 0, 0, 0, 0 },
};
/* clang-format on */
const unsigned stages_ledger_count = SLUICE_ARRAY_COUNT(stages_ledger);
