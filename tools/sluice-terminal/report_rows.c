/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of answers as JSON and as text: statements, events, markets. */
#include <inttypes.h>
#include <stdio.h>

#include "tools/sluice-terminal/terminal.h"

const char *report_rows_name(uint16_t template_id)
{
	switch (template_id) {
	case WIRE_STATEMENT:
		return "rows";
	case WIRE_EVENT_QUERY:
		return "events";
	case WIRE_MARKET_QUERY:
		return "markets";
	default:
		return NULL;
	}
}

static const char *market_state_name(uint8_t state)
{
	static const char *const names[] = { "unknown", "before", "open", "suspended", "closed",
		"settled", "void" };

	return names[state < SLUICE_ARRAY_COUNT(names) ? state : 0];
}

static json_t *market_json(const struct market_row *row)
{
	json_t *item = json_object(), *odds = json_array(), *results = json_array();

	report_set_int(item, "market", (int64_t)le64_get(row->market_id));
	report_set_int(item, "event", (int64_t)le64_get(row->event_id));
	report_set_int(item, "version", (int64_t)le64_get(row->version));
	report_set_int(item, "start_time_ns", (int64_t)le64_get(row->start_time_ns));
	json_object_set_new(item, "state", json_string(market_state_name(row->state)));
	report_set_int(item, "kind", row->kind);
	report_set_int(item, "line_quarters", (int16_t)le16_get(row->line));
	report_set_int(item, "selections", row->selection_count);
	report_set_int(item, "first_selection", row->selection_first);
	for (unsigned k = 0; k < 4 && row->selection_first + k < row->selection_count; k++) {
		json_array_append_new(odds, json_integer(le32_get(row->odds[k])));
		json_array_append_new(results, json_integer(row->result[k]));
	}
	json_object_set_new(item, "odds_thousandths", odds);
	json_object_set_new(item, "results", results);
	return item;
}

static json_t *event_json(const struct event_row *row)
{
	json_t *item = json_object();

	report_set_int(item, "event", (int64_t)le64_get(row->event_id));
	report_set_int(item, "version", (int64_t)le64_get(row->version));
	report_set_int(item, "start_time_ns", (int64_t)le64_get(row->start_time_ns));
	report_set_int(item, "markets", le32_get(row->market_count));
	json_object_set_new(item, "state", json_string(market_state_name(row->state)));
	return item;
}

static json_t *statement_json(const struct statement_row *row)
{
	json_t *item = json_object();

	report_set_int(item, "lsn", (int64_t)le64_get(row->lsn));
	report_set_int(item, "time_ns", (int64_t)le64_get(row->time_ns));
	report_set_int(item, "type", le16_get(row->type));
	json_object_set_new(item, "code", json_string(wire_code_name(le16_get(row->code))));
	report_set_int(item, "amount", le64s_get(row->amount));
	report_set_int(item, "balance_before", le64s_get(row->balance_before));
	report_set_int(item, "balance_after", le64s_get(row->balance_after));
	report_set_int(item, "currency", le16_get(row->currency));
	report_set_id(item, "object_id", le64_get(row->object_id));
	report_set_int(item, "terminal", (int64_t)le64_get(row->terminal_id));
	report_set_id(item, "request_id", le64_get(row->request_id));
	return item;
}

json_t *report_rows(const struct wire_reply *reply)
{
	json_t *rows = json_array();

	if (reply->template_id == WIRE_STATEMENT) {
		for (unsigned i = 0; i < reply->statement.row_count; i++)
			json_array_append_new(rows, statement_json(&reply->statement.rows[i]));
	} else if (reply->template_id == WIRE_EVENT_QUERY) {
		for (unsigned i = 0; i < reply->events.row_count; i++)
			json_array_append_new(rows, event_json(&reply->events.rows[i]));
	} else if (reply->template_id == WIRE_MARKET_QUERY) {
		for (unsigned i = 0; i < reply->markets.row_count; i++)
			json_array_append_new(rows, market_json(&reply->markets.rows[i]));
	}
	return rows;
}

static void market_text(const struct market_row *row)
{
	printf("market %" PRIu64 "  event %" PRIu64 "  version %" PRIu64 "  %s ",
	    le64_get(row->market_id), le64_get(row->event_id), le64_get(row->version),
	    market_state_name(row->state));
	for (unsigned k = 0; k < 4 && row->selection_first + k < row->selection_count; k++)
		printf(" %u:%u.%03u", row->selection_first + k, le32_get(row->odds[k]) / 1000,
		    le32_get(row->odds[k]) % 1000);
	putchar('\n');
}

static void statement_text(const struct statement_row *row)
{
	printf("%" PRIu64 "  type %u  %+" PRId64 "  balance %" PRId64 " -> %" PRId64
	       "  object %" PRIu64 "  %s\n",
	    le64_get(row->lsn), le16_get(row->type), le64s_get(row->amount),
	    le64s_get(row->balance_before), le64s_get(row->balance_after), le64_get(row->object_id),
	    wire_code_name(le16_get(row->code)));
}

void report_rows_text(const struct wire_reply *reply)
{
	if (reply->template_id == WIRE_STATEMENT) {
		for (unsigned i = 0; i < reply->statement.row_count; i++)
			statement_text(&reply->statement.rows[i]);
	} else if (reply->template_id == WIRE_EVENT_QUERY) {
		for (unsigned i = 0; i < reply->events.row_count; i++) {
			const struct event_row *row = &reply->events.rows[i];

			printf("event %" PRIu64 "  version %" PRIu64 "  %s  markets %u\n",
			    le64_get(row->event_id), le64_get(row->version),
			    market_state_name(row->state), le32_get(row->market_count));
		}
	} else if (reply->template_id == WIRE_MARKET_QUERY) {
		for (unsigned i = 0; i < reply->markets.row_count; i++)
			market_text(&reply->markets.rows[i]);
	}
}
