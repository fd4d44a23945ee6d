/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>
#include <limits.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/sluice-db/backup.h"
#include "tools/sluice-db/choices.h"

static const char help[] =
    "sluice-db: looks into journal and LMDB of a shard. The data plane may run. Backup,\n"
    "restore and reshard write where nothing is yet, migrate and repair where no process runs.\n"
    "\n"
    "  sluice-db stat   [--json]                 files, LSNs, row counts\n"
    "  sluice-db dump   [--from LSN] [--to LSN] [--terminal ID] [--account ID] [--json]\n"
    "  sluice-db verify [--transit-max SECONDS] [--archive DIR] [--json]\n"
    "                                            derives every balance again from the log and\n"
    "                                            compares it with rows, journal and the other\n"
    "                                            shards; transfers may be under way for as long\n"
    "                                            (default 60 s); reads the archive, too, where\n"
    "                                            the journal says it is, or in DIR/shard-N\n"
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
    "                                            archive files (in DIR/shard-N, default where\n"
    "                                            the journal says), each by itself\n"
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
    "  --root DIR     SLUICE_ROOT (default: the environment's, else build/sluice), where it is no\n"
    "                 argument\n"
    "  --shard N      one shard instead of all, where all are read\n"
    "  --help, --version\n"
    "\n"
    "Exit status: 0 done, 1 mismatch or damage, 2 usage, 3 nothing there to read.\n";

static int usage(const char *why, const char *what)
{
	fprintf(stderr, "sluice-db: %s%s; see sluice-db --help\n", why, what);
	return EXIT_USAGE;
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
	char why[CHOICES_WHY];
	int code;

	if (options.root == NULL)
		options.root = "build/sluice";
	signal(SIGBUS, unreadable_end);
	signal(SIGABRT, unreadable_end);
	switch (choices_read(argc, argv, &options, why)) {
	case CHOICES_HELP:
		fputs(help, stdout);
		return EXIT_DONE;
	case CHOICES_VERSION:
		printf("sluice-db %s (schema %d)\n", SLUICE_VERSION, SCHEMA_VERSION);
		return EXIT_DONE;
	case CHOICES_SAID:
		return EXIT_USAGE;
	case CHOICES_WRONG:
		return usage(why, "");
	case CHOICES_TAKEN:
		break;
	}
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(commands); i++) {
		if (strcmp(options.command, commands[i].name) != 0)
			continue;
		if (options.word_count > commands[i].words_max)
			return usage("one command at a time", "");
		code = shards_forbidden(&options) ? EXIT_MISSING : commands[i].run(&options);
		if (fflush(stdout) != 0 || ferror(stdout)) {
			fprintf(stderr, "sluice-db: cannot write the output\n");
			return EXIT_MISSING;
		}
		return code;
	}
	return usage("unknown command: ", options.command);
}
