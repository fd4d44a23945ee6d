/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal.archive: which archive a journal's segments go to, and from which one on. So an archive
 * that is gone is told from one that is new, and a file that is gone from one that retention took.
 * Private to the journal, but for sluice-db.
 *
 * FORMAT, version 1. Text, six lines in this order:
 *   sluice-journal-archive 1
 *   shard N
 *   incarnation N
 *   from N                  segments from this one on that are no more in the journal are there
 *   directory TEXT          as configured: relative to ROOT/var/lib/sluice; nothing: no archive
 *   check HEX               XXH3-128 of the lines before, low 64 bits, 16 digits
 * Written whole as journal.archive.new, fsync, rename, fsync of the directory.
 */
#ifndef SLUICE_JOURNAL_ARCHIVE_MARK_H
#define SLUICE_JOURNAL_ARCHIVE_MARK_H

#include "dataplane/journal/journal.h"

#define JOURNAL_ARCHIVE_MARK_NAME      "journal.archive"
#define JOURNAL_ARCHIVE_MARK_NAME_NEW  "journal.archive.new"
#define JOURNAL_ARCHIVE_MARK_VERSION   1
#define JOURNAL_ARCHIVE_DIRECTORY_SIZE 4100 /* of `archive.directory`, with its terminator */

struct journal_archive_mark {
	uint32_t shard;
	uint64_t incarnation;
	uint64_t from; /* generation, 1 and up */
	char directory[JOURNAL_ARCHIVE_DIRECTORY_SIZE];
};

/*
 * The mark of this shard's journal. 0; -ENOENT: none, or of another journal; -EBADMSG: damaged, or
 * written by a newer version; -errno.
 */
SLUICE_MUST_USE int journal_archive_mark_read(
    int directory_fd, uint32_t shard, uint64_t incarnation, struct journal_archive_mark *mark);
/* Durable when it returns 0. -EINVAL: a directory's name that one line does not hold; -errno: what
 * was there stays. */
SLUICE_MUST_USE int journal_archive_mark_write(
    int directory_fd, const struct journal_archive_mark *mark);

#endif
