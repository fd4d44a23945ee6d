/* SPDX-License-Identifier: Apache-2.0 */
/* Where a shard's archive is, and whether it has what the journal's manifest lists. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/journal/archive.h"
#include "dataplane/journal/archive_mark.h"
#include "tools/sluice-db/backup.h"

/* The mark in a shard's journal. 0, or -errno: there is none. */
static int mark_find(
    const struct options *options, uint32_t shard, struct journal_archive_mark *mark)
{
	char path[PATH_MAX], directory[PATH_MAX + 16];
	struct journal_config config = {
		.directory = directory, .shard = shard, .allow_volatile = 1
	};
	struct journal_identity identity;
	int fd, result;

	shard_path(options, shard, path);
	snprintf(directory, sizeof(directory), "%s/journal", path);
	if (journal_identity_read(&config, &identity) != 0)
		return -ENOENT; /* others report it */
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	result = journal_archive_mark_read(fd, shard, identity.incarnation, mark);
	close(fd);
	return result;
}

enum archive_place archive_of(
    const struct options *options, uint32_t shard, char directory[PATH_MAX])
{
	struct journal_archive_mark mark;
	enum archive_place place = ARCHIVE_GIVEN;
	int result;

	if (options->archive != NULL) {
		snprintf(directory, PATH_MAX, "%s/shard-%u", options->archive, shard);
		return place;
	}
	place = ARCHIVE_SUPPOSED;
	result = mark_find(options, shard, &mark);
	if (result == 0)
		place = mark.directory[0] != '\0' ? ARCHIVE_MARKED : ARCHIVE_NONE;
	else if (result == -EBADMSG)
		place = ARCHIVE_UNKNOWN;
	if (place == ARCHIVE_MARKED && mark.directory[0] == '/')
		snprintf(directory, PATH_MAX, "%.4000s/shard-%u", mark.directory, shard);
	else
		snprintf(directory, PATH_MAX, "%.2000s/" BACKUP_DATA "/%.2000s/shard-%u",
		    options->root, place == ARCHIVE_MARKED ? mark.directory : "archive", shard);
	return place;
}

/* What the check of an archive came to, in one sentence that says what helps. */
static void say(const struct journal_check_report *report, const char *directory,
    const struct options *options, uint32_t shard, struct damage *damage)
{
	if (report->lost == 0 || strncmp(report->what, "archive: not there", 18) != 0)
		damage_note(damage, report->bad_lsn, "%s, in %s%s%s", report->what, directory,
		    report->lost == 0 ? "" : "; missing there: segments ", report->lost_text);
	else if (report->archive_gone || report->archives == 0)
		damage_note(damage, report->bad_lsn,
		    "archive: %s %s; segments %s (from LSN %" PRIu64
		    ") were archived there and are in no other place. Mount it or put it back; if "
		    "it is lost, take a backup and move %s/" BACKUP_DATA
		    "/shard-%u/journal/" JOURNAL_ARCHIVE_MARK_NAME " away",
		    directory, report->archive_gone ? "is gone" : "has nothing of this journal",
		    report->lost_text, report->bad_lsn, options->root, shard);
	else
		damage_note(damage, report->bad_lsn,
		    "archive: segments %s (from LSN %" PRIu64
		    ") are missing in %s and are in no other place: put their files back; if they "
		    "are lost, take a backup and move %s/" BACKUP_DATA
		    "/shard-%u/journal/" JOURNAL_ARCHIVE_MARK_NAME " away",
		    report->lost_text, report->bad_lsn, directory, options->root, shard);
}

/* No manifest, though one was copied there. */
static void manifest_check(const char *directory, const char *journal, uint32_t shard,
    const struct journal_config *config, struct damage *damage)
{
	struct journal_identity identity;
	char name[JOURNAL_ARCHIVE_NAME_SIZE];

	if (journal_identity_read(config, &identity) != 0 ||
	    journal_archive_sealed_lsn(directory, shard, identity.incarnation) == 0)
		return;
	journal_archive_manifest_name(name, identity.incarnation);
	damage_note(damage, 0,
	    "journal.manifest is missing, and the archive has its copy: copy %s/%s to "
	    "%s/journal.manifest",
	    directory, name, journal);
}

void archive_verify(const struct options *options, uint32_t shard, struct archive_found *found)
{
	char path[PATH_MAX], journal[PATH_MAX + 16];
	struct journal_config config = {
		.directory = journal, .shard = shard, .allow_volatile = 1
	};
	struct journal_check_report report;
	struct journal_check *check;
	enum archive_place place;
	int result;

	*found = (struct archive_found){ .damage = { .shard = shard } };
	if (!root_has_journals(options->root)) {
		if (options->archive != NULL)
			damage_note(&found->damage, 0,
			    "archive: %s has no journal to hold one against (a backup, or the past "
			    "of a re-sharded switch): leave --archive out, or see what an archive "
			    "has with sluice-db archive verify",
			    options->root);
		return;
	}
	place = archive_of(options, shard, found->directory);
	if (place == ARCHIVE_NONE ||
	    (place == ARCHIVE_SUPPOSED && access(found->directory, F_OK) != 0)) {
		found->directory[0] = '\0';
		return;
	}
	if (place == ARCHIVE_UNKNOWN) {
		damage_note(&found->damage, 0,
		    "shard-%u/journal/" JOURNAL_ARCHIVE_MARK_NAME
		    " is damaged: where the archive is, and what must be there, is not known; a "
		    "start makes it anew, of what the archive has then. Until then give the "
		    "archive with --archive",
		    shard);
		return;
	}
	shard_path(options, shard, path);
	snprintf(journal, sizeof(journal), "%s/journal", path);
	result = journal_check_open(&check, &config, found->directory, 1, &report);
	if (result == 0) {
		while (journal_check_step(check, &report) == 1)
			;
		journal_check_close(check);
	}
	found->files = report.archives;
	found->lost = report.lost;
	if (result == -ENOENT)
		manifest_check(found->directory, journal, shard, &config, &found->damage);
	else if (result != 0)
		damage_note(&found->damage, 0, "%s; archive %s", report.what, found->directory);
	else if (report.bad != 0)
		say(&report, found->directory, options, shard, &found->damage);
	else if (report.archive_gone && place == ARCHIVE_GIVEN)
		damage_note(&found->damage, 0,
		    "archive: %s is not there; give the folder that "
		    "holds the shards with --archive",
		    found->directory);
}
