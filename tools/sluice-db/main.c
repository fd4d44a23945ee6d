/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>
#include <limits.h>
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/sluice-db/backup.h"
#include "tools/sluice-db/shadow.h"

static const char help[] =
    "sluice-db: looks into journal and LMDB of a shard. The data plane may run. Backup,\n"
    "restore and reshard write where nothing is yet, migrate and repair where no process runs.\n"
    "\n"
    "  sluice-db stat   [--json]                 files, LSNs, row counts\n"
    "  sluice-db dump   [--from LSN] [--to LSN] [--terminal ID] [--account ID] [--json]\n"
    "  sluice-db verify [--transit-max SECONDS] [--json]\n"
    "                                            derives every balance again from the log and\n"
    "                                            compares it with rows, journal and the other\n"
    "                                            shards; transfers may be under way for as long\n"
    "                                            (default 60 s)\n"
    "  sluice-db shadow --from-time TIME [--to-time TIME] [--rules FILE] [--base DIR]\n"
    "        [--model VERSION] [--examples N] [--json]\n"
    "                                            decides the requests of a time range anew, on\n"
    "                                            the state of then, by a file of rules (lines\n"
    "                                            key: value; what it leaves out stays as it was;\n"
    "                                            without it by the rules of then, which must\n"
    "                                            change nothing); --base: a backup from before\n"
    "                                            the range, when the log does not go back so\n"
    "                                            far; --model: asks this one of the root's models\n"
    "                                            beside the rules, whatever they ask\n"
    "  sluice-db restore --from-postgres CONNINFO [--passfile FILE] [--cut] [--json]\n"
    "                                            builds a root again from what replication\n"
    "                                            brought to PostgreSQL; --cut leaves out the\n"
    "                                            last events of shards that are ahead of the\n"
    "                                            others, without which it refuses such\n"
    "\n"
    "  sluice-db backup create ROOT DIRECTORY [--label TEXT] [--json]\n"
    "                                            a backup of a root, whose switch may run\n"
    "  sluice-db backup verify DIRECTORY [--json]\n"
    "                                            files, chains, every balance, state hashes\n"
    "  sluice-db backup list DIRECTORY [--json]  the backups in it\n"
    "  sluice-db backup restore DIRECTORY ROOT [--to-time TIME | --to-lsn SHARD:LSN,...]\n"
    "        [--archive DIRECTORY] [--cut] [--json]\n"
    "                                            an empty root made of a backup: as it ends, or\n"
    "                                            at a time (UTC, 2026-11-21T10:00:00Z); with an\n"
    "                                            archive (a later backup, a root, shards' logs)\n"
    "                                            also after the backup\n"
    "  sluice-db reshard ROOT NEW_ROOT --shards N [--json]\n"
    "                                            the same switch with N shards; it is stopped, "
    "and\n"
    "                                            nothing may be under way between shards\n"
    "  sluice-db migrate ROOT [--dry-run]        brings a stopped root to this program's formats\n"
    "\n"
    "  sluice-db journal status [--json]         segments, seals\n"
    "  sluice-db journal verify [--archive DIR] [--json]\n"
    "                                            the chain of seals, and segments and archive\n"
    "                                            files against them\n"
    "  sluice-db archive list|verify [--archive DIR] [--json]\n"
    "                                            archive files (in DIR/shard-N, default\n"
    "                                            ROOT/var/lib/sluice/archive), each by itself\n"
    "  sluice-db archive extract FILE OUT        the sealed bytes of a segment\n"
    "  sluice-db repair --shard N [--cut-damaged-tail] [--yes-lose-acknowledged] [--json]\n"
    "                                            a journal that a start refuses is moved aside\n"
    "                                            and a new one begun behind the last event that\n"
    "                                            can be had; without the flags it only tells\n"
    "                                            (also says what is damaged of log and rows, and\n"
    "                                            the remedy)\n"
    "  sluice-db repair --shard N --rebuild-rows [--json]\n"
    "                                            damaged rows, made anew from a log that goes\n"
    "                                            back to the first event\n"
    "  sluice-db repair --shard N --rebuild-index [--json]\n"
    "                                            the index of requests of the log, made anew from\n"
    "                                            the log's events\n"
    "\n"
    "  --root DIR     SLUICE_ROOT (default: the environment's, else build/sluice)\n"
    "  --shard N      one shard instead of all\n"
    "  --help, --version\n"
    "\n"
    "Exit status: 0 done, 1 mismatch or damage, 2 usage, 3 nothing there to read.\n";

static int usage(const char *why, const char *what)
{
	fprintf(stderr, "sluice-db: %s%s; see sluice-db --help\n", why, what);
	return EXIT_USAGE;
}

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

/* 1 taken, 0 wrong value, -1 the program is done. */
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
		return strlen(optarg) <= 64;
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
	case CHOICE_HELP:
		fputs(help, stdout);
		return -1;
	case CHOICE_VERSION:
		printf("sluice-db %s (schema %d)\n", SLUICE_VERSION, SCHEMA_VERSION);
		return -1;
	default:
		return choose_repair(options, choice) || choose_shadow(options, choice);
	}
}

/* 1 when a folder of a shard is there and must not be read: that is neither damage nor an empty
 * store. */
static int is_forbidden(const char *path)
{
	DIR *directory = opendir(path);
	struct dirent *entry;
	char inner[PATH_MAX + 260];
	int forbidden = directory == NULL && (errno == EACCES || errno == EPERM);

	while (directory != NULL && !forbidden && (entry = readdir(directory)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);
		/* Files (reports of repair) are not executable, not even for root. */
		forbidden = access(inner, entry->d_type == DT_DIR ? R_OK | X_OK : R_OK) != 0 &&
		            errno == EACCES;
	}
	if (directory != NULL)
		closedir(directory);
	if (forbidden)
		fprintf(stderr,
		    "sluice-db: no permission to read %s; run as the user of the data plane\n",
		    path);
	return forbidden;
}

static int shards_forbidden(const struct options *options)
{
	char path[PATH_MAX];

	for (uint32_t shard = 0; shard < LIMIT_SHARDS; shard++) {
		shard_path(options, shard, path);
		if (is_forbidden(path))
			return 1;
	}
	return 0;
}

/*
 * LMDB's files are mapped: where a page cannot be given back, reading it is a SIGBUS, and where one
 * is not what LMDB wrote, it stops at an assertion. What was read is lost to this process; nothing
 * more can be said than this.
 */
static void unreadable_end(int number)
{
	static const char words[] =
	    "sluice-db: a database file (data.mdb of a shard's rows, of a log, or of control) "
	    "cannot be read: it was cut short or changed, or the disk failed. Copy what is left, "
	    "compare the files' sizes with an older copy, and restore the root (sluice-db backup "
	    "restore, or restore --from-postgres).\n";

	(void)number;
	(void)!write(STDERR_FILENO, words, sizeof(words) - 1);
	_exit(EXIT_MISSING);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(const struct options *options);
		int words_max; /* behind it */
	} commands[] = {
		{ "stat", command_stat, 0 },
		{ "dump", command_dump, 0 },
		{ "verify", command_verify, 0 },
		{ "shadow", command_shadow, 0 },
		{ "restore", command_restore, 0 },
		{ "backup", command_backup, 3 },
		{ "reshard", command_reshard, 2 },
		{ "migrate", command_migrate, 1 },
		{ "journal", command_journal, 1 },
		{ "archive", command_archive, 3 },
		{ "repair", command_repair, 0 },
	};
	struct options options = {
		.root = getenv("SLUICE_ROOT"),
		.to = UINT64_MAX,
		.shard = -1,
		.transit_max_s = 60,
		.examples = -1,
	};
	int choice;

	if (options.root == NULL)
		options.root = "build/sluice";
	signal(SIGBUS, unreadable_end);
	signal(SIGABRT, unreadable_end);
	while ((choice = getopt_long(argc, argv, "", choices, NULL)) != -1) {
		int taken = choose(&options, choice);

		if (taken < 0)
			return EXIT_DONE;
		if (taken == 0)
			return choice == '?' ? EXIT_USAGE
			                     : usage("not a number in range: ", optarg);
	}
	if (optind == argc)
		return usage("a command is missing", "");
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(commands); i++) {
		if (strcmp(argv[optind], commands[i].name) == 0) {
			int code;

			if (argc - optind - 1 > commands[i].words_max)
				return usage("one command at a time", "");
			while (++optind < argc)
				options.words[options.word_count++] = argv[optind];
			code =
			    shards_forbidden(&options) ? EXIT_MISSING : commands[i].run(&options);

			if (fflush(stdout) != 0 || ferror(stdout)) {
				fprintf(stderr, "sluice-db: cannot write the output\n");
				return EXIT_MISSING;
			}
			return code;
		}
	}
	return usage("unknown command: ", argv[optind]);
}
