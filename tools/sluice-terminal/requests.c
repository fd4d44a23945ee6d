/* SPDX-License-Identifier: Apache-2.0 */
/* The request of a command's words: one table of commands, one of what kinds of words there are. */
#include <stddef.h>
#include <string.h>

#include "tools/sluice-terminal/terminal.h"

#define WORDS_MAX 9

enum word_kind {
	WORD_END,
	WORD_U64,
	WORD_U32,
	WORD_U16,
	WORD_AMOUNT,   /* not below 0 */
	WORD_LIMIT,    /* an amount, or "none" */
	WORD_CURRENCY, /* "KRW" or 410 */
	WORD_UNTIL,    /* Unix time in seconds, or "ever" */
	WORD_KEY,      /* 128 bits: up to 32 hexadecimal digits */
	WORD_EQUAL,    /* "equal" */
	WORD_TICKET,   /* a ticket code; gives bet and ticket of REDEEM */
};

struct word {
	uint8_t kind;
	uint16_t at; /* offset in struct wire_request */
};

#define AT(member) offsetof(struct wire_request, member)
#define WORD(kind, field)                                                                          \
	{                                                                                          \
		WORD_##kind, AT(field)                                                             \
	}

static const struct command {
	const char *name;
	uint16_t template_id;
	uint8_t words_min;
	struct word words[WORDS_MAX];
} commands[] = {
	{ "hello", WIRE_HELLO, 0, { { WORD_END, 0 } } },
	{ "key-update", WIRE_KEY_UPDATE, 0, { { WORD_END, 0 } } },
	{ "goodbye", WIRE_GOODBYE, 0, { { WORD_END, 0 } } },
	{ "open-account", WIRE_OPEN_ACCOUNT, 2,
	    { WORD(U64, open_account.account_id), WORD(CURRENCY, open_account.currency),
	        WORD(U16, open_account.partner_id) } },
	{ "balance", WIRE_BALANCE, 1, { WORD(U64, balance.account_id) } },
	{ "deposit", WIRE_DEPOSIT, 3,
	    { WORD(U64, deposit.account_id), WORD(AMOUNT, deposit.amount),
	        WORD(CURRENCY, deposit.currency) } },
	{ "withdraw", WIRE_WITHDRAW, 3,
	    { WORD(U64, deposit.account_id), WORD(AMOUNT, deposit.amount),
	        WORD(CURRENCY, deposit.currency) } },
	{ "transfer", WIRE_TRANSFER, 4,
	    { WORD(U64, transfer.from_account), WORD(U64, transfer.to_account),
	        WORD(AMOUNT, transfer.amount), WORD(CURRENCY, transfer.currency) } },
	{ "statement", WIRE_STATEMENT, 1, { WORD(U64, statement.account_id) } },
	{ "limits", WIRE_PLAY_SET, 7,
	    { WORD(U64, play_set.account_id), WORD(LIMIT, play_set.limits[0]),
	        WORD(LIMIT, play_set.limits[1]), WORD(LIMIT, play_set.limits[2]),
	        WORD(LIMIT, play_set.limits[3]), WORD(LIMIT, play_set.limits[4]),
	        WORD(LIMIT, play_set.limits[5]), WORD(UNTIL, play_set.excluded_until_ns),
	        WORD(UNTIL, play_set.cooloff_until_ns) } },
	{ "status", WIRE_BET_STATUS, 1, { WORD(U64, bet_status.bet_id) } },
	{ "cancel", WIRE_CANCEL_BET, 1,
	    { WORD(U64, cancel_bet.bet_id), WORD(U16, cancel_bet.reason) } },
	{ "redeem", WIRE_REDEEM, 1, { WORD(TICKET, redeem) } },
	{ "reprint", WIRE_REPRINT, 1, { WORD(U64, reprint.bet_id), WORD(U16, reprint.reason) } },
	{ "tx-status", WIRE_TX_STATUS, 1, { WORD(U64, tx_status.target_request_id) } },
	{ "reverse", WIRE_REVERSE, 1,
	    { WORD(U64, reverse.target_request_id), WORD(U16, reverse.reason) } },
	{ "fence", WIRE_FENCE, 1, { WORD(U64, fence.target_request_id) } },
	{ "events", WIRE_EVENT_QUERY, 0, { WORD(U64, event_query.since_version) } },
	{ "event", WIRE_EVENT_QUERY, 1,
	    { WORD(U64, event_query.event_id), WORD(U64, event_query.since_version) } },
	{ "markets", WIRE_MARKET_QUERY, 0, { WORD(U64, market_query.since_version) } },
	{ "sprinkle", WIRE_SPRINKLE_CREATE, 6,
	    { WORD(U64, sprinkle_create.account_id), WORD(AMOUNT, sprinkle_create.amount),
	        WORD(CURRENCY, sprinkle_create.currency), WORD(U32, sprinkle_create.shares),
	        WORD(U64, sprinkle_create.room), WORD(U32, sprinkle_create.window_s),
	        WORD(EQUAL, sprinkle_create.equal) } },
	{ "claim", WIRE_CLAIM, 3,
	    { WORD(U64, claim.token), WORD(U64, claim.account_id), WORD(U64, claim.room) } },
	{ "sprinkle-status", WIRE_SPRINKLE_STATUS, 1, { WORD(U64, sprinkle_status.token) } },
	{ "round-debit", WIRE_ROUND_DEBIT, 7,
	    { WORD(U16, round.partner_id), WORD(U32, round.game), WORD(U64, round.round),
	        WORD(U64, round.account_id), WORD(AMOUNT, round.amount),
	        WORD(CURRENCY, round.currency), WORD(KEY, round.transaction) } },
	{ "round-credit", WIRE_ROUND_CREDIT, 7,
	    { WORD(U16, round.partner_id), WORD(U32, round.game), WORD(U64, round.round),
	        WORD(U64, round.account_id), WORD(AMOUNT, round.amount),
	        WORD(CURRENCY, round.currency), WORD(KEY, round.transaction) } },
	{ "round-rollback", WIRE_ROUND_ROLLBACK, 7,
	    { WORD(U16, round.partner_id), WORD(U32, round.game), WORD(U64, round.round),
	        WORD(U64, round.account_id), WORD(CURRENCY, round.currency),
	        WORD(KEY, round.transaction), WORD(KEY, round.target) } },
	{ "round-close", WIRE_ROUND_CLOSE, 5,
	    { WORD(U16, round.partner_id), WORD(U32, round.game), WORD(U64, round.round),
	        WORD(U64, round.account_id), WORD(CURRENCY, round.currency) } },
	{ "shift-open", WIRE_SHIFT_OPEN, 3,
	    { WORD(U32, shift.cashier_id), WORD(AMOUNT, shift.cash),
	        WORD(CURRENCY, shift.currency) } },
	{ "shift-close", WIRE_SHIFT_CLOSE, 3,
	    { WORD(U32, shift.cashier_id), WORD(AMOUNT, shift.cash),
	        WORD(CURRENCY, shift.currency) } },
};

int parse_key(const char *text, uint64_t key[2])
{
	uint64_t high = 0, low = 0;
	size_t digits = strlen(text);

	if (digits == 0 || digits > 32)
		return -1;
	for (; *text != '\0'; text++) {
		static const char hex[] = "0123456789abcdef";
		const char *found = strchr(hex, *text >= 'A' && *text <= 'F' ? *text + 32 : *text);

		if (found == NULL)
			return -1;
		high = high << 4 | low >> 60;
		low = low << 4 | (uint64_t)(found - hex);
	}
	key[0] = low;
	key[1] = high;
	return 0;
}

static int until_parse(const char *text, uint64_t *ns)
{
	if (strcmp(text, "ever") == 0) {
		*ns = UINT64_MAX;
		return 0;
	}
	if (parse_u64(text, UINT64_MAX / 1000000000u, ns) < 0)
		return -1;
	*ns *= 1000000000u;
	return 0;
}

/* A number of at most `max` into the `size` bytes at `field`. */
static int number_parse(const char *text, uint64_t max, uint8_t *field, size_t size)
{
	uint64_t number;

	if (parse_u64(text, max, &number) < 0)
		return -1;
	if (size == sizeof(uint16_t)) {
		uint16_t value = (uint16_t)number;

		memcpy(field, &value, sizeof(value));
	} else if (size == sizeof(uint32_t)) {
		uint32_t value = (uint32_t)number;

		memcpy(field, &value, sizeof(value));
	} else {
		memcpy(field, &number, sizeof(number));
	}
	return 0;
}

static int word_parse(const struct word *word, const char *text, struct wire_request *request)
{
	uint8_t *field = (uint8_t *)request + word->at;
	uint64_t key[2], number = 0;
	uint16_t currency;
	int rc = 0;

	switch (word->kind) {
	case WORD_U64:
		return number_parse(text, UINT64_MAX, field, 8);
	case WORD_U32:
		return number_parse(text, UINT32_MAX, field, 4);
	case WORD_U16:
		return number_parse(text, UINT16_MAX, field, 2);
	case WORD_AMOUNT:
		return number_parse(text, INT64_MAX, field, 8);
	case WORD_LIMIT:
		if (strcmp(text, "none") != 0)
			return number_parse(text, INT64_MAX, field, 8);
		memset(field, 0xff, 8);
		return 0;
	case WORD_CURRENCY:
		rc = parse_currency(text, &currency);
		if (rc == 0)
			memcpy(field, &currency, sizeof(currency));
		return rc;
	case WORD_UNTIL:
		rc = until_parse(text, &number);
		if (rc == 0)
			memcpy(field, &number, sizeof(number));
		return rc;
	case WORD_KEY:
		rc = parse_key(text, key);
		if (rc == 0)
			memcpy(field, key, sizeof(key));
		return rc;
	case WORD_EQUAL:
		*field = 1;
		return strcmp(text, "equal") == 0 ? 0 : -1;
	case WORD_TICKET:
		return ticket_parse(text, &request->redeem.bet_id, request->redeem.ticket);
	default:
		return -1;
	}
}

static int leg_parse(const char *text, struct wire_leg *leg)
{
	const char *first = strchr(text, ':');
	const char *second = first == NULL ? NULL : strchr(first + 1, ':');
	char market[24], selection[8];
	uint64_t number;

	if (second == NULL || (size_t)(first - text) >= sizeof(market) ||
	    (size_t)(second - first - 1) >= sizeof(selection))
		return -1;
	memcpy(market, text, (size_t)(first - text));
	market[first - text] = '\0';
	memcpy(selection, first + 1, (size_t)(second - first - 1));
	selection[second - first - 1] = '\0';
	if (parse_u64(market, UINT64_MAX, &leg->market_id) < 0 ||
	    parse_u64(selection, UINT16_MAX, &number) < 0)
		return -1;
	leg->selection = (uint16_t)number;
	return parse_odds(second + 1, &leg->odds);
}

/* bet ACCOUNT STAKE LEG..., or with --cash: bet STAKE LEG... */
static int bet_parse(const struct options *options, struct wire_request *request)
{
	char **words = options->arguments + 1;
	int count = options->argument_count - 1;
	uint64_t amount = 0;

	request->template_id = WIRE_PLACE_BET;
	if (!options->cash) {
		if (count < 1 ||
		    parse_u64(words[0], UINT64_MAX, &request->place_bet.account_id) < 0 ||
		    request->place_bet.account_id == 0)
			return -1;
		words++;
		count--;
	} else if (options->currency == 0) {
		return -1;
	}
	if (count < 2 || count > 1 + LIMIT_BET_LEGS_MAX ||
	    parse_u64(words[0], INT64_MAX, &amount) < 0)
		return -1;
	request->place_bet.stake = (int64_t)amount;
	request->place_bet.currency = options->currency;
	request->place_bet.cashier_id = options->cashier;
	request->place_bet.odds_policy = options->exact ? ODDS_EXACT : ODDS_SAME_OR_BETTER;
	request->place_bet.leg_count = (uint8_t)(count - 1);
	for (int i = 1; i < count; i++) {
		if (leg_parse(words[i], &request->place_bet.legs[i - 1]) < 0)
			return -1;
	}
	return 0;
}

/* --key, for the three templates that have one. */
static void key_put(const struct options *options, struct wire_request *request)
{
	if (request->template_id == WIRE_TRANSFER)
		memcpy(request->transfer.partner_key, options->key, sizeof(options->key));
	else if (request->template_id == WIRE_DEPOSIT || request->template_id == WIRE_WITHDRAW)
		memcpy(request->deposit.partner_key, options->key, sizeof(options->key));
}

int request_parse(const struct options *options, struct wire_request *request)
{
	char **words = options->arguments;
	int count = options->argument_count - 1;

	memset(request, 0, sizeof(*request));
	if (strcmp(words[0], "bet") == 0)
		return bet_parse(options, request);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(commands); i++) {
		const struct command *command = &commands[i];

		if (strcmp(words[0], command->name) != 0)
			continue;
		if (count < command->words_min || count > WORDS_MAX)
			return -1;
		request->template_id = command->template_id;
		for (int k = 0; k < count; k++) {
			if (command->words[k].kind == WORD_END ||
			    word_parse(&command->words[k], words[k + 1], request) < 0)
				return -1;
		}
		key_put(options, request);
		return 0;
	}
	return -1;
}
