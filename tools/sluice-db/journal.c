/* SPDX-License-Identifier: Apache-2.0 */
/* journal status|verify and archive list|verify|extract: seals and archive, read only. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/journal/archive.h"
#include "dataplane/journal/manifest.h"
#include "tools/sluice-db/db.h"

static void journal_config_of(const struct options *options, uint32_t shard,
    struct journal_config *config, char directory[PATH_MAX + 16])
{
	char path[PATH_MAX];

	shard_path(options, shard, path);
	snprintf(directory, PATH_MAX + 16, "%s/journal", path);
	*config =
	    (struct journal_config){ .directory = directory, .shard = shard, .allow_volatile = 1 };
}

/* What `run` makes of these shards, and the worst exit code; `all`: none may be missing. */
static int each_shard(const struct options *options, const char *schema,
    int (*run)(const struct options *options, uint32_t shard, json_t *object),
    const uint32_t *shards, int count, int all)
{
	struct damage damage = { 0 };
	int code = EXIT_DONE;
	json_t *list = json_array(), *root;

	for (int i = 0; i < count; i++) {
		json_t *object = json_pack("{s:i}", "shard", (int)shards[i]);
		int result = run(options, shards[i], object);

		if (result > code)
			code = result;
		json_array_append_new(list, object);
	}
	if (all && options->shard < 0 && root_shards_check(options, &damage) != 0) {
		fprintf(stderr, "sluice-db: %s\n", damage.what);
		code = EXIT_MISMATCH;
	}
	root =
	    json_pack("{s:s, s:b, s:o}", "schema", schema, "ok", code == EXIT_DONE, "shards", list);
	if (options->json) {
		json_dumpf(root, stdout, JSON_INDENT(2));
		printf("\n");
	}
	json_decref(root);
	return code;
}

/* The root's shards. */
static int root_shards(const struct options *options, const char *schema,
    int (*run)(const struct options *options, uint32_t shard, json_t *object), int all)
{
	uint32_t shards[LIMIT_SHARDS];
	int count = shards_find(options, shards);

	if (count < 0) {
		fprintf(stderr, "sluice-db: no shard under %s/var/lib/sluice; check --root\n",
		    options->root);
		return EXIT_MISSING;
	}
	return each_shard(options, schema, run, shards, count, all);
}

/* The archive's shards, and those of the root if there is one: none may be missing. Where an
 * archive is needed most, nothing is left but it. */
static int archive_shards(const struct options *options, const char *schema,
    int (*run)(const struct options *options, uint32_t shard, json_t *object))
{
	uint32_t shards[LIMIT_SHARDS], known[LIMIT_SHARDS];
	int count, known_count;

	if (options->archive == NULL)
		return root_shards(options, schema, run, 0);
	count = shards_find_in(options->archive, options->shard, shards);
	known_count = shards_find(options, known);
	for (int i = 0; i < known_count && count >= 0; i++) {
		int at = 0;

		while (at < count && shards[at] != known[i])
			at++;
		if (at == count && count < LIMIT_SHARDS)
			shards[count++] = known[i];
	}
	if (count < 0) {
		fprintf(stderr,
		    "sluice-db: no directory shard-N in %s; give the one that holds them with "
		    "--archive\n",
		    options->archive);
		return EXIT_MISSING;
	}
	return each_shard(options, schema, run, shards, count, 0);
}

static void set_number(json_t *object, const char *name, uint64_t value)
{
	json_object_set_new(object, name, json_integer((json_int_t)value));
}

static int status_shard(const struct options *options, uint32_t shard, json_t *object)
{
	char directory[PATH_MAX + 16], why[256] = "";
	struct journal_manifest manifest = { 0 };
	struct journal_identity identity;
	struct journal_config config;
	struct journal_reader *reader;
	uint64_t oldest = 0, newest = 0;
	int fd, result;

	journal_config_of(options, shard, &config, directory);
	result = journal_identity_read(&config, &identity);
	if (result != 0) {
		json_object_set_new(object, "error", json_string(strerror(-result)));
		if (!options->json)
			printf("shard %u: journal.meta: %s\n", shard,
			    result == -EPROTO ? "written by a newer version" : strerror(-result));
		return result == -ENOENT ? EXIT_MISSING : EXIT_MISMATCH;
	}
	if (journal_reader_open(&reader, &config) == 0) {
		(void)!journal_reader_range(reader, &oldest, &newest);
		journal_reader_close(reader);
	}
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	result = fd < 0 ? -errno
	                : journal_manifest_read(
	                      fd, shard, identity.incarnation, &manifest, why, sizeof(why));
	if (fd >= 0)
		close(fd);
	if (result == -ENOENT)
		snprintf(why, sizeof(why), "nothing is sealed yet");
	set_number(object, "oldest_segment", oldest);
	set_number(object, "newest_segment", newest);
	set_number(object, "incarnation", identity.incarnation);
	set_number(object, "boot_counter", identity.boot_counter);
	set_number(object, "kept_lsn", identity.kept_lsn);
	set_number(object, "first_sealed_segment", manifest.header.first_generation);
	set_number(object, "sealed_segment",
	    manifest.next_generation == 0 ? 0 : manifest.next_generation - 1);
	set_number(object, "sealed_lsn", manifest.last_lsn);
	set_number(object, "torn_bytes", manifest.torn);
	json_object_set_new(object, "chain", json_string(manifest.chain));
	json_object_set_new(object, "message", json_string(why));
	if (!options->json)
		printf("shard %u: segments %" PRIu64 " to %" PRIu64 ", sealed through segment %"
		       "" PRIu64 ", LSN %" PRIu64 "; boot %" PRIu64 "%s%s\n",
		    shard, oldest, newest,
		    manifest.next_generation == 0 ? 0 : manifest.next_generation - 1,
		    manifest.last_lsn, identity.boot_counter, why[0] != '\0' ? "; " : "", why);
	return result == 0 || result == -ENOENT ? EXIT_DONE : EXIT_MISMATCH;
}

/* Runs a whole check. 0 with the report; -ENOENT: no manifest. */
static int check_all(
    const struct journal_config *config, const char *archive, struct journal_check_report *report)
{
	struct journal_check *check;
	int result = journal_check_open(&check, config, archive, 0, report);

	if (result != 0)
		return result;
	while (journal_check_step(check, report) == 1)
		;
	journal_check_close(check);
	return 0;
}

void seals_verify(
    const char *path, uint32_t shard, struct damage *damage, uint64_t *seals, char chain[65])
{
	char directory[PATH_MAX + 16];
	struct journal_config config = {
		.directory = directory, .shard = shard, .allow_volatile = 1
	};
	struct journal_check_report report;
	int result;

	snprintf(directory, sizeof(directory), "%s/journal", path);
	result = check_all(&config, NULL, &report);
	*seals = report.seals;
	memcpy(chain, report.chain, JOURNAL_SHA256_TEXT);
	if (result == -ENOENT)
		return; /* nothing sealed yet, or by a program that did not */
	if (result != 0 || report.bad != 0)
		damage_note(damage, report.bad_lsn, "seals: %.240s", report.what);
}

static int verify_shard(const struct options *options, uint32_t shard, json_t *object)
{
	char directory[PATH_MAX + 16], archive[PATH_MAX];
	struct damage damage = { 0 };
	struct journal_check_report report;
	struct journal_config config;
	int result, ok;

	journal_config_of(options, shard, &config, directory);
	(void)archive_of(options, shard, archive);
	result = check_all(&config, archive, &report);
	if (root_journal_check(options, shard, &damage) != 0) {
		result = -EBADMSG;
		report.bad++;
		snprintf(report.what, sizeof(report.what), "%.255s", damage.what);
	}
	if (result == -ENOENT)
		snprintf(report.what, sizeof(report.what), "nothing is sealed yet");
	ok = result == -ENOENT || (result == 0 && report.bad == 0);
	json_object_set_new(object, "ok", json_boolean(ok));
	set_number(object, "seals", report.seals);
	set_number(object, "segments_compared", report.segments);
	set_number(object, "archives_compared", report.archives);
	set_number(object, "archives_missing", report.archives_missing);
	set_number(object, "archived_bytes", report.archived_bytes);
	set_number(object, "sealed_lsn", report.last_lsn);
	set_number(object, "torn_bytes", report.torn);
	set_number(object, "bad", report.bad);
	set_number(object, "bad_segment", report.bad_generation);
	set_number(object, "bad_lsn", report.bad_lsn);
	json_object_set_new(object, "chain", json_string(report.chain));
	json_object_set_new(object, "message", json_string(report.what));
	if (!options->json && ok)
		printf("shard %u: ok: %" PRIu64 " seals to LSN %" PRIu64 ", %" PRIu64
		       " segments and %" PRIu64 " archive files compared, %" PRIu64
		       " sealed segments in neither; chain %s\n",
		    shard, report.seals, report.last_lsn, report.segments, report.archives,
		    report.archives_missing, report.chain);
	else if (!options->json)
		printf(
		    "shard %u: NOT OK: %s (%" PRIu64 " in all)\n", shard, report.what, report.bad);
	return ok ? EXIT_DONE : EXIT_MISMATCH;
}

struct listing {
	const struct options *options;
	json_t *files;
	uint64_t count, bytes, bad;
	const char *directory; /* verify: every file is read */
};

static int list_file(void *context, const struct journal_archive_file *file)
{
	struct listing *listing = context;
	const struct journal_seal *seal = &file->seal;
	struct journal_archive_file read;
	char why[256] = "";
	int bad = seal->generation == 0;

	if (listing->directory != NULL)
		bad = journal_archive_extract(
		          listing->directory, file->name, -1, &read, why, sizeof(why)) != 0;
	listing->count++;
	listing->bytes += file->size;
	listing->bad += (uint64_t)bad;
	json_array_append_new(listing->files,
	    json_pack("{s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:s}", "file", file->name,
	        "ok", !bad, "segment", (json_int_t)seal->generation, "first_lsn",
	        (json_int_t)seal->first_lsn, "last_lsn", (json_int_t)seal->last_lsn, "events",
	        (json_int_t)seal->events, "time_ns", (json_int_t)seal->time_ns, "bytes",
	        (json_int_t)seal->length, "size", (json_int_t)file->size, "sha256", seal->sha256,
	        "message", why));
	if (!listing->options->json)
		printf("%s  segment %" PRIu64 "  LSN %" PRIu64 " to %" PRIu64 "  %" PRIu64
		       " bytes in %" PRIu64 "%s%s\n",
		    file->name, seal->generation, seal->first_lsn, seal->last_lsn, seal->length,
		    file->size, bad ? "  DAMAGED " : "", why);
	return 0;
}

static int archive_shard(
    const struct options *options, uint32_t shard, json_t *object, int read_all)
{
	struct listing listing = { .options = options, .files = json_array() };
	char directory[PATH_MAX];
	int result;

	(void)archive_of(options, shard, directory);
	if (read_all)
		listing.directory = directory;
	result = journal_archive_list(directory, list_file, &listing);
	set_number(object, "files", listing.count);
	set_number(object, "bytes", listing.bytes);
	set_number(object, "bad", listing.bad);
	json_object_set_new(object, "archive", listing.files);
	if (result != 0)
		fprintf(stderr, "sluice-db: %s: %s; give the archive with --archive\n", directory,
		    strerror(-result));
	if (!options->json && result == 0)
		printf("shard %u: %" PRIu64 " files, %" PRIu64 " bytes%s\n", shard, listing.count,
		    listing.bytes, listing.bad != 0 ? ", NOT OK" : "");
	return result != 0 ? EXIT_MISSING : listing.bad != 0 ? EXIT_MISMATCH : EXIT_DONE;
}

static int archive_list_shard(const struct options *options, uint32_t shard, json_t *object)
{
	return archive_shard(options, shard, object, 0);
}

static int archive_verify_shard(const struct options *options, uint32_t shard, json_t *object)
{
	return archive_shard(options, shard, object, 1);
}

/* The sealed bytes of a segment into a file that is not there yet. */
static int archive_extract(const char *path, const char *out)
{
	struct journal_archive_file file;
	const char *slash = strrchr(path, '/');
	char directory[PATH_MAX], why[256] = "";
	int fd = open(out, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), result;

	if (fd < 0) {
		fprintf(stderr, "sluice-db: %s: %s\n", out, strerror(errno));
		return EXIT_USAGE;
	}
	snprintf(directory, sizeof(directory), "%.*s",
	    slash == NULL || slash == path ? 1 : (int)(slash - path), slash == NULL ? "." : path);
	result = journal_archive_extract(
	    directory, slash == NULL ? path : slash + 1, fd, &file, why, sizeof(why));
	if (result == 0 && fsync(fd) != 0) {
		result = -errno;
		snprintf(why, sizeof(why), "%.200s: %s", out, strerror(errno));
	}
	close(fd);
	if (result != 0) {
		(void)unlink(out);
		fprintf(stderr, "sluice-db: %s: %s\n", directory, why);
		return result == -ENOENT ? EXIT_MISSING : EXIT_MISMATCH;
	}
	printf("%s: segment %" PRIu64 ", LSN %" PRIu64 " to %" PRIu64 ", %" PRIu64
	       " bytes, as sealed: %s\n",
	    out, file.seal.generation, file.seal.first_lsn, file.seal.last_lsn, file.seal.length,
	    file.seal.sha256);
	return EXIT_DONE;
}

static int usage(const char *what)
{
	fprintf(stderr, "sluice-db: %s; see sluice-db --help\n", what);
	return EXIT_USAGE;
}

int command_journal(const struct options *options)
{
	if (options->word_count == 1 && strcmp(options->words[0], "status") == 0)
		return root_shards(options, "sluice-db.journal-status/1", status_shard, 0);
	if (options->word_count == 1 && strcmp(options->words[0], "verify") == 0)
		return root_shards(options, "sluice-db.journal-verify/1", verify_shard, 1);
	return usage("journal status, or journal verify");
}

int command_archive(const struct options *options)
{
	const char *const *words = options->words;

	if (options->word_count == 1 && strcmp(words[0], "list") == 0)
		return archive_shards(options, "sluice-db.archive-list/1", archive_list_shard);
	if (options->word_count == 1 && strcmp(words[0], "verify") == 0)
		return archive_shards(options, "sluice-db.archive-verify/1", archive_verify_shard);
	if (options->word_count == 3 && strcmp(words[0], "extract") == 0)
		return archive_extract(words[1], words[2]);
	return usage("archive list, archive verify, or archive extract FILE OUT");
}
