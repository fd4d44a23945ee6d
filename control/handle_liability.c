/* SPDX-License-Identifier: Apache-2.0 */
/* report liability: what the house may have to pay, beside its limits, over all shards. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/control.h"
#include "control/desk/desk.h"
#include "control/markets/markets.h"

#define MARKETS_MAX     10000u       /* looked at; each is one question to the data plane */
#define TOP_NS          500000000ull /* so long a view looks that is drawn again and again */
#define PARTNERS_MAX    10000u
#define WARNING_PERCENT 80
#define ASK_MS          2000

struct liability {
	struct control *control;
	struct rule_set rules;
	json_t *rows;
	unsigned warnings;
	uint8_t cut;     /* there are more markets than were looked at */
	uint64_t end_ns; /* no market is looked at after it; 0: never */
};

static void row_add(struct liability *report, const char *scope, int64_t id, int selection,
    const char *name, int64_t liability, int64_t limit)
{
	int64_t percent = limit > 0 ? (int64_t)((__int128)liability * 100 / limit) : 0;
	int warning = limit > 0 && percent >= WARNING_PERCENT;
	json_t *row;

	if (liability == 0)
		return;
	row = json_pack("{s:s, s:I, s:s, s:I, s:I, s:I, s:b}", "scope", scope, "id", (json_int_t)id,
	    "name", name, "liability", (json_int_t)liability, "limit", (json_int_t)limit,
	    "share_percent", (json_int_t)percent, "warning", warning);
	if (selection >= 0)
		json_object_set_new(row, "selection", json_integer(selection));
	report->warnings += (unsigned)warning;
	json_array_append_new(report->rows, row);
}

/* 0; -errno: the data plane cannot be asked. */
static int market_add(struct liability *report, json_t *market)
{
	int64_t id = json_integer_value(json_object_get(market, "market"));
	const char *name = json_string_value(json_object_get(market, "name"));
	json_t *answer = NULL, *exposure;
	char why[256], of[160];
	size_t index;
	int error = link_ask(report->control->link,
	    json_pack("{s:s, s:I}", "cmd", "market_show", "market_id", (json_int_t)id), ASK_MS,
	    &answer, why, sizeof(why));

	if (error != 0)
		return error;
	json_array_foreach(json_object_get(answer, "exposure"), index, exposure)
	{
		json_t *selection = json_array_get(json_object_get(market, "selections"), index);

		snprintf(of, sizeof(of), "%s: %s", name != NULL ? name : "",
		    json_is_string(json_object_get(selection, "name"))
		        ? json_string_value(json_object_get(selection, "name"))
		        : "");
		row_add(report, "selection", id, (int)index, of, json_integer_value(exposure),
		    report->rules.rules.exposure_selection_max);
	}
	row_add(report, "market", id, -1, name != NULL ? name : "",
	    json_integer_value(json_object_get(answer, "exposure_market")),
	    report->rules.rules.exposure_market_max);
	json_decref(answer);
	return 0;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static int markets_add(struct liability *report)
{
	json_t *list = markets_list(report->control->database, 0, MARKETS_MAX + 1, 0), *market;
	size_t index;
	int error = list == NULL ? -EIO : 0;

	json_array_foreach(list, index, market)
	{
		report->cut = index == MARKETS_MAX || (report->end_ns != 0 && (index & 63) == 63 &&
		                                          now_ns() > report->end_ns);
		if (report->cut || error != 0)
			break;
		error = market_add(report, market);
	}
	json_decref(list);
	return error;
}

static int partner_add(struct liability *report, json_t *partner)
{
	int64_t id = json_integer_value(json_object_get(partner, "partner")), sum = 0;
	const char *name = json_string_value(json_object_get(partner, "name"));
	json_t *answer = NULL, *object;
	char why[256];
	size_t index;
	int error = link_ask(report->control->link,
	    json_pack("{s:s, s:s, s:[I]}", "cmd", "object_show", "kind", "partner", "words",
	        (json_int_t)id),
	    ASK_MS, &answer, why, sizeof(why));

	if (error != 0)
		return error;
	json_array_foreach(json_object_get(answer, "objects"), index, object) sum +=
	    json_integer_value(json_object_get(object, "exposure"));
	row_add(report, "partner", id, -1, name != NULL ? name : "", sum,
	    json_integer_value(json_object_get(partner, "exposure_max")));
	json_decref(answer);
	return 0;
}

static int partners_add(struct liability *report)
{
	json_t *list = partners_list(report->control->database, 0, PARTNERS_MAX), *partner;
	size_t index;
	int error = list == NULL ? -EIO : 0;

	json_array_foreach(list, index, partner)
	{
		if (error == 0)
			error = partner_add(report, partner);
	}
	json_decref(list);
	return error;
}

/* What is nearest to its limit first, then the highest. */
static int row_order(const void *a, const void *b)
{
	const json_t *x, *y;
	json_int_t first, second;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	first = json_integer_value(json_object_get(x, "share_percent"));
	second = json_integer_value(json_object_get(y, "share_percent"));
	if (first == second) {
		first = json_integer_value(json_object_get(x, "liability"));
		second = json_integer_value(json_object_get(y, "liability"));
	}
	return (first < second) - (first > second);
}

static json_t *rows_sorted(json_t *rows, size_t count)
{
	size_t size = json_array_size(rows);
	json_t **order = calloc(size + 1, sizeof(json_t *)), *sorted = json_array();

	for (size_t i = 0; order != NULL && i < size; i++)
		order[i] = json_array_get(rows, i);
	if (order != NULL)
		qsort(order, size, sizeof(json_t *), row_order);
	for (size_t i = 0; order != NULL && i < size && i < count; i++)
		json_array_append(sorted, order[i]);
	free(order);
	return sorted;
}

json_t *handle_liability_top(struct control *control, size_t count, int *cut)
{
	struct liability report = {
		.control = control, .rows = json_array(), .end_ns = now_ns() + TOP_NS
	};
	json_t *sorted = NULL;

	if (rules_get(control->database, &report.rules) == 0 && markets_add(&report) == 0 &&
	    partners_add(&report) == 0)
		sorted = rows_sorted(report.rows, count);
	*cut = report.cut;
	json_decref(report.rows);
	return sorted;
}

int handle_report_liability(
    void *context, struct ops_request *request, json_t **result, char *message, size_t message_size)
{
	struct liability report = { .control = context, .rows = json_array() };
	size_t count = (size_t)ops_number(request, "count", 100);
	int error = rules_get(report.control->database, &report.rules);

	if (error == 0)
		error = markets_add(&report);
	if (error == 0)
		error = partners_add(&report);
	if (error != 0) {
		json_decref(report.rows);
		return handle_refuse(CONTROL_UNREACHABLE, message, message_size,
		    "the data plane cannot be asked for its open bets: %s", strerror(-error));
	}
	*result =
	    json_pack("{s:o, s:i, s:i, s:i, s:b}", "liabilities", rows_sorted(report.rows, count),
	        "currency", (int)report.rules.rules.currency, "warning_percent", WARNING_PERCENT,
	        "warnings", (int)report.warnings, "markets_left_out", (int)report.cut);
	json_decref(report.rows);
	return CONTROL_DONE;
}
