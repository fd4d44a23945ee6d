/* SPDX-License-Identifier: Apache-2.0 */
/* What a sealer finds of its archive when it begins: what is there, and what should be. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/journal/seal_internal.h"

struct look {
	struct journal_sealer *sealer;
	uint64_t oldest; /* segment still here */
	int knows;       /* the archive has seals of this journal */
	int known;       /* there is a mark: `was` */
	int damaged;     /* there was one */
	struct journal_archive_mark was;
	char *message; /* the first thing to say stays */
	size_t message_size;
};

__attribute__((format(printf, 2, 3))) static void say(
    const struct look *look, const char *format, ...)
{
	va_list arguments;

	if (look->message[0] != '\0')
		return;
	va_start(arguments, format);
	vsnprintf(look->message, look->message_size, format, arguments);
	va_end(arguments);
}

/* What the archive has of the segments that are still here; what is not here any more had to be. */
static void archived_find(struct journal_sealer *sealer, uint64_t oldest)
{
	int fd = open(sealer->archive.directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct journal_archive_file file;
	char name[JOURNAL_ARCHIVE_NAME_SIZE];

	sealer->archived_generation = oldest - 1;
	while (fd >= 0 && sealer->archived_generation + 1 < sealer->manifest.next_generation) {
		journal_archive_name(
		    name, sealer->reader->incarnation, sealer->archived_generation + 1);
		if (journal_archive_header_read(fd, name, &file) != 0)
			break;
		sealer->archived_generation++;
		JOURNAL_FIGURE_SET(sealer, archived_lsn, file.seal.last_lsn);
	}
	if (fd >= 0)
		close(fd);
}

static int is_archived(const struct journal_sealer *sealer, uint64_t generation)
{
	int fd = open(sealer->archive.directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC), found;
	char name[JOURNAL_ARCHIVE_NAME_SIZE];
	struct stat status;

	journal_archive_name(name, sealer->reader->incarnation, generation);
	found = fd >= 0 && fstatat(fd, name, &status, 0) == 0;
	if (fd >= 0)
		close(fd);
	return found;
}

static int oldest_look(void *context, const struct journal_archive_file *file)
{
	struct look *look = context;

	if (file->incarnation == look->sealer->reader->incarnation && file->seal.generation != 0 &&
	    file->seal.generation < look->sealer->mark.from)
		look->sealer->mark.from = file->seal.generation;
	return 0;
}

/* The archive goes on: under another name, or it was there before there were marks. */
static void mark_go_on(struct look *look)
{
	struct journal_sealer *sealer = look->sealer;

	if (look->known)
		sealer->mark.from = look->was.from;
	else if (journal_archive_list(sealer->archive.directory, oldest_look, look) != 0)
		say(look, "the archive in %s cannot be read", sealer->archive.directory);
}

static void mark_begin(struct look *look)
{
	struct journal_sealer *sealer = look->sealer;
	uint64_t oldest = look->oldest;

	if (oldest == 1)
		return;
	if (look->known && look->was.directory[0] != '\0') {
		say(look,
		    "the archive is %s now and begins with segment %" PRIu64
		    "; what was archived before is in %s: keep that, or put its files into the new "
		    "one",
		    sealer->archive.name, oldest, look->was.directory);
	} else if (look->known) {
		say(look,
		    "the archive in %s begins with segment %" PRIu64
		    ": segments before were used again without one, take a backup",
		    sealer->archive.directory, oldest);
	} else {
		JOURNAL_FIGURE_SET(sealer, archive_lacks, oldest - 1);
		say(look,
		    "the archive in %s has nothing of this journal, whose segments up to %" PRIu64
		    " were used again, and no mark tells whether it is gone or new. Gone, or not "
		    "mounted: mount it or put it back, and start again. New: take a backup, for "
		    "what is before segment %" PRIu64 " is in none",
		    sealer->archive.directory, oldest - 1, oldest);
	}
}

/* What was archived and is no segment any more must be there: the first and the last of it tell. */
static void lacks_find(struct look *look)
{
	struct journal_sealer *sealer = look->sealer;
	uint64_t from = sealer->mark.from, oldest = look->oldest;

	if (oldest <= from || (is_archived(sealer, from) && is_archived(sealer, oldest - 1)))
		return;
	JOURNAL_FIGURE_SET(sealer, archive_lacks, oldest - 1);
	say(look,
	    "the archive in %s has not what was archived: segments %" PRIu64 " to %" PRIu64
	    ", which are in no other place, are not all there. Mount it, or put its files back, "
	    "and start again; if they are lost, take a backup and move %s/%s away",
	    sealer->archive.directory, from, oldest - 1, sealer->config.directory,
	    JOURNAL_ARCHIVE_MARK_NAME);
}

static void mark_write(const struct look *look)
{
	const struct journal_archive_mark *mark = &look->sealer->mark;
	int error;

	if (look->known && mark->from == look->was.from &&
	    strcmp(mark->directory, look->was.directory) == 0)
		return;
	error = journal_archive_mark_write(look->sealer->directory_fd, mark);
	if (error != 0)
		say(look,
		    "%s/%s cannot be written: %s; until a start can, a lost archive is not "
		    "told from a new one",
		    look->sealer->config.directory, JOURNAL_ARCHIVE_MARK_NAME, strerror(-error));
	else if (look->damaged)
		say(look,
		    "%s was damaged and is made anew: what the archive had before segment %" PRIu64
		    " is not known any more",
		    JOURNAL_ARCHIVE_MARK_NAME, mark->from);
}

void journal_seal_archive_begin(
    struct journal_sealer *sealer, uint64_t oldest, char *message, size_t message_size)
{
	struct look look = {
		.sealer = sealer, .oldest = oldest, .message = message, .message_size = message_size
	};
	struct journal_archive_mark *mark = &sealer->mark;
	int archiving = sealer->archive.directory[0] != '\0', same, result;

	result = journal_archive_mark_read(
	    sealer->directory_fd, sealer->config.shard, sealer->reader->incarnation, &look.was);
	look.known = result == 0;
	look.damaged = result == -EBADMSG;
	*mark = (struct journal_archive_mark){
		.shard = sealer->config.shard,
		.incarnation = sealer->reader->incarnation,
		.from = oldest,
	};
	snprintf(mark->directory, sizeof(mark->directory), "%s", sealer->archive.name);
	same = look.known && strcmp(mark->directory, look.was.directory) == 0;
	if (!archiving) {
		if (same)
			mark->from = look.was.from;
		else if (look.known)
			say(&look,
			    "there is no archive any more, segments are used again without: it was "
			    "%s. If that is not meant, name it (archive.directory) and start again",
			    look.was.directory);
		mark_write(&look);
		return;
	}
	archived_find(sealer, oldest);
	look.knows = journal_archive_sealed_lsn(sealer->archive.directory, sealer->config.shard,
	                 sealer->reader->incarnation) != 0;
	if (same)
		mark->from = look.was.from;
	else if (look.knows && (!look.known || look.was.directory[0] != '\0'))
		mark_go_on(&look);
	else
		mark_begin(&look);
	lacks_find(&look);
	mark_write(&look);
	/* So that the archive tells of this journal before its first segment is full. One that is
	 * away gets it with that. */
	(void)!journal_archive_manifest_copy(sealer->archive.directory, sealer->directory_fd,
	    sealer->reader->incarnation, sealer->manifest.size);
}

int journal_seal_archive_announce(void *context, uint64_t from)
{
	struct journal_sealer *sealer = context;
	struct journal_archive_mark mark = sealer->mark;
	int error;

	if (from <= mark.from)
		return 0;
	mark.from = from;
	error = journal_archive_mark_write(sealer->directory_fd, &mark);
	if (error == 0)
		sealer->mark = mark;
	return error;
}
