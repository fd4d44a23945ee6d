/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks seals: the manifest's chain, what is left of the sealed segments, the archive. Reads only,
 * in slices; whoever recycles or archives meanwhile is no fault.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/journal/archive.h"
#include "dataplane/journal/archive_mark.h"
#include "dataplane/journal/manifest.h"
#include "dataplane/journal/meta.h"
#include "dataplane/journal/reader.h"
#include "wire/hex.h"

#define CHECK_SLICE (256u * 1024u)

enum check_phase {
	CHECK_NEXT,
	CHECK_SEGMENT,
	CHECK_ARCHIVE,
};

struct journal_check {
	int directory_fd, archive_fd, segment_fd; /* -1: none */
	int buffered_too;
	struct journal_meta meta;
	struct journal_manifest_walk walk;
	enum check_phase phase;
	struct journal_seal seal;
	EVP_MD_CTX *digest;
	uint8_t *bytes;
	uint64_t offset;
	struct journal_archive_reader reader;
	struct journal_archive_file file;
	int archive_wanted, archive_alone; /* alone: segments are not read */
	int archive_seen;
	uint64_t from;     /* what is no segment any more is archived from here on; 0: not known */
	uint64_t archived; /* newest one that is in the archive, and no segment here */
	struct journal_seal lost;     /* the first that is not there, but was archived */
	uint64_t gap_first, gap_last; /* of these, one behind the other; gap_last 0: none is open */
	int here;                     /* the segment of this seal was still there */
};

__attribute__((format(printf, 3, 4))) static void bad(
    struct journal_check *check, struct journal_check_report *report, const char *format, ...)
{
	va_list arguments;

	if (report->bad++ > 0)
		return; /* the first one is told */
	report->bad_generation = check->seal.generation;
	report->bad_lsn = check->seal.first_lsn;
	va_start(arguments, format);
	vsnprintf(report->what, sizeof(report->what), format, arguments);
	va_end(arguments);
}

static uint64_t from_read(const struct journal_check *check)
{
	struct journal_archive_mark mark;

	if (journal_archive_mark_read(
	        check->directory_fd, check->meta.shard, check->meta.incarnation, &mark) != 0 ||
	    mark.directory[0] == '\0')
		return 0;
	return mark.from;
}

static int archive_prepare(
    struct journal_check *check, const char *archive, struct journal_check_report *report)
{
	int error;

	if (archive == NULL || archive[0] == '\0')
		return 0;
	check->archive_wanted = 1;
	check->from = from_read(check);
	check->archive_fd = open(archive, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (check->archive_fd >= 0)
		return 0;
	error = -errno;
	report->archive_gone = error == -ENOENT;
	if (report->archive_gone)
		return 0;
	snprintf(report->what, sizeof(report->what), "archive: its folder cannot be opened: %s",
	    strerror(-error));
	return error;
}

static int prepare(struct journal_check *check, const struct journal_config *config,
    const char *archive, struct journal_check_report *report)
{
	int result;

	check->directory_fd = open(config->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	check->digest = EVP_MD_CTX_new();
	check->bytes = journal_aligned_alloc(CHECK_SLICE);
	if (check->directory_fd < 0 || check->digest == NULL || check->bytes == NULL) {
		result = check->directory_fd < 0 ? -errno : -ENOMEM;
		snprintf(report->what, sizeof(report->what), "%.128s: %s", config->directory,
		    strerror(-result));
		return result;
	}
	result = journal_meta_read(check->directory_fd, config->shard, &check->meta);
	if (result != 0) {
		snprintf(report->what, sizeof(report->what), "journal.meta: %s",
		    result == -EPROTO ? "written by a newer version" : strerror(-result));
		return result;
	}
	result = archive_prepare(check, archive, report);
	if (result != 0)
		return result;
	return journal_manifest_walk_open(&check->walk, check->directory_fd, JOURNAL_MANIFEST_NAME,
	    report->what, sizeof(report->what));
}

int journal_check_open(struct journal_check **out, const struct journal_config *config,
    const char *archive, int archive_alone, struct journal_check_report *report)
{
	struct journal_check *check = calloc(1, sizeof(*check));
	int result = -ENOMEM;

	*report = (struct journal_check_report){ 0 };
	if (check == NULL) {
		snprintf(report->what, sizeof(report->what), "out of memory");
		return result;
	}
	check->directory_fd = check->archive_fd = check->segment_fd = -1;
	check->walk.fd = check->reader.fd = -1;
	check->buffered_too = config->allow_volatile;
	check->archive_alone = archive_alone;
	result = prepare(check, config, archive, report);
	if (result != 0) {
		journal_check_close(check);
		return result;
	}
	report->first_generation = check->walk.header.first_generation;
	if (check->walk.header.shard != check->meta.shard ||
	    check->walk.header.incarnation != check->meta.incarnation)
		bad(check, report,
		    "%s is of another journal: shard %" PRIu32 ", incarnation %" PRIu64,
		    JOURNAL_MANIFEST_NAME, check->walk.header.shard,
		    check->walk.header.incarnation);
	*out = check;
	return 0;
}

/* Is the segment still under its name? */
static int is_here(const struct journal_check *check)
{
	char name[JOURNAL_NAME_SIZE];
	struct stat status;

	journal_segment_name(name, check->seal.generation);
	return fstatat(check->directory_fd, name, &status, 0) == 0;
}

static int segment_begin(struct journal_check *check, struct journal_check_report *report)
{
	uint64_t size;
	int result;

	if (check->archive_alone) {
		check->here = is_here(check);
		return 0;
	}
	result = journal_segment_open(check->directory_fd, check->seal.generation, O_RDONLY,
	    check->buffered_too, &check->segment_fd, &size);
	check->here = result == 0;
	check->offset = 0;
	if (result == -ENOENT)
		return 0;
	if (result == 0 && EVP_DigestInit_ex(check->digest, EVP_sha256(), NULL) != 1)
		result = -ENOMEM;
	if (result != 0) {
		bad(check, report, "segment %" PRIu64 ": %s", check->seal.generation,
		    strerror(-result));
		return 0;
	}
	return 1;
}

static void segment_end(struct journal_check *check, struct journal_check_report *report, int error)
{
	unsigned char digest[32];
	char text[JOURNAL_SHA256_TEXT] = "";

	if (EVP_DigestFinal_ex(check->digest, digest, NULL) == 1)
		hex_encode(digest, sizeof(digest), text);
	close(check->segment_fd);
	check->segment_fd = -1;
	if (error == 0 && strcmp(text, check->seal.sha256) == 0)
		report->segments++;
	else if (!is_here(check))
		check->here = 0; /* recycled while it was read */
	else
		bad(check, report,
		    "segment %" PRIu64 " (LSN %" PRIu64 " to %" PRIu64 ", byte 0 to %" PRIu64
		    "): %s",
		    check->seal.generation, check->seal.first_lsn, check->seal.last_lsn,
		    check->seal.length,
		    error != 0 ? strerror(-error) : "not the bytes that were sealed");
}

/* 1 goes on. */
static int segment_step(struct journal_check *check, struct journal_check_report *report)
{
	uint64_t left = check->seal.length - check->offset;
	int64_t got = left == 0 ? 0
	                        : journal_file_read(
	                              check->segment_fd, check->bytes, check->offset, CHECK_SLICE);

	if (left > 0 && got > 0) {
		uint64_t size = (uint64_t)got < left ? (uint64_t)got : left;

		if (EVP_DigestUpdate(check->digest, check->bytes, size) != 1)
			got = -ENOMEM;
		check->offset += size;
		if (got > 0)
			return 1;
	}
	segment_end(check, report, got < 0 ? (int)got : 0);
	return 0;
}

/* The open gap ends: it goes into the list, while there is room. */
static void gap_end(struct journal_check *check, struct journal_check_report *report)
{
	size_t at = strlen(report->lost_text), room = sizeof(report->lost_text) - at;
	const char *between = at == 0 ? "" : ", ";

	if (check->gap_last == 0)
		return;
	if (room < 64)
		snprintf(report->lost_text + at, room, "%s",
		    report->lost_text[at - 1] == '.' ? "" : ", ...");
	else if (check->gap_first == check->gap_last)
		snprintf(report->lost_text + at, room, "%s%" PRIu64, between, check->gap_first);
	else
		snprintf(report->lost_text + at, room, "%s%" PRIu64 " to %" PRIu64, between,
		    check->gap_first, check->gap_last);
	check->gap_last = 0;
}

static void lost_note(struct journal_check *check, struct journal_check_report *report)
{
	uint64_t generation = check->seal.generation;

	if (report->lost++ == 0)
		check->lost = check->seal;
	if (check->gap_last != 0 && check->gap_last + 1 != generation)
		gap_end(check, report);
	if (check->gap_last == 0)
		check->gap_first = generation;
	check->gap_last = generation;
}

/* All of what was archived and is in neither place is told as one thing. */
static void lost_tell(struct journal_check *check, struct journal_check_report *report)
{
	gap_end(check, report);
	if (report->lost == 0)
		return;
	check->seal = check->lost;
	bad(check, report,
	    "archive: not there, and archived once: %" PRIu64 " segments (%s), from LSN %" PRIu64,
	    report->lost, report->lost_text, check->lost.first_lsn);
}

/* A sealed segment without its file. Where no mark says from which one on there must be one: the
 * oldest go first, so none is missing behind one that is there. */
static void missing_note(
    struct journal_check *check, struct journal_check_report *report, const char *name)
{
	const struct journal_seal *seal = &check->seal;

	if (check->here || is_here(check))
		return; /* it came back? then the next check reads it */
	report->archives_missing++;
	if (!check->archive_wanted)
		return;
	/* Retention says so in the mark before it takes one. */
	if (check->from != 0 && seal->generation >= check->from)
		check->from = from_read(check);
	if (check->from != 0 && seal->generation >= check->from)
		lost_note(check, report);
	else if (check->from == 0 && check->archive_seen)
		bad(check, report,
		    "archive: %s is missing (LSN %" PRIu64 " to %" PRIu64 "), older ones are there",
		    name, seal->first_lsn, seal->last_lsn);
}

static int archive_begin(struct journal_check *check, struct journal_check_report *report)
{
	const struct journal_seal *seal = &check->seal, *kept = &check->file.seal;
	char name[JOURNAL_ARCHIVE_NAME_SIZE];
	int result = -ENOENT;

	journal_archive_name(name, check->meta.incarnation, seal->generation);
	if (check->archive_fd >= 0)
		result =
		    journal_archive_open(&check->reader, check->archive_fd, name, -1, &check->file);
	if (result == -ENOENT) {
		missing_note(check, report, name);
		return 0;
	}
	check->archive_seen = 1;
	if (!check->here)
		check->archived = seal->generation;
	if (result != 0) {
		bad(check, report, "archive: %s: %s", name,
		    result == -EPROTO    ? "written by a newer version"
		    : result == -EBADMSG ? "its header is damaged"
		                         : strerror(-result));
		return 0;
	}
	if (kept->generation == seal->generation &&
	    check->file.incarnation == check->meta.incarnation && kept->length == seal->length &&
	    strcmp(kept->sha256, seal->sha256) == 0)
		return 1;
	journal_archive_close(&check->reader);
	bad(check, report, "archive: %s is of another segment than the one sealed", name);
	return 0;
}

static int archive_step(struct journal_check *check, struct journal_check_report *report)
{
	int result = journal_archive_step(&check->reader, &check->file);

	if (result == 1)
		return 1;
	journal_archive_close(&check->reader);
	if (result == 0) {
		report->archives++;
		report->archived_bytes += check->file.size;
		return 0;
	}
	bad(check, report, "archive: %s (LSN %" PRIu64 " to %" PRIu64 "): %s", check->file.name,
	    check->seal.first_lsn, check->seal.last_lsn,
	    result == -EBADMSG ? "does not give the bytes that were sealed" : strerror(-result));
	return 0;
}

/* Behind the last seal the journal must go on. */
static void end_check(struct journal_check *check, struct journal_check_report *report)
{
	struct journal_segment_list list;

	check->seal.generation = check->walk.next_generation;
	check->seal.first_lsn = check->walk.next_lsn;
	if (journal_segment_list(check->directory_fd, &list) != 0)
		return;
	if (list.count > 0 && list.generations[0] > check->walk.next_generation) {
		/* Beside a running data plane: sealed and recycled since the manifest was read. */
		struct journal_manifest now;

		if (journal_manifest_read(check->directory_fd, check->meta.shard,
		        check->meta.incarnation, &now, NULL, 0) != 0 ||
		    list.generations[0] > now.next_generation)
			bad(check, report,
			    "%s ends at segment %" PRIu64 ", the oldest one here is %" PRIu64
			    ": seals are missing",
			    JOURNAL_MANIFEST_NAME, check->walk.next_generation - 1,
			    list.generations[0]);
	}
	journal_segment_list_free(&list);
}

/* The archive's copy of the manifest against the manifest. */
static void copy_check(struct journal_check *check, struct journal_check_report *report)
{
	char why[160] = "";

	if (check->archive_fd < 0 || !check->archive_seen)
		return;
	if (journal_archive_copy_check(check->archive_fd, check->directory_fd, check->meta.shard,
	        check->meta.incarnation, check->archived, why, sizeof(why)) != 0)
		bad(check, report, "archive: %s", why);
}

static int next_seal(struct journal_check *check, struct journal_check_report *report)
{
	char why[sizeof(report->what)];
	int result = journal_manifest_walk_next(&check->walk, &check->seal, why, sizeof(why));

	if (result == 1) {
		report->seals++;
		if (check->seal.damaged)
			bad(check, report,
			    "segment %" PRIu64 " (LSN %" PRIu64 " to %" PRIu64
			    ") was damaged when it was sealed",
			    check->seal.generation, check->seal.first_lsn, check->seal.last_lsn);
		check->phase = CHECK_SEGMENT;
		if (!segment_begin(check, report))
			check->phase = archive_begin(check, report) ? CHECK_ARCHIVE : CHECK_NEXT;
		return 1;
	}
	if (result < 0) {
		check->seal.generation = check->walk.next_generation;
		check->seal.first_lsn = check->walk.next_lsn;
		bad(check, report, "%s", why);
	} else {
		end_check(check, report);
		lost_tell(check, report);
		copy_check(check, report);
	}
	report->torn = check->walk.torn;
	report->next_generation = check->walk.next_generation;
	report->last_lsn = check->walk.next_lsn == 0 ? 0 : check->walk.next_lsn - 1;
	memcpy(report->chain, check->walk.chain, sizeof(report->chain));
	return 0;
}

int journal_check_step(struct journal_check *check, struct journal_check_report *report)
{
	switch (check->phase) {
	case CHECK_NEXT:
		return next_seal(check, report);
	case CHECK_SEGMENT:
		if (!segment_step(check, report))
			check->phase = archive_begin(check, report) ? CHECK_ARCHIVE : CHECK_NEXT;
		return 1;
	case CHECK_ARCHIVE:
		if (!archive_step(check, report))
			check->phase = CHECK_NEXT;
		return 1;
	}
	return 0;
}

void journal_check_close(struct journal_check *check)
{
	if (check == NULL)
		return;
	journal_manifest_walk_close(&check->walk);
	journal_archive_close(&check->reader);
	if (check->segment_fd >= 0)
		close(check->segment_fd);
	if (check->archive_fd >= 0)
		close(check->archive_fd);
	if (check->directory_fd >= 0)
		close(check->directory_fd);
	EVP_MD_CTX_free(check->digest);
	free(check->bytes);
	free(check);
}
