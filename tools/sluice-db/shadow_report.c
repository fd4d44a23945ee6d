/* SPDX-License-Identifier: Apache-2.0 */
/* shadow: what would have been, beside what was. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/sluice-db/backup.h"
#include "tools/sluice-db/shadow.h"

#define SELECTIONS_SHOWN 20u

static const char *const change_names[SHADOW_CHANGES] = {
	[SHADOW_NEWLY_REFUSED] = "newly_refused",
	[SHADOW_NEWLY_ACCEPTED] = "newly_accepted",
	[SHADOW_OTHER_REFUSAL] = "other_refusal",
	[SHADOW_ALERT_NEW] = "alert_new",
	[SHADOW_ALERT_GONE] = "alert_gone",
};

static int is_accepted(uint16_t code)
{
	return code == WIRE_CODE_OK || code == WIRE_CODE_PENDING;
}

/* As control raises them: by the factor, or the refusal. */
static int is_alert(const struct shadow_outcome *outcome)
{
	return (outcome->factor_bits & RISK_BIT(ALERT)) != 0 ||
	       outcome->code == WIRE_CODE_RISK_SCORE;
}

static void side_count(struct shadow_side *side, const struct shadow_outcome *outcome,
    const struct wire_request *request)
{
	uint32_t bits = outcome->factor_bits;

	side->codes[outcome->code & (SHADOW_CODES - 1)]++;
	side->alerts += (uint64_t)is_alert(outcome);
	while (bits != 0) {
		side->factors[__builtin_ctz(bits)]++;
		bits &= bits - 1;
	}
	if (!is_accepted(outcome->code)) {
		side->refused++;
		return;
	}
	side->accepted++;
	if (request->template_id == WIRE_PLACE_BET) {
		side->stakes += request->place_bet.stake;
		side->payouts += outcome->payout;
	}
}

static void example_keep(
    struct shadow *shadow, enum shadow_change change, const struct shadow_example *example)
{
	shadow->changes[change]++;
	if (shadow->example_counts[change] >= shadow->examples_max)
		return;
	shadow->example_counts[change]++;
	shadow->examples[shadow->example_count] = *example;
	shadow->examples[shadow->example_count++].change = change;
}

static void changes_find(struct shadow *shadow, const struct shadow_example *example)
{
	const struct shadow_outcome *before = &example->before, *after = &example->after;
	int was = is_accepted(before->code), is = is_accepted(after->code);

	if (was && !is)
		example_keep(shadow, SHADOW_NEWLY_REFUSED, example);
	else if (!was && is)
		example_keep(shadow, SHADOW_NEWLY_ACCEPTED, example);
	else if (before->code != after->code)
		example_keep(shadow, SHADOW_OTHER_REFUSAL, example);
	if (!is_alert(before) && is_alert(after))
		example_keep(shadow, SHADOW_ALERT_NEW, example);
	else if (is_alert(before) && !is_alert(after))
		example_keep(shadow, SHADOW_ALERT_GONE, example);
}

static void selections_count(struct shadow *shadow, const struct wire_request *request,
    const struct shadow_outcome *before, const struct shadow_outcome *after)
{
	for (unsigned i = 0; i < request->place_bet.leg_count; i++) {
		const struct wire_leg *leg = &request->place_bet.legs[i];
		struct shadow_selection *selection =
		    table_get(&shadow->selections, leg->market_id << 8 | (leg->selection & 0xff));

		selection->before += before->code == WIRE_CODE_OK ? before->payout : 0;
		selection->after += after->code == WIRE_CODE_OK ? after->payout : 0;
	}
}

/* What a hard limit refused older programs did not score: then there is no score to compare, and
 * that the same refusal has one now is no change of the rules'. */
static int was_unscored(const struct event_record *record)
{
	uint16_t code = le16_get(record->code);

	return !is_accepted(code) && code != WIRE_CODE_RISK_SCORE && record->score == 0 &&
	       le32_get(record->factor_bits) == 0 && (record->flags & EVENT_FLAG_SCORED) == 0;
}

void shadow_compare(struct shadow *shadow, const struct shadow_shard *shard,
    const struct event_record *record, const struct wire_request *request,
    const struct shadow_outcome *after)
{
	struct shadow_example example = {
		.shard = shard->shard,
		.record = *record,
		.before = { .payout = le64s_get(record->payout),
		    .factor_bits = le32_get(record->factor_bits),
		    .code = le16_get(record->code),
		    .score = record->score },
		.after = *after,
	};
	const struct shadow_outcome *before = &example.before;

	if (before->code == after->code && was_unscored(record)) {
		example.after.factor_bits = 0;
		example.after.score = 0;
		after = &example.after;
	}
	side_count(&shadow->before, before, request);
	side_count(&shadow->after, after, request);
	if (request->template_id == WIRE_PLACE_BET &&
	    (is_accepted(before->code) || is_accepted(after->code)))
		selections_count(shadow, request, before, after);
	if (before->code != after->code || before->factor_bits != after->factor_bits)
		changes_find(shadow, &example);
}

/* ---- The report ---- */

static const char *factor_name(unsigned bit, char out[16])
{
	const char *name = risk_bit_name(bit);

	if (name != NULL)
		return name;
	snprintf(out, 16, "BIT_%u", bit);
	return out;
}

static json_t *factors_json(uint32_t bits)
{
	json_t *list = json_array();
	char name[16];

	for (; bits != 0; bits &= bits - 1)
		json_array_append_new(
		    list, json_string(factor_name((unsigned)__builtin_ctz(bits), name)));
	return list;
}

static json_t *side_json(const struct shadow_side *side)
{
	json_t *codes = json_object(), *factors = json_object();
	char name[16];

	for (unsigned code = 0; code < SHADOW_CODES; code++)
		if (side->codes[code] != 0)
			json_object_set_new(codes, wire_code_name((uint16_t)code),
			    json_integer((json_int_t)side->codes[code]));
	for (unsigned bit = 0; bit < 32; bit++)
		if (side->factors[bit] != 0)
			json_object_set_new(factors, factor_name(bit, name),
			    json_integer((json_int_t)side->factors[bit]));
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "accepted",
	    (json_int_t)side->accepted, "refused", (json_int_t)side->refused, "alerts",
	    (json_int_t)side->alerts, "stakes", (json_int_t)side->stakes, "payouts",
	    (json_int_t)side->payouts, "codes", codes, "factors", factors);
}

static json_t *example_json(const struct shadow_example *example)
{
	const struct event_record *record = &example->record;
	char when[32], request[24], object[24];
	json_t *view;

	backup_time_text(le64_get(record->time_ns), when);
	snprintf(request, sizeof(request), "%" PRIu64, le64_get(record->request_id));
	snprintf(object, sizeof(object), "%" PRIu64, le64_get(record->object_id));
	view = json_pack("{s:s, s:i, s:I, s:s, s:s, s:I, s:s, s:I, s:s, s:I}", "change",
	    change_names[example->change], "shard", (int)example->shard, "lsn",
	    (json_int_t)le64_get(record->lsn), "time", when, "type",
	    event_type_name(le16_get(record->type)), "terminal",
	    (json_int_t)le64_get(record->terminal_id), "request", request, "account",
	    (json_int_t)le64_get(record->account_id), "object", object, "amount",
	    (json_int_t)le64s_get(record->amount));
	json_object_set_new(view, "before", json_string(wire_code_name(example->before.code)));
	json_object_set_new(view, "after", json_string(wire_code_name(example->after.code)));
	json_object_set_new(view, "score_before", json_integer(example->before.score));
	json_object_set_new(view, "score_after", json_integer(example->after.score));
	if (example->after.model_asked) {
		json_object_set_new(
		    view, "model_points", json_integer(example->after.model_points));
		json_object_set_new(
		    view, "score_with_model", json_integer(example->after.model_score));
	}
	json_object_set_new(view, "factors_before", factors_json(example->before.factor_bits));
	json_object_set_new(view, "factors_after", factors_json(example->after.factor_bits));
	return view;
}

static int64_t selection_moved(const struct shadow_selection *selection)
{
	int64_t moved = selection->after - selection->before;

	return moved < 0 ? -moved : moved;
}

static int selection_order(const void *a, const void *b)
{
	int64_t x = selection_moved(a), y = selection_moved(b);

	return (x < y) - (x > y);
}

/* Those that change most. */
static json_t *selections_json(const struct shadow *shadow)
{
	json_t *list = json_array();
	uint32_t count = shadow->selections.count;

	if (count > 0) /* the table is looked up no more */
		qsort(shadow->selections.entries, count, sizeof(struct shadow_selection),
		    selection_order);
	for (uint32_t i = 0; i < count && i < SELECTIONS_SHOWN; i++) {
		struct shadow_selection selection;

		memcpy(&selection, table_at(&shadow->selections, i), sizeof(selection));
		if (selection_moved(&selection) == 0)
			break;
		json_array_append_new(list,
		    json_pack("{s:I, s:I, s:I, s:I}", "market", (json_int_t)(selection.key >> 8),
		        "selection", (json_int_t)(selection.key & 0xff), "before",
		        (json_int_t)selection.before, "after", (json_int_t)selection.after));
	}
	return list;
}

static void row_add(json_t *list, const char *what, int64_t before, int64_t after)
{
	json_array_append_new(
	    list, json_pack("{s:s, s:I, s:I, s:I}", "what", what, "before", (json_int_t)before,
	              "after", (json_int_t)after, "difference", (json_int_t)(after - before)));
}

/* The same as a table: what people look at first. */
static json_t *comparison_rows(const struct shadow *shadow)
{
	const struct shadow_side *before = &shadow->before, *after = &shadow->after;
	json_t *list = json_array();
	char name[16];

	row_add(list, "accepted", (int64_t)before->accepted, (int64_t)after->accepted);
	row_add(list, "refused", (int64_t)before->refused, (int64_t)after->refused);
	row_add(list, "alerts", (int64_t)before->alerts, (int64_t)after->alerts);
	row_add(list, "stakes of accepted bets", before->stakes, after->stakes);
	row_add(list, "payouts of accepted bets", before->payouts, after->payouts);
	for (unsigned code = 0; code < SHADOW_CODES; code++)
		if (before->codes[code] != 0 || after->codes[code] != 0)
			row_add(list, wire_code_name((uint16_t)code), (int64_t)before->codes[code],
			    (int64_t)after->codes[code]);
	for (unsigned bit = 0; bit < 32; bit++)
		if (before->factors[bit] != 0 || after->factors[bit] != 0)
			row_add(list, factor_name(bit, name), (int64_t)before->factors[bit],
			    (int64_t)after->factors[bit]);
	if (shadow->model_wanted != 0 || shadow->model.asked != 0) {
		row_add(list, "model asked", 0, (int64_t)shadow->model.asked);
		row_add(list, "model gave points", 0, (int64_t)shadow->model.with_points);
		row_add(list, "alerts, were it active", (int64_t)before->alerts,
		    (int64_t)shadow->model.alerts);
		row_add(list, "RISK_SCORE, were it active",
		    (int64_t)before->codes[WIRE_CODE_RISK_SCORE], (int64_t)shadow->model.refused);
	}
	return list;
}

/* What the model says, active or not. */
static json_t *model_json(const struct shadow_model_counts *model)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "asked", (json_int_t)model->asked, "missing",
	    (json_int_t)model->missing, "with_points", (json_int_t)model->with_points,
	    "alerts_if_active", (json_int_t)model->alerts, "refused_if_active",
	    (json_int_t)model->refused);
}

/* Times of the first and the last event that the logs and journals hold; 0: none. */
static void logs_range(const struct shadow *shadow, uint64_t *first_ns, uint64_t *last_ns)
{
	*first_ns = *last_ns = 0;
	for (uint32_t i = 0; i < shadow->shard_count; i++) {
		const struct scan *scan = &shadow->shards[i].scan;

		if (scan->first_ns != 0 && (*first_ns == 0 || scan->first_ns < *first_ns))
			*first_ns = scan->first_ns;
		if (scan->last_ns > *last_ns)
			*last_ns = scan->last_ns;
	}
}

__attribute__((format(printf, 2, 3))) static void note_add(json_t *notes, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	json_array_append_new(notes, json_vsprintf(format, arguments));
	va_end(arguments);
}

/* Sentences without which the numbers would be taken for more than they are. */
static json_t *notes_json(const struct shadow *shadow)
{
	json_t *notes = json_array();
	char first[32], last[32];
	uint64_t first_ns, last_ns;

	logs_range(shadow, &first_ns, &last_ns);
	backup_time_text(first_ns, first);
	backup_time_text(last_ns, last);
	if (first_ns == 0)
		note_add(notes, "there is no event in the logs");
	else if (shadow->range_events == 0)
		note_add(notes,
		    "there is no event in the range asked for; the logs hold events from %s to %s",
		    first, last);
	else if (shadow->requests == 0)
		note_add(notes,
		    "none of the %" PRIu64
		    " events in the range is a request that rules have a say in; the logs hold "
		    "events from %s to %s",
		    shadow->range_events, first, last);
	/* Of a file alone: those of then are what they were. */
	if (shadow->rules_text == NULL)
		return notes;
	if (shadow->rules_known && !shadow->rules.extra.present)
		note_add(notes,
		    "these rules have the factors of the states off (factors: 0, as version 1 has "
		    "it): no pattern is learnt or looked at; a file with factors: 1 judges by "
		    "them");
	else if (shadow->rules_known && !shadow->factors_then)
		note_add(notes,
		    "the rules of then had the factors of the states off: nothing was learnt, and "
		    "these rules find less than they would have");
	return notes;
}

static json_t *logs_json(const struct shadow *shadow)
{
	uint64_t first_ns, last_ns;

	logs_range(shadow, &first_ns, &last_ns);
	return json_pack(
	    "{s:I, s:I}", "from_ns", (json_int_t)first_ns, "to_ns", (json_int_t)last_ns);
}

json_t *shadow_json(const struct shadow *shadow)
{
	double seconds = shadow->range_cpu_seconds;
	json_t *examples = json_array(), *view = json_object();

	for (uint32_t i = 0; i < shadow->example_count; i++)
		json_array_append_new(examples, example_json(&shadow->examples[i]));
	json_object_set_new(view, "notes", notes_json(shadow));
	json_object_set_new(view, "logs", logs_json(shadow));
	json_object_set_new(view, "shards", json_integer(shadow->shard_count));
	json_object_set_new(view, "events", json_integer((json_int_t)shadow->events));
	json_object_set_new(view, "range_events", json_integer((json_int_t)shadow->range_events));
	json_object_set_new(view, "requests", json_integer((json_int_t)shadow->requests));
	json_object_set_new(view, "kept", json_integer((json_int_t)shadow->kept));
	json_object_set_new(view, "undecided", json_integer((json_int_t)shadow->undecided));
	json_object_set_new(view, "home_counts", json_integer((json_int_t)shadow->home_counts));
	json_object_set_new(view, "seconds", json_real(shadow->seconds));
	json_object_set_new(view, "range_cpu_seconds", json_real(seconds));
	json_object_set_new(view, "range_events_per_s",
	    json_integer(seconds > 0 ? (json_int_t)((double)shadow->range_events / seconds) : 0));
	json_object_set_new(view, "comparison", comparison_rows(shadow));
	json_object_set_new(view, "before", side_json(&shadow->before));
	json_object_set_new(view, "after", side_json(&shadow->after));
	for (unsigned i = 0; i < SHADOW_CHANGES; i++)
		json_object_set_new(
		    view, change_names[i], json_integer((json_int_t)shadow->changes[i]));
	json_object_set_new(view, "model", model_json(&shadow->model));
	json_object_set_new(view, "selections", selections_json(shadow));
	json_object_set_new(view, "examples", examples);
	return view;
}

void shadow_print_text(const struct shadow *shadow)
{
	json_t *rows = comparison_rows(shadow), *notes = notes_json(shadow), *row;
	size_t index;

	json_array_foreach(notes, index, row) printf("Note: %s.\n", json_string_value(row));
	json_decref(notes);
	printf("%" PRIu64 " requests of %" PRIu64 " events decided anew, %" PRIu64
	       " left as they were, %" PRIu64 " not decided\n\n",
	    shadow->requests, shadow->range_events, shadow->kept, shadow->undecided);
	printf("%-28s %18s %18s %18s\n", "", "as it was", "by these rules", "difference");
	json_array_foreach(rows, index, row)
	{
		printf("%-28s %18lld %18lld %+18lld\n",
		    json_string_value(json_object_get(row, "what")),
		    json_integer_value(json_object_get(row, "before")),
		    json_integer_value(json_object_get(row, "after")),
		    json_integer_value(json_object_get(row, "difference")));
	}
	json_decref(rows);
	putchar('\n');
	for (unsigned i = 0; i < SHADOW_CHANGES; i++)
		printf("%-28s %18" PRIu64 "\n", change_names[i], shadow->changes[i]);
	if (shadow->model.asked + shadow->model.missing != 0)
		printf("\nThe model was asked %" PRIu64 " times and gave points to %" PRIu64
		       "; active, alerts: %" PRIu64 ", refused for the score: %" PRIu64
		       ". Rules named one that is not there: %" PRIu64 " times.\n\n",
		    shadow->model.asked, shadow->model.with_points, shadow->model.alerts,
		    shadow->model.refused, shadow->model.missing);
	for (uint32_t i = 0; i < shadow->example_count; i++) {
		const struct shadow_example *example = &shadow->examples[i];

		printf("%-14s shard %" PRIu32 " lsn %" PRIu64 " account %" PRIu64 ": %s, score %u, "
		       "-> %s, score %u\n",
		    change_names[example->change], example->shard, le64_get(example->record.lsn),
		    le64_get(example->record.account_id), wire_code_name(example->before.code),
		    example->before.score, wire_code_name(example->after.code),
		    example->after.score);
	}
}
