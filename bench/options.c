/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void usage(FILE *out)
{
	fputs(
	    "Usage: sluice-bench --port PORT --switch IP:PORT --sessions FILE [options]\n"
	    "\n"
	    "Places bets on a running data plane and measures what a terminal sees. bench/run "
	    "does\n"
	    "the whole of it with one command; bench/README.md says what each figure means.\n"
	    "\n"
	    "  --port PORT        memif:SOCKET, af_xdp:IFACE, af_packet:IFACE or udp (kernel "
	    "sockets)\n"
	    "  --switch IP:PORT   address of the switch\n"
	    "  --local IP         own address on a DPDK port (198.18.0.2)\n"
	    "  --local-port N     own UDP port (7401; with udp, 0: any)\n"
	    "  --sessions FILE    session file; the load is spread over all its sessions\n"
	    "  --accounts A:N     accounts A .. A+N-1 (1:100000)\n"
	    "  --currency C       of the accounts, ISO 4217 number (410)\n"
	    "  --markets LIST     ID:SELECTION:ODDS,... with odds in 1/1000; else the open markets "
	    "are\n"
	    "                     asked for\n"
	    "  --stake MIN:MAX    minor units (100:1000)\n"
	    "  --in-flight N      closed loop: N requests unanswered at any time (650)\n"
	    "  --rate R           open loop: R requests a second, latency from the intended time\n"
	    "  --messages-per-datagram M\n"
	    "                     1 to 16 bets in one datagram (1)\n"
	    "  --seconds S        measured time (10)\n"
	    "  --warmup S         before it (2)\n"
	    "  --requests N       ends the run when N were sent\n"
	    "  --settle ID:COUNT  gives market ID of COUNT selections its result in the middle of "
	    "the\n"
	    "                     measured time (needs --admin); the result has `settlement` then\n"
	    "  --shed             open loop as a network does it: what finds the receive ring full "
	    "is gone\n"
	    "                     and counted, a request answered BUSY is not sent again\n"
	    "  --flood KIND       beside the load from a foreign source (memif only): forged, "
	    "replayed,\n"
	    "                     epoch or unknown; --flood-rate R datagrams a second (10000)\n"
	    "  --workload NAME    bets, or mixed: of 1000 requests 700 bets, 100 TX_STATUS, 80 "
	    "deposits,\n"
	    "                     40 withdrawals, 40 transfers, 40 cancelled bets (bets)\n"
	    "  --zipf S           accounts by Zipf's law with this exponent, 0 to 4 (0: all "
	    "alike)\n"
	    "  --hot N            of 1000 requests go to the first account (0)\n"
	    "  --deposits N       of 1000 requests are deposits instead of bets (0)\n"
	    "  --hold N           a terminal's bets stay on one of --markets for N requests, then "
	    "go "
	    "on\n"
	    "                     to the next\n"
	    "  --intervals FILE   appends a JSON line every --interval S (60), - is standard "
	    "error\n"
	    "  --drain S          at most, after it, for late answers (60)\n"
	    "  --seed N           of accounts, stakes and markets (1)\n"
	    "  --admin SOCKET     admin socket of the data plane: its own figures join the result\n"
	    "  --disk DIR         the journal's folder: its disk is checked, W is measured there\n"
	    "  --cpu N            run on this CPU (never the worker's)\n"
	    "  --poll             never sleeps between turns. Only in a control group with "
	    "cpu.idle: else\n"
	    "                     it stands in the way of the journal's writes (bench/run "
	    "--generator idle)\n"
	    "  --hugepages        for a DPDK port; --memory MIB (256)\n"
	    "  --json             one JSON object on standard output, schema sluice-bench/1\n"
	    "  --help, --version\n"
	    "\n"
	    "Exit status: 0 done and nothing lost or doubled, 1 otherwise, 2 usage, 3 the switch "
	    "or a\n"
	    "file cannot be reached.\n",
	    out);
}

int options_address(const char *text, uint32_t *ipv4, uint16_t *port)
{
	const char *colon = strchr(text, ':');
	char address[INET_ADDRSTRLEN], *end;
	struct in_addr parsed;
	unsigned long number;

	if (colon == NULL || (size_t)(colon - text) >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, (size_t)(colon - text));
	address[colon - text] = '\0';
	number = strtoul(colon + 1, &end, 10);
	if (inet_pton(AF_INET, address, &parsed) != 1 || colon[1] < '0' || colon[1] > '9' ||
	    *end != '\0' || number == 0 || number > UINT16_MAX)
		return -EINVAL;
	*ipv4 = ntohl(parsed.s_addr);
	*port = (uint16_t)number;
	return 0;
}

int options_markets(const char *text, struct bet_choice *choices, unsigned max)
{
	unsigned count = 0;

	for (;;) {
		unsigned long long market;
		unsigned selection, odds;
		int used = 0;

		if (count == max || text[0] < '0' || text[0] > '9' ||
		    sscanf(text, "%20llu:%5u:%8u%n", &market, &selection, &odds, &used) != 3 ||
		    market == 0 || selection >= LIMIT_MARKET_SELECTIONS_MAX ||
		    odds < LIMIT_ODDS_MIN || odds > LIMIT_ODDS_MAX)
			return -EINVAL;
		choices[count++] = (struct bet_choice){ market, odds, (uint16_t)selection };
		if (text[used] == '\0')
			return (int)count;
		if (text[used] != ',')
			return -EINVAL;
		text += used + 1;
	}
}

/* 0, or -EINVAL with the reason printed. */
static int number(
    const char *name, const char *text, uint64_t minimum, uint64_t maximum, uint64_t *value)
{
	unsigned long long parsed;
	char *end;

	errno = 0;
	parsed = strtoull(text, &end, 10);
	if (errno != 0 || text[0] < '0' || text[0] > '9' || *end != '\0' || parsed < minimum ||
	    parsed > maximum) {
		fprintf(stderr, "--%s: give a number from %llu to %llu.\n", name,
		    (unsigned long long)minimum, (unsigned long long)maximum);
		return -EINVAL;
	}
	*value = parsed;
	return 0;
}

/* "A:B", both decimal. 0, or -EINVAL with the reason printed. */
static int number_pair(const char *name, const char *text, uint64_t maximum, uint64_t pair[2])
{
	unsigned long long first, second;
	int used = 0;

	if (text[0] < '0' || text[0] > '9' ||
	    sscanf(text, "%19llu:%19llu%n", &first, &second, &used) != 2 || text[used] != '\0' ||
	    first == 0 || second == 0 || first > (unsigned long long)LIMIT_ACCOUNT_ID_MAX ||
	    second > maximum) {
		fprintf(stderr, "--%s: give two numbers above zero with a colon between.\n", name);
		return -EINVAL;
	}
	pair[0] = first;
	pair[1] = second;
	return 0;
}

enum option_id {
	OPTION_HELP = 1,
	OPTION_VERSION,
	OPTION_PORT,
	OPTION_SWITCH,
	OPTION_LOCAL,
	OPTION_LOCAL_PORT,
	OPTION_SESSIONS,
	OPTION_ACCOUNTS,
	OPTION_CURRENCY,
	OPTION_MARKETS,
	OPTION_STAKE,
	OPTION_IN_FLIGHT,
	OPTION_RATE,
	OPTION_MESSAGES,
	OPTION_SECONDS,
	OPTION_WARMUP,
	OPTION_DRAIN,
	OPTION_SEED,
	OPTION_ADMIN,
	OPTION_DISK,
	OPTION_CPU,
	OPTION_POLL,
	OPTION_HUGEPAGES,
	OPTION_MEMORY,
	OPTION_JSON,
	OPTION_REQUESTS,
	OPTION_SETTLE,
	OPTION_SHED,
	OPTION_FLOOD,
	OPTION_FLOOD_RATE,
	OPTION_DEPOSITS,
	OPTION_HOLD,
	OPTION_INTERVAL,
	OPTION_INTERVALS,
	OPTION_WORKLOAD,
	OPTION_ZIPF,
	OPTION_HOT,
};

static const struct option long_options[] = {
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ "port", required_argument, NULL, OPTION_PORT },
	{ "switch", required_argument, NULL, OPTION_SWITCH },
	{ "local", required_argument, NULL, OPTION_LOCAL },
	{ "local-port", required_argument, NULL, OPTION_LOCAL_PORT },
	{ "sessions", required_argument, NULL, OPTION_SESSIONS },
	{ "accounts", required_argument, NULL, OPTION_ACCOUNTS },
	{ "currency", required_argument, NULL, OPTION_CURRENCY },
	{ "markets", required_argument, NULL, OPTION_MARKETS },
	{ "stake", required_argument, NULL, OPTION_STAKE },
	{ "in-flight", required_argument, NULL, OPTION_IN_FLIGHT },
	{ "rate", required_argument, NULL, OPTION_RATE },
	{ "messages-per-datagram", required_argument, NULL, OPTION_MESSAGES },
	{ "seconds", required_argument, NULL, OPTION_SECONDS },
	{ "warmup", required_argument, NULL, OPTION_WARMUP },
	{ "drain", required_argument, NULL, OPTION_DRAIN },
	{ "seed", required_argument, NULL, OPTION_SEED },
	{ "admin", required_argument, NULL, OPTION_ADMIN },
	{ "disk", required_argument, NULL, OPTION_DISK },
	{ "cpu", required_argument, NULL, OPTION_CPU },
	{ "poll", no_argument, NULL, OPTION_POLL },
	{ "hugepages", no_argument, NULL, OPTION_HUGEPAGES },
	{ "memory", required_argument, NULL, OPTION_MEMORY },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "requests", required_argument, NULL, OPTION_REQUESTS },
	{ "settle", required_argument, NULL, OPTION_SETTLE },
	{ "shed", no_argument, NULL, OPTION_SHED },
	{ "flood", required_argument, NULL, OPTION_FLOOD },
	{ "flood-rate", required_argument, NULL, OPTION_FLOOD_RATE },
	{ "deposits", required_argument, NULL, OPTION_DEPOSITS },
	{ "hold", required_argument, NULL, OPTION_HOLD },
	{ "interval", required_argument, NULL, OPTION_INTERVAL },
	{ "intervals", required_argument, NULL, OPTION_INTERVALS },
	{ "workload", required_argument, NULL, OPTION_WORKLOAD },
	{ "zipf", required_argument, NULL, OPTION_ZIPF },
	{ "hot", required_argument, NULL, OPTION_HOT },
	{ 0 },
};

/* Options whose value is one number, with its range and where it goes. */
static int take_number(struct bench_options *options, int id, const char *name, const char *text)
{
	uint64_t value = 0;
	int result;

	switch (id) {
	case OPTION_LOCAL_PORT:
		result = number(name, text, 0, UINT16_MAX, &value);
		options->io.local_port = (uint16_t)value;
		break;
	case OPTION_CURRENCY:
		result = number(name, text, 1, 999, &value);
		options->currency = (uint16_t)value;
		break;
	case OPTION_IN_FLIGHT:
		result = number(name, text, 1, 1000000, &value);
		options->in_flight = (uint32_t)value;
		break;
	case OPTION_RATE:
		result = number(name, text, 1, 100000000, &value);
		options->rate = value;
		break;
	case OPTION_MESSAGES:
		result = number(name, text, 1, LIMIT_MESSAGES_PER_DATAGRAM, &value);
		options->messages_per_datagram = (unsigned)value;
		break;
	case OPTION_SECONDS:
		result = number(name, text, 1, 86400, &value);
		options->seconds = (uint32_t)value;
		break;
	case OPTION_WARMUP:
		result = number(name, text, 0, 3600, &value);
		options->warmup_s = (uint32_t)value;
		break;
	case OPTION_DRAIN:
		result = number(name, text, 1, 3600, &value);
		options->drain_s = (uint32_t)value;
		break;
	case OPTION_CPU:
		result = number(name, text, 0, 1023, &value);
		options->io.cpu = (int)value;
		break;
	case OPTION_FLOOD_RATE:
		result = number(name, text, 1, 100000000, &options->flood_rate);
		break;
	case OPTION_DEPOSITS:
		result = number(name, text, 0, 1000, &value);
		options->deposit_permille = (uint16_t)value;
		break;
	case OPTION_HOLD:
		result = number(name, text, 1, 1000000, &value);
		options->hold = (uint32_t)value;
		break;
	case OPTION_INTERVAL:
		result = number(name, text, 1, 3600, &value);
		options->interval_s = (uint32_t)value;
		break;
	case OPTION_REQUESTS:
		result = number(name, text, 1, 1000000000, &options->requests);
		break;
	case OPTION_MEMORY:
		result = number(name, text, 64, 65536, &value);
		options->io.memory_mib = (unsigned)value;
		break;
	default:
		result = number(name, text, 0, UINT64_MAX, &options->seed);
		break;
	}
	return result;
}

static int take_flood(struct bench_options *options, const char *text)
{
	options->flood = flood_kind_of(text);
	if (options->flood != FLOOD_NONE)
		return 0;
	fprintf(stderr, "--flood: give forged, replayed, epoch or unknown.\n");
	return -EINVAL;
}

static int take_mix(struct bench_options *options, int id, const char *name, const char *text)
{
	uint64_t value = 0;
	char *end;

	if (id == OPTION_HOT) {
		if (number(name, text, 1, 1000, &value) != 0)
			return -EINVAL;
		options->hot_permille = (uint16_t)value;
		return 0;
	}
	if (id == OPTION_ZIPF) {
		options->zipf = strtod(text, &end);
		/* Written so that it refuses what is not a number. */
		if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && options->zipf <= ZIPF_S_MAX)
			return 0;
		fprintf(stderr, "--zipf: give a number from 0 to %g, like 1.2.\n", ZIPF_S_MAX);
		return -EINVAL;
	}
	if (strcmp(text, "bets") == 0 || strcmp(text, "mixed") == 0) {
		options->workload = text[0] == 'm' ? WORKLOAD_MIXED : WORKLOAD_BETS;
		return 0;
	}
	fprintf(stderr, "--workload: give bets or mixed.\n");
	return -EINVAL;
}

/* One option. 0, or -EINVAL with the reason printed. */
static int take(struct bench_options *options, int id, const char *name, const char *text)
{
	uint64_t pair[2];
	uint16_t unused;
	char local[64];

	switch (id) {
	case OPTION_PORT:
		options->io.port = text;
		return 0;
	case OPTION_SWITCH:
		if (options_address(text, &options->io.switch_ipv4, &options->io.switch_port) == 0)
			return 0;
		fprintf(
		    stderr, "--switch: give an IPv4 address and a port, like 198.18.0.1:7400.\n");
		return -EINVAL;
	case OPTION_LOCAL:
		snprintf(local, sizeof(local), "%s:1", text);
		if (options_address(local, &options->io.local_ipv4, &unused) == 0)
			return 0;
		fprintf(stderr, "--local: give an IPv4 address, like 198.18.0.2.\n");
		return -EINVAL;
	case OPTION_SESSIONS:
		options->sessions = text;
		return 0;
	case OPTION_ACCOUNTS:
		if (number_pair(name, text, UINT32_MAX, pair) != 0)
			return -EINVAL;
		options->account_first = pair[0];
		options->account_count = (uint32_t)pair[1];
		return 0;
	case OPTION_STAKE:
		if (number_pair(name, text, 1000000000, pair) != 0 || pair[0] > pair[1])
			return -EINVAL;
		options->stake_min = (uint32_t)pair[0];
		options->stake_max = (uint32_t)pair[1];
		return 0;
	case OPTION_SETTLE:
		if (number_pair(name, text, LIMIT_MARKET_SELECTIONS_MAX, pair) != 0)
			return -EINVAL;
		options->settle_market = pair[0];
		options->settle_selections = (uint32_t)pair[1];
		return 0;
	case OPTION_MARKETS:
		options->markets = text;
		return 0;
	case OPTION_ADMIN:
		options->admin = text;
		return 0;
	case OPTION_DISK:
		options->disk = text;
		return 0;
	case OPTION_POLL:
		options->poll = 1;
		return 0;
	case OPTION_HUGEPAGES:
		options->io.hugepages = 1;
		return 0;
	case OPTION_JSON:
		options->json = 1;
		return 0;
	case OPTION_SHED:
		options->shed = 1;
		return 0;
	case OPTION_INTERVALS:
		options->intervals = text;
		return 0;
	case OPTION_FLOOD:
		return take_flood(options, text);
	default:
		return take_number(options, id, name, text);
	}
}

static int options_overload_fit(const struct bench_options *options)
{
	if (options->shed && options->rate == 0) {
		fprintf(stderr, "--shed is of the open loop: give --rate.\n");
		return 0;
	}
	if (options->flood != FLOOD_NONE && strncmp(options->io.port, "memif:", 6) != 0) {
		fprintf(stderr, "--flood names another source: it needs a memif port.\n");
		return 0;
	}
	return 1;
}

static int options_mix_fit(const struct bench_options *options)
{
	if (options->workload != WORKLOAD_BETS && options->deposit_permille > 0) {
		fprintf(stderr, "--deposits is of the workload bets: mixed has deposits in it.\n");
		return 0;
	}
	return 1;
}

static enum options_result options_check(struct bench_options *options, int argc)
{
	if (optind != argc) {
		fprintf(stderr, "Only options are taken. See sluice-bench --help.\n");
		return OPTIONS_USAGE;
	}
	if (options->io.port == NULL || options->io.switch_port == 0 || options->sessions == NULL) {
		fprintf(stderr, "Give --port, --switch and --sessions. See sluice-bench --help.\n");
		return OPTIONS_USAGE;
	}
	if (options->rate > 0 && options->in_flight > 0) {
		fprintf(
		    stderr, "Give --rate (open loop) or --in-flight (closed loop), not both.\n");
		return OPTIONS_USAGE;
	}
	if (!options_overload_fit(options) || !options_mix_fit(options))
		return OPTIONS_USAGE;
	if (options->settle_market != 0 && options->admin == NULL) {
		fprintf(
		    stderr, "--settle needs --admin: the result is given by the admin socket.\n");
		return OPTIONS_USAGE;
	}
	if (options->rate == 0 && options->in_flight == 0)
		options->in_flight = 650;
	if (options->in_flight > 0 && options->in_flight < options->messages_per_datagram) {
		fprintf(stderr,
		    "--in-flight must be at least --messages-per-datagram: a datagram is sent "
		    "whole.\n");
		return OPTIONS_USAGE;
	}
	if (options->io.local_port == 0 && strcmp(options->io.port, "udp") != 0)
		options->io.local_port = 7401;
	return OPTIONS_RUN;
}

enum options_result options_parse(struct bench_options *options, int argc, char **argv)
{
	int id, index = 0;

	*options = (struct bench_options){
		.io = { .local_ipv4 = 198u << 24 | 18u << 16 | 2u, .cpu = -1, .memory_mib = 256 },
		.account_first = 1,
		.account_count = 100000,
		.seed = 1,
		.seconds = 10,
		.warmup_s = 2,
		.drain_s = 60,
		.flood_rate = 10000,
		.interval_s = 60,
		.stake_min = 100,
		.stake_max = 1000,
		.messages_per_datagram = 1,
		.currency = 410,
	};
	while ((id = getopt_long(argc, argv, "", long_options, &index)) != -1) {
		if (id == OPTION_HELP) {
			usage(stdout);
			return OPTIONS_DONE;
		}
		if (id == OPTION_VERSION) {
			puts("sluice-bench " SLUICE_VERSION);
			return OPTIONS_DONE;
		}
		if (id == OPTION_WORKLOAD || id == OPTION_ZIPF || id == OPTION_HOT) {
			if (take_mix(options, id, long_options[index].name, optarg) != 0)
				return OPTIONS_USAGE;
			continue;
		}
		if (id == '?' || take(options, id, long_options[index].name, optarg) != 0)
			return OPTIONS_USAGE;
	}
	return options_check(options, argc);
}
