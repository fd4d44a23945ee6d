/* SPDX-License-Identifier: Apache-2.0 */
/* sluice-db: its options, and which command takes which. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/sluice-db/choices.h"
#include "tools/sluice-db/shadow.h"

#define LABEL_MAX 64

static int number(const char *text, uint64_t max, uint64_t *value)
{
	char *end;
	unsigned long long parsed;

	errno = 0;
	parsed = strtoull(text, &end, 0);
	if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || parsed > max)
		return 0;
	*value = parsed;
	return 1;
}

enum choice {
	CHOICE_ROOT = 1,
	CHOICE_SHARD,
	CHOICE_FROM,
	CHOICE_TO,
	CHOICE_TERMINAL,
	CHOICE_ACCOUNT,
	CHOICE_JSON,
	CHOICE_TRANSIT_MAX,
	CHOICE_FROM_POSTGRES,
	CHOICE_PASSFILE,
	CHOICE_CUT,
	CHOICE_LABEL,
	CHOICE_TO_TIME,
	CHOICE_TO_LSN,
	CHOICE_ARCHIVE,
	CHOICE_SHARDS,
	CHOICE_DRY_RUN,
	CHOICE_CUT_DAMAGED_TAIL,
	CHOICE_REBUILD_INDEX,
	CHOICE_REBUILD_ROWS,
	CHOICE_YES_LOSE_ACKNOWLEDGED,
	CHOICE_FROM_TIME,
	CHOICE_RULES,
	CHOICE_BASE,
	CHOICE_EXAMPLES,
	CHOICE_MODEL,
	CHOICE_HELP,
	CHOICE_VERSION,
};

static const struct option choices[] = {
	{ "root", required_argument, NULL, CHOICE_ROOT },
	{ "shard", required_argument, NULL, CHOICE_SHARD },
	{ "from", required_argument, NULL, CHOICE_FROM },
	{ "to", required_argument, NULL, CHOICE_TO },
	{ "terminal", required_argument, NULL, CHOICE_TERMINAL },
	{ "account", required_argument, NULL, CHOICE_ACCOUNT },
	{ "json", no_argument, NULL, CHOICE_JSON },
	{ "transit-max", required_argument, NULL, CHOICE_TRANSIT_MAX },
	{ "from-postgres", required_argument, NULL, CHOICE_FROM_POSTGRES },
	{ "passfile", required_argument, NULL, CHOICE_PASSFILE },
	{ "cut", no_argument, NULL, CHOICE_CUT },
	{ "label", required_argument, NULL, CHOICE_LABEL },
	{ "to-time", required_argument, NULL, CHOICE_TO_TIME },
	{ "to-lsn", required_argument, NULL, CHOICE_TO_LSN },
	{ "archive", required_argument, NULL, CHOICE_ARCHIVE },
	{ "shards", required_argument, NULL, CHOICE_SHARDS },
	{ "dry-run", no_argument, NULL, CHOICE_DRY_RUN },
	{ "cut-damaged-tail", no_argument, NULL, CHOICE_CUT_DAMAGED_TAIL },
	{ "rebuild-index", no_argument, NULL, CHOICE_REBUILD_INDEX },
	{ "rebuild-rows", no_argument, NULL, CHOICE_REBUILD_ROWS },
	{ "yes-lose-acknowledged", no_argument, NULL, CHOICE_YES_LOSE_ACKNOWLEDGED },
	{ "from-time", required_argument, NULL, CHOICE_FROM_TIME },
	{ "rules", required_argument, NULL, CHOICE_RULES },
	{ "base", required_argument, NULL, CHOICE_BASE },
	{ "examples", required_argument, NULL, CHOICE_EXAMPLES },
	{ "model", required_argument, NULL, CHOICE_MODEL },
	{ "help", no_argument, NULL, CHOICE_HELP },
	{ "version", no_argument, NULL, CHOICE_VERSION },
	{ NULL, 0, NULL, 0 },
};

/* Those of repair. */
static int choose_repair(struct options *options, int choice)
{
	switch (choice) {
	case CHOICE_CUT_DAMAGED_TAIL:
		options->cut_damaged_tail = 1;
		return 1;
	case CHOICE_REBUILD_INDEX:
		options->rebuild_index = 1;
		return 1;
	case CHOICE_REBUILD_ROWS:
		options->rebuild_rows = 1;
		return 1;
	case CHOICE_YES_LOSE_ACKNOWLEDGED:
		options->yes_lose_acknowledged = 1;
		return 1;
	default:
		return 0;
	}
}

/* Those of shadow. */
static int choose_shadow(struct options *options, int choice)
{
	uint64_t value;

	switch (choice) {
	case CHOICE_FROM_TIME:
		options->from_time = optarg;
		return 1;
	case CHOICE_RULES:
		options->rules = optarg;
		return 1;
	case CHOICE_BASE:
		options->base = optarg;
		return 1;
	case CHOICE_EXAMPLES:
		if (!number(optarg, SHADOW_EXAMPLES_MAX, &value))
			return 0;
		options->examples = (int)value;
		return 1;
	case CHOICE_MODEL:
		return number(optarg, UINT32_MAX, &options->model) && options->model != 0;
	default:
		return 0;
	}
}

/* As the manifest of a backup holds it. */
static int label_is(const char *text)
{
	json_t *json = json_string(text); /* NULL: no UTF-8 */
	int is = json != NULL && strlen(text) <= LABEL_MAX;

	json_decref(json);
	return is;
}

/* 1 taken, 0 wrong value. */
static int choose(struct options *options, int choice)
{
	uint64_t value;

	switch (choice) {
	case CHOICE_ROOT:
		options->root = optarg;
		return 1;
	case CHOICE_SHARD:
		if (!number(optarg, LIMIT_SHARDS - 1, &value))
			return 0;
		options->shard = (int)value;
		return 1;
	case CHOICE_FROM:
		return number(optarg, UINT64_MAX, &options->from);
	case CHOICE_TO:
		return number(optarg, UINT64_MAX, &options->to);
	case CHOICE_TERMINAL:
		return number(optarg, LIMIT_TERMINAL_ID_MAX, &options->terminal);
	case CHOICE_ACCOUNT:
		return number(optarg, UINT64_MAX, &options->account);
	case CHOICE_TRANSIT_MAX:
		return number(optarg, UINT32_MAX, &options->transit_max_s);
	case CHOICE_FROM_POSTGRES:
		options->from_postgres = optarg;
		return 1;
	case CHOICE_PASSFILE:
		options->passfile = optarg;
		return 1;
	case CHOICE_CUT:
		options->cut = 1;
		return 1;
	case CHOICE_LABEL:
		options->label = optarg;
		return label_is(optarg);
	case CHOICE_TO_TIME:
		options->to_time = optarg;
		return 1;
	case CHOICE_TO_LSN:
		options->to_lsn = optarg;
		return 1;
	case CHOICE_ARCHIVE:
		options->archive = optarg;
		return 1;
	case CHOICE_DRY_RUN:
		options->dry_run = 1;
		return 1;
	case CHOICE_SHARDS:
		return number(optarg, LIMIT_SHARDS, &options->shards_wanted);
	case CHOICE_JSON:
		options->json = 1;
		return 1;
	default:
		return choose_repair(options, choice) || choose_shadow(options, choice);
	}
}

/* ---- Which command takes which ---- */

#define ONE(name) (UINT64_C(1) << CHOICE_##name)
#define READS     (ONE(ROOT) | ONE(SHARD) | ONE(JSON))
#define SHADOW    (ONE(FROM_TIME) | ONE(RULES) | ONE(BASE) | ONE(EXAMPLES) | ONE(MODEL))
#define REPAIR                                                                                     \
	(ONE(CUT_DAMAGED_TAIL) | ONE(YES_LOSE_ACKNOWLEDGED) | ONE(REBUILD_ROWS) |                  \
	    ONE(REBUILD_INDEX))

_Static_assert(CHOICE_VERSION < 64, "a bit each");

static const struct taker {
	const char *command, *verb; /* verb NULL: it has none */
	uint64_t takes;
} takers[] = {
	{ "stat", NULL, READS },
	{ "dump", NULL, READS | ONE(FROM) | ONE(TO) | ONE(TERMINAL) | ONE(ACCOUNT) },
	{ "verify", NULL, READS | ONE(TRANSIT_MAX) | ONE(ARCHIVE) },
	{ "shadow", NULL, READS | ONE(TO_TIME) | SHADOW },
	{ "restore", NULL, ONE(ROOT) | ONE(JSON) | ONE(FROM_POSTGRES) | ONE(PASSFILE) | ONE(CUT) },
	{ "backup", "create", ONE(LABEL) | ONE(JSON) },
	{ "backup", "verify", ONE(JSON) },
	{ "backup", "list", ONE(JSON) },
	{ "backup", "restore", ONE(TO_TIME) | ONE(TO_LSN) | ONE(ARCHIVE) | ONE(CUT) | ONE(JSON) },
	{ "reshard", NULL, ONE(SHARDS) | ONE(JSON) },
	{ "migrate", NULL, ONE(DRY_RUN) },
	{ "journal", "status", READS },
	{ "journal", "verify", READS | ONE(ARCHIVE) },
	{ "archive", "list", READS | ONE(ARCHIVE) },
	{ "archive", "verify", READS | ONE(ARCHIVE) },
	{ "archive", "extract", 0 },
	{ "repair", NULL, READS | REPAIR },
};

/* NULL: no such command; which there are its own usage says. */
static const struct taker *taker_find(const struct options *options)
{
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(takers); i++) {
		const struct taker *taker = &takers[i];

		if (strcmp(options->command, taker->command) != 0)
			continue;
		if (taker->verb == NULL ||
		    (options->word_count > 0 && strcmp(options->words[0], taker->verb) == 0))
			return taker;
	}
	return NULL;
}

/* "--a, --b" of a set. */
static void names_write(uint64_t set, char *text, size_t size)
{
	size_t at = 0;

	snprintf(text, size, "no option");
	for (const struct option *option = choices; option->name != NULL; option++)
		if ((set >> option->val & 1) != 0 && at < size)
			at += (size_t)snprintf(
			    text + at, size - at, "%s--%s", at == 0 ? "" : ", ", option->name);
}

static enum choices_result given_check(
    const struct options *options, uint64_t given, char why[CHOICES_WHY])
{
	const struct taker *taker = taker_find(options);
	char wrong[160], takes[200];

	if (taker == NULL || (given & ~taker->takes) == 0)
		return CHOICES_TAKEN;
	names_write(given & ~taker->takes, wrong, sizeof(wrong));
	names_write(taker->takes, takes, sizeof(takes));
	snprintf(why, CHOICES_WHY, "%s%s%s does not take %s; it takes %s", taker->command,
	    taker->verb == NULL ? "" : " ", taker->verb == NULL ? "" : taker->verb, wrong, takes);
	return CHOICES_WRONG;
}

static enum choices_result value_refuse(int choice, char why[CHOICES_WHY])
{
	const struct option *option = choices;

	while (option->val != choice && option->name != NULL)
		option++;
	snprintf(why, CHOICES_WHY, "--%s: %s: %.100s", option->name,
	    choice == CHOICE_LABEL ? "at most 64 bytes of UTF-8 text, not"
	                           : "not a number in range",
	    optarg);
	return CHOICES_WRONG;
}

/* "backup/" is "backup": paths inside are found behind its name, and names put beside it. */
static void slashes_cut(char *word)
{
	size_t length = strlen(word);

	while (length > 1 && word[length - 1] == '/')
		word[--length] = '\0';
}

enum choices_result choices_read(
    int argc, char **argv, struct options *options, char why[CHOICES_WHY])
{
	uint64_t given = 0;
	int choice;

	while ((choice = getopt_long(argc, argv, "", choices, NULL)) != -1) {
		if (choice == CHOICE_HELP)
			return CHOICES_HELP;
		if (choice == CHOICE_VERSION)
			return CHOICES_VERSION;
		if (choice == '?')
			return CHOICES_SAID;
		if (!choose(options, choice))
			return value_refuse(choice, why);
		given |= UINT64_C(1) << choice;
	}
	if (optind == argc) {
		snprintf(why, CHOICES_WHY, "a command is missing");
		return CHOICES_WRONG;
	}
	options->command = argv[optind];
	while (++optind < argc && options->word_count < (int)SLUICE_ARRAY_COUNT(options->words)) {
		slashes_cut(argv[optind]);
		options->words[options->word_count++] = argv[optind];
	}
	return given_check(options, given, why);
}
