/* SPDX-License-Identifier: Apache-2.0 */
/* Answers as JSON and as text, but for rows. */
#include <inttypes.h>
#include <stdio.h>

#include "tools/sluice-terminal/terminal.h"

void report_set_id(json_t *object, const char *name, uint64_t id)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, id);
	json_object_set_new(object, name, json_string(text));
}

void report_set_int(json_t *object, const char *name, int64_t value)
{
	json_object_set_new(object, name, json_integer((json_int_t)value));
}

void report_counts(json_t *object, const struct connection_counts *counts)
{
	report_set_int(object, "tls_handshakes", (int64_t)counts->tls_handshakes);
	report_set_int(object, "sessions_replaced", (int64_t)counts->sessions_replaced);
	report_set_int(object, "certificates_renewed", (int64_t)counts->certificates_renewed);
	report_set_int(object, "keying_failures", (int64_t)counts->keying_failures);
	report_set_int(object, "resets", (int64_t)counts->resets);
	report_set_int(object, "silences", (int64_t)counts->silences);
}

static const char *bet_state_name(uint8_t state)
{
	static const char *const names[] = { "none", "open", "cancelled", "settled", "void", "paid",
		"expired" };

	return names[state < SLUICE_ARRAY_COUNT(names) ? state : 0];
}

/* The ticket code of a bet that was accepted; 0 when there is none. */
static int ticket_text(const struct wire_reply *reply, char text[TICKET_TEXT_SIZE])
{
	if (reply->template_id != WIRE_PLACE_BET ||
	    bytes_all_zero(reply->ticket, sizeof(reply->ticket)))
		return 0;
	ticket_format(reply->object_id, reply->ticket, text);
	return 1;
}

static void report_bet(json_t *object, const struct wire_reply *reply)
{
	report_set_int(object, "account", (int64_t)reply->bet_status.account_id);
	report_set_int(object, "stake", reply->bet_status.stake);
	report_set_int(object, "payout", reply->payout);
	report_set_int(object, "placed_at_ns", (int64_t)reply->bet_status.placed_at_ns);
	report_set_int(object, "currency", reply->bet_status.currency);
	json_object_set_new(object, "state", json_string(bet_state_name(reply->bet_status.state)));
	report_set_int(object, "legs", reply->bet_status.leg_count);
	report_set_int(object, "reprints", reply->bet_status.reprints);
}

static void report_tx(json_t *object, const struct wire_reply *reply)
{
	const char *name = wire_template_name(reply->tx_status.target_template);

	report_set_int(object, "balance", reply->balance);
	report_set_int(object, "payout", reply->payout);
	report_set_int(object, "score", reply->score);
	report_set_int(object, "time_ns", (int64_t)reply->tx_status.time_ns);
	json_object_set_new(
	    object, "target_code", json_string(wire_code_name(reply->tx_status.target_code)));
	json_object_set_new(object, "target_template", json_string(name != NULL ? name : "none"));
	report_set_int(object, "target_shard", reply->tx_status.target_shard);
}

static void report_sprinkle(json_t *object, const struct wire_reply *reply)
{
	report_set_int(object, "total", reply->sprinkle.total);
	report_set_int(object, "remaining", reply->sprinkle.remaining);
	report_set_int(object, "ends_ns", (int64_t)reply->sprinkle.ends_ns);
	report_set_int(object, "shares", reply->sprinkle.shares);
	report_set_int(object, "claimed", reply->sprinkle.claimed);
	report_set_int(object, "currency", reply->sprinkle.currency);
	report_set_int(object, "state", reply->sprinkle.state);
}

/* The answer that most mutating messages share. */
static void report_outcome(json_t *object, const struct wire_reply *reply)
{
	char text[TICKET_TEXT_SIZE];

	report_set_int(object, "balance", reply->balance);
	report_set_int(object, "payout", reply->payout);
	report_set_int(object, "score", reply->score);
	if (ticket_text(reply, text))
		json_object_set_new(object, "ticket", json_string(text));
}

void report_reply(json_t *object, const struct wire_reply *reply, enum wire_language language)
{
	json_object_set_new(object, "code", json_string(wire_code_name(reply->code)));
	report_set_int(object, "code_number", reply->code);
	json_object_set_new(object, "text", json_string(wire_code_text(reply->code, language)));
	json_object_set_new(object, "ok", json_boolean(reply->code == WIRE_CODE_OK));
	report_set_id(object, "request_id", reply->request_id);
	report_set_id(object, "object_id", reply->object_id);
	report_set_int(object, "lsn", (int64_t)reply->lsn);
	report_set_int(object, "shard", reply->shard);
	report_set_int(object, "switch_time_ns", (int64_t)reply->switch_time_ns);
	json_object_set_new(
	    object, "replayed", json_boolean((reply->flags & MESSAGE_FLAG_ANSWER_REPLAYED) != 0));
	switch (reply->template_id) {
	case WIRE_HELLO:
		report_set_id(object, "next_id", reply->hello.next_id);
		report_set_int(object, "terminal", (int64_t)reply->hello.terminal_id);
		report_set_int(object, "heartbeat_ms", reply->hello.heartbeat_ms);
		break;
	case WIRE_KEY_UPDATE:
		report_set_id(object, "boot_id", reply->key_update.boot_id);
		report_set_int(object, "epoch", reply->key_update.epoch);
		break;
	case WIRE_BET_STATUS:
		report_bet(object, reply);
		break;
	case WIRE_BALANCE:
		report_set_int(object, "balance", reply->balance);
		report_set_int(object, "staked_today", reply->balance_row.staked_today);
		report_set_int(object, "currency", reply->balance_row.currency);
		break;
	case WIRE_DEPOSIT:
	case WIRE_CANCEL_BET:
		report_set_int(object, "balance", reply->balance);
		break;
	case WIRE_TX_STATUS:
		report_tx(object, reply);
		break;
	case WIRE_SPRINKLE_STATUS:
		report_sprinkle(object, reply);
		break;
	case WIRE_STATEMENT:
		report_set_id(object, "next_lsn", reply->statement.next_lsn);
		report_set_int(object, "currency", reply->statement.currency);
		break;
	case WIRE_EVENT_QUERY:
		report_set_int(object, "up_to_version", (int64_t)reply->events.up_to_version);
		json_object_set_new(object, "more", json_boolean(reply->events.more));
		break;
	case WIRE_MARKET_QUERY:
		report_set_int(object, "up_to_version", (int64_t)reply->markets.up_to_version);
		json_object_set_new(object, "more", json_boolean(reply->markets.more));
		break;
	default:
		if (wire_template_mutates(reply->template_id))
			report_outcome(object, reply);
		break;
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

/* What an outcome's payout is, by what was asked. */
static const char *payout_name(uint16_t template_id)
{
	switch (template_id) {
	case WIRE_PLACE_BET:
		return "payout";
	case WIRE_REPRINT:
		return "reprints";
	case WIRE_SHIFT_CLOSE:
		return "cash difference";
	default:
		return "amount";
	}
}

static void text_outcome(const struct wire_reply *reply)
{
	char text[TICKET_TEXT_SIZE];

	if (reply->template_id == WIRE_PLACE_BET)
		printf("bet %" PRIu64 "\n", reply->object_id);
	else if (reply->template_id == WIRE_SPRINKLE_CREATE)
		printf("token %" PRIu64 "\n", reply->object_id);
	else if (reply->object_id != 0)
		printf("object %" PRIu64 "\n", reply->object_id);
	text_money(payout_name(reply->template_id), reply->payout, 0);
	text_money("balance", reply->balance, 0);
	if (ticket_text(reply, text))
		printf("ticket %s\n", text);
}

static void text_tx(const struct wire_reply *reply, enum wire_language language)
{
	const char *name = wire_template_name(reply->tx_status.target_template);

	printf("%s: %s (%s)\n", name != NULL ? name : "request",
	    wire_code_text(reply->tx_status.target_code, language),
	    wire_code_name(reply->tx_status.target_code));
	if (reply->object_id != 0)
		printf("object %" PRIu64 "\n", reply->object_id);
	text_money("payout", reply->payout, 0);
	text_money("balance", reply->balance, 0);
}

void report_text(const struct wire_reply *reply, enum wire_language language)
{
	if (reply->code != WIRE_CODE_OK)
		printf("%s (%s)\n", wire_code_text(reply->code, language),
		    wire_code_name(reply->code));
	if (wire_code_class(reply->code) != WIRE_CLASS_DONE)
		return;
	switch (reply->template_id) {
	case WIRE_HELLO:
		printf("terminal %" PRIu64 "\nnext id %" PRIu64 "\n", reply->hello.terminal_id,
		    reply->hello.next_id);
		break;
	case WIRE_KEY_UPDATE:
		printf("boot id %" PRIu64 "\nepoch %u\n", reply->key_update.boot_id,
		    reply->key_update.epoch);
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
	case WIRE_TX_STATUS:
		text_tx(reply, language);
		break;
	case WIRE_SPRINKLE_STATUS:
		printf("%s, %u of %u claimed\n", reply->sprinkle.state == 1 ? "open" : "ended",
		    reply->sprinkle.claimed, reply->sprinkle.shares);
		text_money("total", reply->sprinkle.total, reply->sprinkle.currency);
		text_money("remaining", reply->sprinkle.remaining, reply->sprinkle.currency);
		break;
	default:
		if (wire_template_mutates(reply->template_id))
			text_outcome(reply);
		else
			puts(wire_code_text(reply->code, language));
		break;
	}
}
