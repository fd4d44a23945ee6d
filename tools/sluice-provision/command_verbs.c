/* SPDX-License-Identifier: Apache-2.0 */
/* markets, accounts, rules: commands under the gapless control sequence. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dataplane/risk/risk.h"
#include "tools/sluice-provision/provision.h"
#include "control/markets/season.h"

#define DAY_S 86400ll
#define S_NS  1000000000ll

/* Odds as a JSON array. */
static json_t *odds_array(const uint32_t *odds, size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(array, json_integer(odds[i]));
	return array;
}

static json_t *market_request(
    const struct season *season, size_t market, uint64_t sequence, int64_t start_s)
{
	const struct season_match *match = &season->matches[market / 2];
	json_int_t event_id = (json_int_t)(market / 2 + 1);
	int over_under = market % 2 == 1;
	int64_t start_ns = (start_s + (match->day - season->day_first) * DAY_S) * S_NS;

	return json_pack("{s:s,s:I,s:s,s:I,s:I,s:I,s:i,s:i,s:o}", "cmd", "command", "sequence",
	    (json_int_t)sequence, "type", "market_set", "market_id",
	    event_id * 10 + (over_under ? 2 : 1), "event_id", event_id, "start_time_ns",
	    (json_int_t)start_ns, "state", (int)MARKET_OPEN, "kind",
	    (int)(over_under ? MARKET_KIND_OVER_UNDER : MARKET_KIND_1X2), "odds",
	    over_under ? odds_array(match->odds_over_under, 2) : odds_array(match->odds_1x2, 3));
}

/*
 * Receives the answer of a command under a number nobody else was to use. "already" means that it
 * was used: the data plane did nothing with this command.
 */
static int command_receive(struct admin_client *admin)
{
	json_t *answer = NULL;
	int result = admin_client_receive(admin, &answer);

	if (result == 0 && json_is_true(json_object_get(answer, "already"))) {
		snprintf(admin->message, sizeof(admin->message),
		    "The sequence number was taken by another command, and this one was not "
		    "carried "
		    "out. Use one client at a time and try again.");
		result = -EPERM;
	}
	json_decref(answer);
	return result;
}

static int markets_send(struct admin_client *admin, const struct season *season, int64_t start_s)
{
	size_t sent = 0, answered = 0, count = season->count * 2;
	struct admin_client_status status;
	int result = provision_query(admin, &status);

	if (result != EXIT_DONE)
		return result;
	while (answered < count) {
		if (sent < count && sent - answered < ADMIN_CLIENT_PIPELINE_MAX) {
			result = admin_client_send(
			    admin, market_request(
			               season, sent, status.control_sequence + 1 + sent, start_s));
			sent++;
		} else {
			result = command_receive(admin);
			answered++;
		}
		if (result != 0)
			return provision_failed(admin, result);
	}
	return EXIT_DONE;
}

/* "2026-01-01T12:00:00Z". 0 or EXIT_USAGE with the reason printed. */
static int start_parse(const char *text, int64_t *start_s)
{
	struct tm parts = { 0 };
	char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &parts);

	if (end == NULL || *end != '\0') {
		fprintf(stderr, "--start: write it as YYYY-MM-DDTHH:MM:SSZ.\n");
		return EXIT_USAGE;
	}
	*start_s = (int64_t)timegm(&parts);
	return 0;
}

int provision_markets(const struct provision *provision, int argc, char **argv)
{
	static const struct option options[] = { { "file", required_argument, NULL, 'f' },
		{ "start", required_argument, NULL, 's' }, { 0 } };
	int64_t start_s = (int64_t)time(NULL) + DAY_S;
	struct season season = { 0 };
	struct admin_client admin;
	const char *path = NULL;
	char message[512];
	int option, result = 0;

	while (result == 0 && (option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'f')
			path = optarg;
		else if (option == 's')
			result = start_parse(optarg, &start_s);
		else
			result = EXIT_USAGE;
	}
	if (result == 0 && (path == NULL || optind != argc)) {
		fprintf(stderr, "Give --file SEASON.csv.\n");
		result = EXIT_USAGE;
	}
	if (result != 0)
		return result;
	result = season_load(path, &season, message, sizeof(message));
	if (result != 0) {
		fprintf(stderr, "%s Nothing was loaded.\n", message);
		return result == -EINVAL ? EXIT_REFUSED : EXIT_UNREACHABLE;
	}
	result = provision_connect(provision, &admin);
	if (result == EXIT_DONE) {
		result = markets_send(&admin, &season, start_s);
		admin_client_close(&admin);
	}
	if (result == EXIT_DONE)
		provision_done(provision, "Markets open", "markets", season.count * 2);
	season_free(&season);
	return result;
}

/* Connects, takes the next sequence number and sends one command, which is released here. */
static int command_send(const struct provision *provision, json_t *command, const char *version_key)
{
	struct admin_client_status status;
	struct admin_client admin;
	int result = provision_connect(provision, &admin);

	if (result != EXIT_DONE) {
		json_decref(command);
		return result;
	}
	result = provision_query(&admin, &status);
	if (result == EXIT_DONE) {
		json_t *sequence = json_integer((json_int_t)(status.control_sequence + 1));
		int error;

		json_object_set(command, "sequence", sequence);
		if (version_key != NULL)
			json_object_set(json_object_get(command, version_key), "version", sequence);
		json_decref(sequence);
		error = admin_client_send(&admin, json_incref(command));
		if (error == 0)
			error = command_receive(&admin);
		if (error != 0)
			result = provision_failed(&admin, error);
	}
	json_decref(command);
	admin_client_close(&admin);
	return result;
}

int provision_accounts(const struct provision *provision, int argc, char **argv)
{
	static const struct option options[] = { { "first", required_argument, NULL, 'f' },
		{ "count", required_argument, NULL, 'c' },
		{ "currency", required_argument, NULL, 'u' },
		{ "opening-balance", required_argument, NULL, 'b' }, { 0 } };
	uint64_t first = 0, count = 0, currency = 0, balance = UINT64_MAX;
	int option, result = 0;

	while (result == 0 && (option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'f')
			result = provision_number(
			    "--first", optarg, 1, (uint64_t)LIMIT_ACCOUNT_ID_MAX, &first);
		else if (option == 'c')
			result = provision_number("--count", optarg, 1, 1000000000, &count);
		else if (option == 'u')
			result = provision_number("--currency", optarg, 1, 999, &currency);
		else if (option == 'b')
			result = provision_number(
			    "--opening-balance", optarg, 0, (uint64_t)LIMIT_BALANCE_MAX, &balance);
		else
			result = EXIT_USAGE;
	}
	if (result == 0 && (first == 0 || count == 0 || currency == 0 || balance == UINT64_MAX ||
	                       optind != argc || first > (uint64_t)LIMIT_ACCOUNT_ID_MAX - count)) {
		fprintf(stderr,
		    "Give --first A --count N --currency C --opening-balance M, with A + N at most "
		    "%lld.\n",
		    LIMIT_ACCOUNT_ID_MAX);
		result = EXIT_USAGE;
	}
	if (result != 0)
		return result;
	for (uint64_t done = 0; done < count && result == EXIT_DONE;) {
		uint64_t lot = count - done < LIMIT_ACCOUNTS_PER_COMMAND
		                   ? count - done
		                   : LIMIT_ACCOUNTS_PER_COMMAND;

		result = command_send(provision,
		    json_pack("{s:s,s:s,s:I,s:I,s:I,s:I}", "cmd", "command", "type",
		        "accounts_open", "first", (json_int_t)(first + done), "count",
		        (json_int_t)lot, "currency", (json_int_t)currency, "opening_balance",
		        (json_int_t)balance),
		    NULL);
		done += lot;
	}
	if (result == EXIT_DONE)
		provision_done(provision, "Accounts open", "accounts", count);
	return result;
}

/* X(field): every field of struct risk_rules an operator may set. */
#define RULE_FIELDS(X)                                                                             \
	X(currency)                                                                                \
	X(alert_score)                                                                             \
	X(refuse_score)                                                                            \
	X(stake_single_max)                                                                        \
	X(stake_daily_max)                                                                         \
	X(terminal_daily_max)                                                                      \
	X(payout_max)                                                                              \
	X(large_amount)                                                                            \
	X(longshot_liability)                                                                      \
	X(longshot_odds)                                                                           \
	X(cancel_window_s)                                                                         \
	X(utc_offset_s)                                                                            \
	X(deviation_z_tenths)                                                                      \
	X(deviation_observations)                                                                  \
	X(frequency_count)                                                                         \
	X(frequency_ratio_tenths)                                                                  \
	X(points_large)                                                                            \
	X(points_behaviour)                                                                        \
	X(points_odds)

static json_t *rules_default(void)
{
	struct risk_rules rules;
	json_t *object = json_object();

	risk_rules_default(&rules);
#define RULE_TO_JSON(field)                                                                        \
	json_object_set_new(object, #field, json_integer((json_int_t)rules.field));
	RULE_FIELDS(RULE_TO_JSON)
#undef RULE_TO_JSON
	return object;
}

/* Takes KEY=VALUE into `rules`. 0 or EXIT_USAGE with the reason printed. */
static int rule_set(json_t *rules, const char *text)
{
	const char *equals = strchr(text, '=');
	char key[64];
	uint64_t value;

	if (equals == NULL || (size_t)(equals - text) >= sizeof(key)) {
		fprintf(stderr, "--set %s: write it as KEY=VALUE.\n", text);
		return EXIT_USAGE;
	}
	memcpy(key, text, (size_t)(equals - text));
	key[equals - text] = '\0';
	if (json_object_get(rules, key) == NULL) {
		fprintf(stderr, "--set: there is no rule %s. `rules --list` shows all.\n", key);
		return EXIT_USAGE;
	}
	if (provision_number(key, equals + 1, 0, INT64_MAX, &value) != 0)
		return EXIT_USAGE;
	json_object_set_new(rules, key, json_integer((json_int_t)value));
	return 0;
}

int provision_rules(const struct provision *provision, int argc, char **argv)
{
	static const struct option options[] = { { "set", required_argument, NULL, 's' },
		{ "list", no_argument, NULL, 'l' }, { "factors", no_argument, NULL, 'f' }, { 0 } };
	json_t *rules = rules_default();
	int option, result = 0;

	while (result == 0 && (option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'l') {
			json_dumpf(rules, stdout, JSON_INDENT(2));
			putchar('\n');
			json_decref(rules);
			return EXIT_DONE;
		}
		if (option == 'f')
			json_object_set_new(rules, "factors", json_object());
		else
			result = option == 's' ? rule_set(rules, optarg) : EXIT_USAGE;
	}
	if (result == 0 && optind != argc) {
		fprintf(stderr,
		    "Give --set KEY=VALUE for each rule to change, --factors for all factors.\n");
		result = EXIT_USAGE;
	}
	if (result != 0) {
		json_decref(rules);
		return result;
	}
	/* The version of a rule set is the sequence number of the command that set it. */
	result = command_send(provision,
	    json_pack("{s:s,s:s,s:o}", "cmd", "command", "type", "rules_set", "rules", rules),
	    "rules");
	if (result == EXIT_DONE)
		provision_done(provision, "Rule sets set", "rule_sets", 1);
	return result;
}
