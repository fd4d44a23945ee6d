/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tools/sluice-terminal/terminal.h"

enum option_id {
	OPT_SWITCH = 256,
	OPT_CONTROL,
	OPT_IDENTITY,
	OPT_DEPLOYMENT,
	OPT_OUT,
	OPT_SILENCE,
	OPT_SPREAD,
	OPT_SESSION_FILE,
	OPT_SESSION,
	OPT_TERMINAL,
	OPT_STATE_DIR,
	OPT_CURRENCY,
	OPT_EXACT,
	OPT_CASH,
	OPT_CASHIER,
	OPT_KEY,
	OPT_ROWS,
	OPT_REVERSE,
	OPT_TIMEOUT,
	OPT_BATCH,
	OPT_LANG,
	OPT_JSON,
	OPT_HELP,
	OPT_VERSION,
	OPT_ACCOUNTS,
	OPT_DEPOSIT,
	OPT_BETS,
	OPT_DURATION,
	OPT_RATE,
	OPT_IN_FLIGHT,
	OPT_STAKE,
	OPT_SEED,
	OPT_JSON_OUT,
	OPT_ACK_LOG,
};

static const struct option long_options[] = {
	{ "switch", required_argument, NULL, OPT_SWITCH },
	{ "control", required_argument, NULL, OPT_CONTROL },
	{ "identity", required_argument, NULL, OPT_IDENTITY },
	{ "deployment", required_argument, NULL, OPT_DEPLOYMENT },
	{ "out", required_argument, NULL, OPT_OUT },
	{ "silence", required_argument, NULL, OPT_SILENCE },
	{ "spread", required_argument, NULL, OPT_SPREAD },
	{ "session-file", required_argument, NULL, OPT_SESSION_FILE },
	{ "session", required_argument, NULL, OPT_SESSION },
	{ "terminal", required_argument, NULL, OPT_TERMINAL },
	{ "state-dir", required_argument, NULL, OPT_STATE_DIR },
	{ "currency", required_argument, NULL, OPT_CURRENCY },
	{ "exact", no_argument, NULL, OPT_EXACT },
	{ "cash", no_argument, NULL, OPT_CASH },
	{ "cashier", required_argument, NULL, OPT_CASHIER },
	{ "key", required_argument, NULL, OPT_KEY },
	{ "rows", required_argument, NULL, OPT_ROWS },
	{ "reverse", no_argument, NULL, OPT_REVERSE },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "batch", required_argument, NULL, OPT_BATCH },
	{ "lang", required_argument, NULL, OPT_LANG },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "accounts", required_argument, NULL, OPT_ACCOUNTS },
	{ "deposit", required_argument, NULL, OPT_DEPOSIT },
	{ "bets", required_argument, NULL, OPT_BETS },
	{ "duration", required_argument, NULL, OPT_DURATION },
	{ "rate", required_argument, NULL, OPT_RATE },
	{ "in-flight", required_argument, NULL, OPT_IN_FLIGHT },
	{ "stake", required_argument, NULL, OPT_STAKE },
	{ "seed", required_argument, NULL, OPT_SEED },
	{ "json-out", required_argument, NULL, OPT_JSON_OUT },
	{ "ack-log", required_argument, NULL, OPT_ACK_LOG },
	{ NULL, 0, NULL, 0 },
};

static const struct {
	const char *name;
	uint16_t number;
} currencies[] = {
	{ "KRW", 410 },
	{ "EUR", 978 },
	{ "USD", 840 },
	{ "GBP", 826 },
	{ "JPY", 392 },
	{ "CHF", 756 },
};

int parse_u64(const char *text, uint64_t max, uint64_t *value)
{
	uint64_t number = 0;

	if (*text == '\0')
		return -1;
	for (; *text != '\0'; text++) {
		uint64_t digit = (uint64_t)(*text - '0');

		if (*text < '0' || *text > '9' || number > (max - digit) / 10)
			return -1;
		number = number * 10 + digit;
	}
	*value = number;
	return 0;
}

int parse_currency(const char *text, uint16_t *currency)
{
	uint64_t number;

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(currencies); i++) {
		if (strcasecmp(text, currencies[i].name) == 0) {
			*currency = currencies[i].number;
			return 0;
		}
	}
	if (parse_u64(text, 999, &number) < 0 || number == 0)
		return -1;
	*currency = (uint16_t)number;
	return 0;
}

const char *currency_name(uint16_t currency)
{
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(currencies); i++) {
		if (currencies[i].number == currency)
			return currencies[i].name;
	}
	return NULL;
}

int parse_odds(const char *text, uint32_t *odds)
{
	const char *point = strchr(text, '.');
	uint64_t whole, part;
	size_t digits;
	char head[8];

	if (point == NULL || (size_t)(point - text) >= sizeof(head))
		return -1;
	memcpy(head, text, (size_t)(point - text));
	head[point - text] = '\0';
	digits = strlen(point + 1);
	if (digits == 0 || digits > 3 || parse_u64(head, 1000000, &whole) < 0 ||
	    parse_u64(point + 1, 999, &part) < 0)
		return -1;
	for (; digits < 3; digits++)
		part *= 10;
	*odds = (uint32_t)(whole * 1000 + part);
	return 0;
}

/* "FIRST:SECOND" */
static int parse_pair(const char *text, uint64_t max, uint64_t *first, uint64_t *second)
{
	const char *colon = strchr(text, ':');
	char head[24];

	if (colon == NULL || (size_t)(colon - text) >= sizeof(head))
		return -1;
	memcpy(head, text, (size_t)(colon - text));
	head[colon - text] = '\0';
	return parse_u64(head, max, first) < 0 || parse_u64(colon + 1, max, second) < 0 ? -1 : 0;
}

static int seconds_parse(const char *text, uint64_t *ns)
{
	if (parse_u64(text, 1000000, ns) < 0 || *ns == 0)
		return -1;
	*ns *= 1000000000u;
	return 0;
}

/* The options whose value is a number or a choice. 0 or -1. */
static int value_parse(struct options *options, int id, const char *text)
{
	uint64_t number = 0, other = 0;
	int rc = 0;

	switch (id) {
	case OPT_SESSION:
		rc = parse_u64(text, UINT32_MAX, &number);
		options->session_id = (uint32_t)number;
		return rc < 0 || number == 0 ? -1 : 0;
	case OPT_TERMINAL:
		rc = parse_u64(text, LIMIT_TERMINAL_ID_MAX, &options->terminal_id);
		return rc < 0 || options->terminal_id == 0 ? -1 : 0;
	case OPT_CURRENCY:
		return parse_currency(text, &options->currency);
	case OPT_CASHIER:
	case OPT_ROWS:
		rc = parse_u64(text, UINT32_MAX, &number);
		*(id == OPT_ROWS ? &options->rows : &options->cashier) = (uint32_t)number;
		return rc < 0 || number == 0 ? -1 : 0;
	case OPT_KEY:
		return parse_key(text, options->key);
	case OPT_TIMEOUT:
		return seconds_parse(text, &options->timeout_ns);
	case OPT_DURATION:
		return seconds_parse(text, &options->duration_ns);
	case OPT_SILENCE:
	case OPT_SPREAD:
		rc = parse_u64(text, 86400, &number);
		*(id == OPT_SILENCE ? &options->silence_ns : &options->spread_ns) =
		    number * 1000000000u;
		return rc;
	case OPT_BATCH:
		rc = parse_u64(text, LIMIT_MESSAGES_PER_DATAGRAM, &number);
		options->batch = (unsigned)number;
		return rc < 0 || number == 0 ? -1 : 0;
	case OPT_IN_FLIGHT:
		rc = parse_u64(text, LIMIT_IN_FLIGHT_PER_TERMINAL, &number);
		options->in_flight = (unsigned)number;
		return rc < 0 || number == 0 ? -1 : 0;
	case OPT_LANG:
		if (strcmp(text, "en") != 0 && strcmp(text, "ko") != 0)
			return -1;
		options->language = text[0] == 'k' ? WIRE_KOREAN : WIRE_ENGLISH;
		return 0;
	case OPT_ACCOUNTS:
		rc = parse_pair(
		    text, LIMIT_ACCOUNT_ID_MAX, &options->account_first, &options->account_count);
		return rc < 0 || options->account_first == 0 || options->account_count == 0 ||
		               options->account_count >
		                   LIMIT_ACCOUNT_ID_MAX - options->account_first
		           ? -1
		           : 0;
	case OPT_DEPOSIT:
		rc = parse_u64(text, LIMIT_STAKE_MAX, &number);
		options->deposit = (int64_t)number;
		return rc;
	case OPT_STAKE:
		rc = parse_pair(text, LIMIT_STAKE_MAX, &number, &other);
		options->stake_min = (int64_t)number;
		options->stake_max = (int64_t)other;
		return rc < 0 || number == 0 || number > other ? -1 : 0;
	case OPT_BETS:
		return parse_u64(text, UINT32_MAX, &options->bets);
	case OPT_RATE:
		return parse_u64(text, 1000000, &options->rate);
	case OPT_SEED:
		return parse_u64(text, UINT64_MAX, &options->seed);
	default:
		return -1;
	}
}

static int usage(const char *text, const char *detail)
{
	fprintf(stderr, "sluice-terminal: %s%s. See sluice-terminal --help.\n", text, detail);
	return EXIT_USAGE;
}

/* The options that are taken as they are. 1 when `id` is one of them. */
static int word_take(struct options *options, int id)
{
	switch (id) {
	case OPT_SWITCH:
		options->switch_address = optarg;
		return 1;
	case OPT_SESSION_FILE:
		options->session_file = optarg;
		return 1;
	case OPT_CONTROL:
		options->control_address = optarg;
		return 1;
	case OPT_IDENTITY:
		options->identity = optarg;
		return 1;
	case OPT_DEPLOYMENT:
		options->deployment = optarg;
		return 1;
	case OPT_OUT:
		options->out = optarg;
		return 1;
	case OPT_STATE_DIR:
		options->state_dir = optarg;
		return 1;
	case OPT_JSON_OUT:
		options->json_out = optarg;
		return 1;
	case OPT_ACK_LOG:
		options->ack_log = optarg;
		return 1;
	case OPT_EXACT:
		options->exact = 1;
		return 1;
	case OPT_CASH:
		options->cash = 1;
		return 1;
	case OPT_REVERSE:
		options->reverse = 1;
		return 1;
	case OPT_JSON:
		options->json = 1;
		return 1;
	default:
		return 0;
	}
}

/* Where the session comes from. */
static int source_check(const struct options *options)
{
	if (options->control_address != NULL) {
		if (options->session_file != NULL || options->session_id != 0)
			return usage("--control and --session-file exclude each other", "");
		if (options->identity == NULL)
			return usage("--identity DIR is missing", "");
		if (options->deployment == NULL)
			return usage("--deployment NAME is missing", "");
		return EXIT_DONE;
	}
	if (options->switch_address == NULL)
		return usage("--switch IP:PORT is missing", "");
	if (options->session_file == NULL)
		return usage("--control IP:PORT or --session-file FILE is missing", "");
	if (options->session_id == 0 && options->terminal_id == 0)
		return usage("--session N or --terminal ID is missing", "");
	return EXIT_DONE;
}

int options_parse(int argc, char **argv, struct options *options)
{
	int id, index = 0;

	*options = (struct options){ .bets = 100, .seed = 1, .in_flight = 8, .batch = 1 };
	options->silence_ns = options->spread_ns = 5000000000u;
	options->stake_min = 1000;
	options->stake_max = 10000;
	options->rows = LIMIT_STATEMENT_ROWS;
	while ((id = getopt_long(argc, argv, "", long_options, &index)) != -1) {
		if (id == OPT_HELP) {
			fputs(terminal_help, stdout);
			return -1;
		}
		if (id == OPT_VERSION) {
			puts("sluice-terminal " SLUICE_VERSION);
			return -1;
		}
		if (id == '?')
			return usage("unknown option or missing value", "");
		if (!word_take(options, id) && value_parse(options, id, optarg) < 0)
			return usage("bad value for --", long_options[index].name);
	}
	options->arguments = argv + optind;
	options->argument_count = argc - optind;
	if (options->argument_count == 0)
		return usage("no command", "");
	if (!command_is_offline(options) && source_check(options) != EXIT_DONE)
		return EXIT_USAGE;
	if (options->timeout_ns == 0)
		options->timeout_ns =
		    (strcmp(options->arguments[0], "demo") == 0 ? 60 : 10) * 1000000000ull;
	return command_check(options);
}
