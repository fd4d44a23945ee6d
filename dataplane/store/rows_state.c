/* SPDX-License-Identifier: Apache-2.0 */
/* Risk states between host order and records. */
#include "dataplane/store/rows.h"

/* Fields of one type, each encoded and decoded alike. */
#define ACCOUNT_64(X)                                                                              \
	X(sum_24h)                                                                                 \
	X(sum_7d)                                                                                  \
	X(sum_30d) X(amount_mean) X(amount_spread) X(received_amount) X(staked_since) X(sources)
#define ACCOUNT_32(X)                                                                              \
	X(updated_s)                                                                               \
	X(first_s) X(observations) X(high_7d) X(in_updated_s) X(in_24h) X(in_7d) X(in_30d)

#define MAKE_64(field) record->field = le64_make(state->field);
#define READ_64(field) state->field = le64_get(record->field);
#define MAKE_32(field) record->field = le32_make(state->field);
#define READ_32(field) state->field = le32_get(record->field);

static void parties_make(struct record_parties *record, const struct risk_parties *state)
{
	record->seen[0] = le64_make(state->seen[0]);
	record->seen[1] = le64_make(state->seen[1]);
	for (unsigned i = 0; i < RISK_TAGS; i++)
		record->tags[i] = le16_make(state->tags[i]);
	record->week = le32_make(state->week);
	record->repeats = le16_make(state->repeats);
	record->again = le16_make(state->again);
}

static void parties_read(const struct record_parties *record, struct risk_parties *state)
{
	state->seen[0] = le64_get(record->seen[0]);
	state->seen[1] = le64_get(record->seen[1]);
	for (unsigned i = 0; i < RISK_TAGS; i++)
		state->tags[i] = le16_get(record->tags[i]);
	state->week = le32_get(record->week);
	state->repeats = le16_get(record->repeats);
	state->again = le16_get(record->again);
}

static void selection_make(
    struct record_selection_run *record, const struct risk_selection_run *state)
{
	record->begin_s = le32_make(state->begin_s);
	record->tag = le16_make(state->tag);
	record->count = state->count;
	record->sides = state->sides;
}

static void selection_read(
    const struct record_selection_run *record, struct risk_selection_run *state)
{
	state->begin_s = le32_get(record->begin_s);
	state->tag = le16_get(record->tag);
	state->count = record->count;
	state->sides = record->sides;
}

void rows_account_state_make(
    struct record_account_state *record, const struct risk_account_state *state)
{
	memset(record, 0, sizeof(*record));
	ACCOUNT_64(MAKE_64)
	ACCOUNT_32(MAKE_32)
	for (unsigned i = 0; i < RISK_WINDOWS; i++)
		record->counts[i] = le32_make(state->counts[i]);
	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(record->source_tags); i++)
		record->source_tags[i] = le16_make(state->source_tags[i]);
	record->near_s[0] = le32_make(state->near_s[0]);
	record->near_s[1] = le32_make(state->near_s[1]);
	record->source_again = state->source_again;
	record->amount_last = le16_make(state->amount_last);
	record->ladder = state->ladder;
	record->moved_high = state->moved_high;
	record->moved_low = state->moved_low;
	record->span_hour = state->span_hour;
	memcpy(record->hours, state->hours, sizeof(record->hours));
	memcpy(record->days, state->days, sizeof(record->days));
	parties_make(&record->parties, &state->parties);
	risk_feedback_encode(&state->feedback, &record->feedback);
	selection_make(&record->selection, &state->selection);
}

void rows_account_state_read(
    const struct record_account_state *record, struct risk_account_state *state)
{
	memset(state, 0, sizeof(*state)); /* hashed as bytes */
	ACCOUNT_64(READ_64)
	ACCOUNT_32(READ_32)
	for (unsigned i = 0; i < RISK_WINDOWS; i++)
		state->counts[i] = le32_get(record->counts[i]);
	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(record->source_tags); i++)
		state->source_tags[i] = le16_get(record->source_tags[i]);
	state->near_s[0] = le32_get(record->near_s[0]);
	state->near_s[1] = le32_get(record->near_s[1]);
	state->source_again = record->source_again;
	state->amount_last = le16_get(record->amount_last);
	state->ladder = record->ladder;
	state->moved_high = record->moved_high;
	state->moved_low = record->moved_low;
	state->span_hour = record->span_hour;
	memcpy(state->hours, record->hours, sizeof(state->hours));
	memcpy(state->days, record->days, sizeof(state->days));
	parties_read(&record->parties, &state->parties);
	risk_feedback_decode(&record->feedback, &state->feedback);
	selection_read(&record->selection, &state->selection);
}

#define TERMINAL_32(X) X(updated_s) X(first_s) X(observations)

void rows_terminal_state_make(
    struct record_terminal_state *record, const struct risk_terminal_state *state)
{
	memset(record, 0, sizeof(*record));
	MAKE_64(amount_mean)
	MAKE_64(amount_spread)
	TERMINAL_32(MAKE_32)
	for (unsigned i = 0; i < RISK_WINDOWS; i++)
		record->counts[i] = le32_make(state->counts[i]);
	parties_make(&record->parties, &state->parties);
	risk_feedback_encode(&state->feedback, &record->feedback);
	selection_make(&record->selection, &state->selection);
}

void rows_terminal_state_read(
    const struct record_terminal_state *record, struct risk_terminal_state *state)
{
	memset(state, 0, sizeof(*state));
	READ_64(amount_mean)
	READ_64(amount_spread)
	TERMINAL_32(READ_32)
	for (unsigned i = 0; i < RISK_WINDOWS; i++)
		state->counts[i] = le32_get(record->counts[i]);
	parties_read(&record->parties, &state->parties);
	risk_feedback_decode(&record->feedback, &state->feedback);
	selection_read(&record->selection, &state->selection);
}
