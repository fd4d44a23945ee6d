/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sluice-db migrate: brings a stopped root to this program's formats, one version after the other.
 *
 * A step brings one part from a version to the next, in place; it must be repeatable (after a crash
 * in the middle it runs again from the start) and raise the part's version as the last thing it
 * makes durable. All parts are looked at before anything is changed: a part that is newer than this
 * program, or older than any step, stops all. Take a backup first; migrate tells so.
 *
 * Schema version 1 (shards and control) and journal.meta version 1 were in no release; of these
 * journal.meta alone is still read (it lacks only the base). Fixtures of what each version writes
 * are in tests/fixtures: each step is tested on the one it starts from.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "lmdb-schema/control_rows.h"
#include "tools/sluice-db/backup.h"

enum part {
	PART_SHARD,
	PART_CONTROL,
};

struct step {
	enum part part;
	uint32_t from; /* brings it to from + 1 */
	const char *what;
	int (*run)(const char *directory); /* 0 or -errno */
};

static int version_body(struct db_txn *txn, void *context)
{
	(void)context;
	return schema_version_write(txn);
}

/* Logs of before keep their index and are read as they are; the next event begins a new one. */
static int shard_2_to_3(const char *directory)
{
	struct db_env *env;
	int error = schema_rows_open(&env, directory, 0);

	if (error != 0)
		return error;
	error = db_write(env, version_body, NULL);
	db_env_close(env);
	return error;
}

/* In order. */
static const struct step steps[] = {
	{ PART_SHARD, 2, "new logs keep their index of requests in runs", shard_2_to_3 },
};

static const struct {
	const char *name;
	uint32_t known, first; /* first: the oldest version a release wrote */
} parts[] = {
	[PART_SHARD] = { "schema", SCHEMA_VERSION, SCHEMA_VERSION_FIRST },
	[PART_CONTROL] = { "control's schema", CONTROL_SCHEMA_VERSION, 2 },
};

static int version_get(struct db_env *env, unsigned table, uint32_t *version)
{
	struct db_bytes value;
	struct le32 field;
	struct db_txn txn;
	int error = db_read_open(&txn, env);

	if (error != 0)
		return error;
	error = db_read_begin(&txn);
	if (error == 0)
		error = db_get(&txn, table, (struct db_bytes){ "version", 7 }, &value);
	if (error == 0 && value.size != sizeof(field))
		error = -EBADMSG;
	if (error == 0) {
		memcpy(&field, value.data, sizeof(field));
		*version = le32_get(field);
	}
	db_read_close(&txn);
	return error;
}

static int version_read(enum part part, const char *directory, uint32_t *version)
{
	struct db_env *env;
	int error = part == PART_SHARD ? schema_rows_open(&env, directory, 1)
	                               : control_schema_open(&env, directory, 1);

	if (error != 0)
		return error;
	error = version_get(
	    env, part == PART_SHARD ? (unsigned)SCHEMA_META : CONTROL_TABLE_META, version);
	db_env_close(env);
	return error;
}

static int refuse(const char *directory, const char *what)
{
	fprintf(stderr, "sluice-db: %s: %s\n", directory, what);
	return EXIT_MISMATCH;
}

/* The journal has its own reader, which says whether it knows it. */
static int journal_check(const char *shard_directory, uint32_t shard)
{
	char path[PATH_MAX + 16];
	struct journal_config config = { .directory = path, .shard = shard, .allow_volatile = 1 };
	struct journal_identity identity;
	int error;

	snprintf(path, sizeof(path), "%s/journal", shard_directory);
	error = journal_identity_read(&config, &identity);
	if (error == -EPROTO)
		return refuse(path,
		    "the journal is of a newer version than this program knows. Run the program "
		    "version that wrote it, or a newer one");
	if (error != 0 && error != -ENOENT)
		return refuse(path, "journal.meta cannot be read; run sluice-db verify");
	return EXIT_DONE;
}

/* What stands against it, or the version in *version. */
static int part_check(enum part part, const char *directory, uint32_t *version)
{
	char what[300];
	int error = version_read(part, directory, version);

	if (error != 0) {
		snprintf(what, sizeof(what),
		    "its version cannot be read (%s); run sluice-db verify", strerror(-error));
		return refuse(directory, what);
	}
	if (*version > parts[part].known) {
		snprintf(what, sizeof(what),
		    "%s version %u is newer than this program's %u. Run the program version that "
		    "wrote it, or a newer one",
		    parts[part].name, *version, parts[part].known);
		return refuse(directory, what);
	}
	if (*version < parts[part].first) {
		snprintf(what, sizeof(what),
		    "%s version %u cannot be migrated: nothing was released before version %u. "
		    "Begin anew: another root, or tools/down --wipe",
		    parts[part].name, *version, parts[part].first);
		return refuse(directory, what);
	}
	return EXIT_DONE;
}

/* Runs (or, dry, tells) every step of one part. */
static int part_migrate(enum part part, const char *directory, uint32_t version, int dry)
{
	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(steps); i++) {
		int error;

		if (steps[i].part != part || steps[i].from != version)
			continue;
		printf("%s: %s %u to %u: %s\n", directory, parts[part].name, version, version + 1,
		    steps[i].what);
		error = dry ? 0 : steps[i].run(directory);
		if (error != 0)
			return refuse(directory, strerror(-error));
		version++;
	}
	return version == parts[part].known
	           ? EXIT_DONE
	           : refuse(directory, "there is no step from its version");
}

static int is_running(const char *root)
{
	char path[PATH_MAX];
	int fd, running;

	snprintf(path, sizeof(path), "%s/run/sluice/dataplane.pid", root);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	running = flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
	close(fd);
	return running;
}

struct found {
	char path[PATH_MAX];
	enum part part;
	uint32_t version;
};

static int all_check(const struct options *options, struct found *found, unsigned *count)
{
	uint32_t shards[LIMIT_SHARDS];
	int shard_count = shards_find(options, shards), code = EXIT_DONE;

	*count = 0;
	if (shard_count < 0)
		return refuse(options->root, "no shard under var/lib/sluice; check the root");
	for (int i = 0; i < shard_count && code == EXIT_DONE; i++) {
		struct found *at = &found[(*count)++];

		at->part = PART_SHARD;
		shard_path(options, shards[i], at->path);
		code = part_check(PART_SHARD, at->path, &at->version);
		if (code == EXIT_DONE)
			code = journal_check(at->path, shards[i]);
	}
	if (code == EXIT_DONE) {
		struct found *at = &found[*count];

		at->part = PART_CONTROL;
		snprintf(
		    at->path, sizeof(at->path), "%.4000s/" BACKUP_DATA "/control", options->root);
		if (access(at->path, F_OK) == 0) {
			(*count)++;
			code = part_check(PART_CONTROL, at->path, &at->version);
		}
	}
	return code;
}

int command_migrate(const struct options *options)
{
	static struct found found[LIMIT_SHARDS + 1];
	struct options own = *options;
	unsigned count = 0, old = 0;
	int code;

	if (options->word_count != 1) {
		fprintf(stderr, "sluice-db: migrate needs ROOT; see sluice-db --help\n");
		return EXIT_USAGE;
	}
	own.root = options->words[0];
	own.shard = -1;
	code = all_check(&own, found, &count);
	for (unsigned i = 0; i < count; i++)
		old += found[i].version < parts[found[i].part].known;
	if (code == EXIT_DONE && old == 0) {
		printf("nothing to do: schema %u, control's schema %u, journal %u are this "
		       "program's\n",
		    SCHEMA_VERSION, CONTROL_SCHEMA_VERSION, JOURNAL_VERSION);
		return EXIT_DONE;
	}
	if (code == EXIT_DONE && !options->dry_run && is_running(own.root))
		return refuse(own.root, "the data plane runs; stop it, take a backup, try again");
	for (unsigned i = 0; i < count && code == EXIT_DONE; i++)
		code =
		    part_migrate(found[i].part, found[i].path, found[i].version, options->dry_run);
	return code;
}
