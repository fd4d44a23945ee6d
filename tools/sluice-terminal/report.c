/* SPDX-License-Identifier: Apache-2.0 */
/* Answers as JSON and as text. 64-bit ids are strings in JSON: they do not fit a signed integer. */
#include <inttypes.h>
#include <stdio.h>

#include "tools/sluice-terminal/terminal.h"

static void set_id(json_t *object, const char *name, uint64_t id)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, id);
	json_object_set_new(object, name, json_string(text));
}

static void set_int(json_t *object, const char *name, int64_t value)
{
	json_object_set_new(object, name, json_integer((json_int_t)value));
}

void report_counts(json_t *object, const struct connection_counts *counts)
{
	set_int(object, "tls_handshakes", (int64_t)counts->tls_handshakes);
	set_int(object, "sessions_replaced", (int64_t)counts->sessions_replaced);
	set_int(object, "certificates_renewed", (int64_t)counts->certificates_renewed);
	set_int(object, "keying_failures", (int64_t)counts->keying_failures);
	set_int(object, "resets", (int64_t)counts->resets);
	set_int(object, "silences", (int64_t)counts->silences);
}

static const char *market_state_name(uint8_t state)
{
	static const char *const names[] = { "unknown", "before", "open", "suspended", "closed" };

	return names[state < SLUICE_ARRAY_COUNT(names) ? state : 0];
}

static const char *bet_state_name(uint8_t state)
{
	return state == BET_OPEN ? "open" : state == BET_CANCELLED ? "cancelled" : "none";
}

static void report_markets(json_t *object, const struct wire_reply *reply)
{
	json_t *rows = json_array();

	set_int(object, "up_to_version", (int64_t)reply->markets.up_to_version);
	json_object_set_new(object, "more", json_boolean(reply->markets.more));
	for (unsigned i = 0; i < reply->markets.row_count; i++) {
		const struct market_row *row = &reply->markets.rows[i];
		json_t *item = json_object(), *odds = json_array();

		set_int(item, "market", (int64_t)le64_get(row->market_id));
		set_int(item, "event", (int64_t)le64_get(row->event_id));
		set_int(item, "version", (int64_t)le64_get(row->version));
		set_int(item, "start_time_ns", (int64_t)le64_get(row->start_time_ns));
		json_object_set_new(item, "state", json_string(market_state_name(row->state)));
		set_int(item, "kind", row->kind);
		set_int(item, "selections", row->selection_count);
		set_int(item, "first_selection", row->selection_first);
		for (unsigned k = 0; k < 4 && row->selection_first + k < row->selection_count; k++)
			json_array_append_new(odds, json_integer(le32_get(row->odds[k])));
		json_object_set_new(item, "odds_thousandths", odds);
		json_array_append_new(rows, item);
	}
	json_object_set_new(object, "markets", rows);
}

void report_reply(json_t *object, uint16_t template_id, const struct wire_reply *reply,
    enum wire_language language)
{
	json_object_set_new(object, "code", json_string(wire_code_name(reply->code)));
	set_int(object, "code_number", reply->code);
	json_object_set_new(object, "text", json_string(wire_code_text(reply->code, language)));
	json_object_set_new(object, "ok", json_boolean(reply->code == WIRE_CODE_OK));
	set_id(object, "request_id", reply->request_id);
	set_id(object, "object_id", reply->object_id);
	set_int(object, "lsn", (int64_t)reply->lsn);
	set_int(object, "shard", reply->shard);
	set_int(object, "switch_time_ns", (int64_t)reply->switch_time_ns);
	json_object_set_new(
	    object, "replayed", json_boolean((reply->flags & MESSAGE_FLAG_ANSWER_REPLAYED) != 0));
	switch (template_id) {
	case WIRE_HELLO:
		set_id(object, "next_id", reply->hello.next_id);
		set_int(object, "terminal", (int64_t)reply->hello.terminal_id);
		set_int(object, "heartbeat_ms", reply->hello.heartbeat_ms);
		break;
	case WIRE_PLACE_BET:
		set_int(object, "balance", reply->balance);
		set_int(object, "payout", reply->payout);
		set_int(object, "score", reply->score);
		break;
	case WIRE_BET_STATUS:
		set_int(object, "account", (int64_t)reply->bet_status.account_id);
		set_int(object, "stake", reply->bet_status.stake);
		set_int(object, "payout", reply->payout);
		set_int(object, "placed_at_ns", (int64_t)reply->bet_status.placed_at_ns);
		set_int(object, "currency", reply->bet_status.currency);
		json_object_set_new(
		    object, "state", json_string(bet_state_name(reply->bet_status.state)));
		set_int(object, "legs", reply->bet_status.leg_count);
		break;
	case WIRE_BALANCE:
		set_int(object, "balance", reply->balance);
		set_int(object, "staked_today", reply->balance_row.staked_today);
		set_int(object, "currency", reply->balance_row.currency);
		break;
	case WIRE_DEPOSIT:
	case WIRE_CANCEL_BET:
		set_int(object, "balance", reply->balance);
		break;
	case WIRE_MARKET_QUERY:
		report_markets(object, reply);
		break;
	default:
		break;
	}
}

static void text_markets(const struct wire_reply *reply)
{
	for (unsigned i = 0; i < reply->markets.row_count; i++) {
		const struct market_row *row = &reply->markets.rows[i];

		printf("market %" PRIu64 "  event %" PRIu64 "  version %" PRIu64 "  %s ",
		    le64_get(row->market_id), le64_get(row->event_id), le64_get(row->version),
		    market_state_name(row->state));
		for (unsigned k = 0; k < 4 && row->selection_first + k < row->selection_count; k++)
			printf(" %u:%u.%03u", row->selection_first + k,
			    le32_get(row->odds[k]) / 1000, le32_get(row->odds[k]) % 1000);
		putchar('\n');
	}
}

static void text_money(const char *name, int64_t amount, uint16_t currency)
{
	const char *symbol = currency_name(currency);

	if (symbol != NULL)
		printf("%s %" PRId64 " %s\n", name, amount, symbol);
	else if (currency != 0)
		printf("%s %" PRId64 " (currency %u)\n", name, amount, currency);
	else
		printf("%s %" PRId64 "\n", name, amount);
}

void report_text(uint16_t template_id, const struct wire_reply *reply, enum wire_language language)
{
	if (reply->code != WIRE_CODE_OK) {
		printf("%s (%s)\n", wire_code_text(reply->code, language),
		    wire_code_name(reply->code));
		return;
	}
	switch (template_id) {
	case WIRE_HELLO:
		printf("terminal %" PRIu64 "\nnext id %" PRIu64 "\n", reply->hello.terminal_id,
		    reply->hello.next_id);
		break;
	case WIRE_PLACE_BET:
		printf("bet %" PRIu64 "\n", reply->object_id);
		text_money("payout", reply->payout, 0);
		text_money("balance", reply->balance, 0);
		break;
	case WIRE_BET_STATUS:
		printf("bet %" PRIu64 " %s\naccount %" PRIu64 "\n", reply->object_id,
		    bet_state_name(reply->bet_status.state), reply->bet_status.account_id);
		text_money("stake", reply->bet_status.stake, reply->bet_status.currency);
		text_money("payout", reply->payout, reply->bet_status.currency);
		break;
	case WIRE_BALANCE:
		text_money("balance", reply->balance, reply->balance_row.currency);
		text_money(
		    "staked today", reply->balance_row.staked_today, reply->balance_row.currency);
		break;
	case WIRE_DEPOSIT:
	case WIRE_CANCEL_BET:
		text_money("balance", reply->balance, 0);
		break;
	case WIRE_MARKET_QUERY:
		text_markets(reply);
		break;
	default:
		puts(wire_code_text(reply->code, language));
		break;
	}
}
