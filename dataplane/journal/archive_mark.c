/* SPDX-License-Identifier: Apache-2.0 */
/* Read by writing it again: only what comes out the same, byte by byte, is a mark. */
#include "dataplane/journal/archive_mark.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#define TEXT_SIZE (JOURNAL_ARCHIVE_DIRECTORY_SIZE + 256)

/* Its length; 0: the name does not fit. */
static size_t mark_text(char text[TEXT_SIZE], const struct journal_archive_mark *mark)
{
	int length = snprintf(text, TEXT_SIZE,
	    "sluice-journal-archive %d\nshard %" PRIu32 "\nincarnation %" PRIu64 "\nfrom %" PRIu64
	    "\ndirectory %s\n",
	    JOURNAL_ARCHIVE_MARK_VERSION, mark->shard, mark->incarnation, mark->from,
	    mark->directory);
	uint64_t check;

	if (length < 0 || length > TEXT_SIZE - 32 || strchr(mark->directory, '\n') != NULL)
		return 0;
	check = XXH3_128bits(text, (size_t)length).low64;
	return (size_t)length + (size_t)snprintf(text + length, TEXT_SIZE - (size_t)length,
	                            "check %016" PRIx64 "\n", check);
}

/* What follows a line's name; NULL: there is no such line. */
static const char *line_of(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at == NULL ? NULL : at + strlen(name);
}

/* 1 when the text is a mark, all of it. */
static int mark_parse(const char *text, struct journal_archive_mark *mark)
{
	const char *shard = line_of(text, "\nshard "), *from = line_of(text, "\nfrom ");
	const char *incarnation = line_of(text, "\nincarnation ");
	const char *directory = line_of(text, "\ndirectory ");
	const char *end = directory == NULL ? NULL : strchr(directory, '\n');
	char again[TEXT_SIZE];

	if (shard == NULL || from == NULL || incarnation == NULL || end == NULL ||
	    (size_t)(end - directory) >= sizeof(mark->directory))
		return 0;
	*mark = (struct journal_archive_mark){
		.shard = (uint32_t)strtoul(shard, NULL, 10),
		.incarnation = strtoull(incarnation, NULL, 10),
		.from = strtoull(from, NULL, 10),
	};
	memcpy(mark->directory, directory, (size_t)(end - directory));
	return mark_text(again, mark) != 0 && strcmp(again, text) == 0 && mark->from != 0;
}

int journal_archive_mark_read(
    int directory_fd, uint32_t shard, uint64_t incarnation, struct journal_archive_mark *mark)
{
	struct journal_archive_mark read;
	char text[TEXT_SIZE + 1];
	int fd = openat(directory_fd, JOURNAL_ARCHIVE_MARK_NAME, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return -errno;
	got = pread(fd, text, TEXT_SIZE, 0);
	if (got < 0)
		got = -errno;
	close(fd);
	if (got < 0)
		return (int)got;
	text[got] = '\0';
	if (strlen(text) != (size_t)got || !mark_parse(text, &read))
		return -EBADMSG;
	if (read.shard != shard || read.incarnation != incarnation)
		return -ENOENT;
	*mark = read;
	return 0;
}

int journal_archive_mark_write(int directory_fd, const struct journal_archive_mark *mark)
{
	char text[TEXT_SIZE];
	size_t length = mark_text(text, mark);
	int result = 0, fd;

	if (length == 0)
		return -EINVAL;
	fd = openat(directory_fd, JOURNAL_ARCHIVE_MARK_NAME_NEW,
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	errno = EIO; /* a short write sets none */
	if (pwrite(fd, text, length, 0) != (ssize_t)length || fsync(fd) != 0)
		result = -errno;
	close(fd);
	if (result == 0 && renameat(directory_fd, JOURNAL_ARCHIVE_MARK_NAME_NEW, directory_fd,
	                       JOURNAL_ARCHIVE_MARK_NAME) != 0)
		result = -errno;
	if (result == 0 && fsync(directory_fd) != 0)
		result = -errno;
	return result;
}
