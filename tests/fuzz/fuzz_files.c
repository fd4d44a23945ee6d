/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: small files read at a start: journal_meta_read (journal.meta), session_file_parse (a
 * line of a session file), counter_file_open (the terminal's request ids),
 * journal_archive_mark_read (journal.archive).
 *
 * First byte: 0 a journal.meta as it is, 1 one whose checksum is made right first, 2 a line of a
 * session file, 3 a counter file, 4 a journal.archive as it is, 5 one whose check is made right
 * first. A refusal leaves the output as it was.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "dataplane/journal/archive_mark.h"
#include "dataplane/journal/meta.h"
#include "tests/fuzz/fuzz.h"
#include "wire/client/counter_file.h"
#include "wire/client/session_file.h"

#define COUNTER_NAME "ids"

static char folder[64];

static void folder_end(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/" JOURNAL_META_NAME, folder);
	(void)unlink(path);
	snprintf(path, sizeof(path), "%s/" JOURNAL_ARCHIVE_MARK_NAME, folder);
	(void)unlink(path);
	snprintf(path, sizeof(path), "%s/" COUNTER_NAME, folder);
	(void)unlink(path);
	snprintf(path, sizeof(path), "%s/" COUNTER_NAME ".lock", folder);
	(void)unlink(path);
	(void)rmdir(folder);
}

static void file_write(const char *name, const uint8_t *bytes, size_t size, char path[128])
{
	int fd;

	if (folder[0] == '\0') {
		/* Memory: speed matters here, durability does not. */
		snprintf(folder, sizeof(folder), "/dev/shm/sluice-fuzz-XXXXXX");
		SLUICE_REQUIRE(mkdtemp(folder) != NULL);
		atexit(folder_end);
	}
	snprintf(path, 128, "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	SLUICE_REQUIRE(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
	close(fd);
}

static void meta_read(int fix, const uint8_t *bytes, size_t size)
{
	struct journal_meta_block block;
	struct journal_meta meta, before;
	char path[128];
	int directory, error;

	memset(&block, 0, sizeof(block));
	memcpy(&block, bytes, size < sizeof(block) ? size : sizeof(block));
	if (fix) {
		block.checksum = le64_make(
		    XXH3_128bits(&block, offsetof(struct journal_meta_block, checksum)).low64);
		bytes = (const uint8_t *)&block;
		size = sizeof(block);
	}
	file_write(JOURNAL_META_NAME, bytes, size, path);
	directory = open(folder, O_RDONLY | O_DIRECTORY);
	memset(&meta, 0xa5, sizeof(meta));
	before = meta;
	error = journal_meta_read(directory, 0, &meta);
	close(directory);
	if (error != 0) {
		SLUICE_REQUIRE(error == -EBADMSG || error == -EPROTO);
		SLUICE_REQUIRE(memcmp(&meta, &before, sizeof(meta)) == 0);
		return;
	}
	SLUICE_REQUIRE(meta.shard == 0 && meta.incarnation != 0);
}

/* The check of a mark, where one would stand at its end. */
static void mark_fix(char *text, size_t size)
{
	static const char name[] = "\ncheck ";
	size_t end = sizeof(name) - 1 + 16 + 1;
	char check[17], *at = text + size - end;

	if (size < end || memcmp(at, name, sizeof(name) - 1) != 0)
		return;
	snprintf(check, sizeof(check), "%016llx",
	    (unsigned long long)XXH3_128bits(text, size - end + 1).low64);
	memcpy(at + sizeof(name) - 1, check, 16);
}

static void mark_read(int fix, char *text, size_t size)
{
	static struct journal_archive_mark mark, before, again;
	char path[128];
	int directory, error;

	if (fix)
		mark_fix(text, size);
	file_write(JOURNAL_ARCHIVE_MARK_NAME, (const uint8_t *)text, size, path);
	directory = open(folder, O_RDONLY | O_DIRECTORY);
	memset(&mark, 0xa5, sizeof(mark));
	before = mark;
	error = journal_archive_mark_read(directory, 0, 7, &mark);
	if (error != 0) {
		SLUICE_REQUIRE(error == -EBADMSG || error == -ENOENT);
		SLUICE_REQUIRE(memcmp(&mark, &before, sizeof(mark)) == 0);
	} else {
		SLUICE_REQUIRE(mark.from != 0 && journal_archive_mark_write(directory, &mark) == 0);
		SLUICE_REQUIRE(journal_archive_mark_read(directory, 0, 7, &again) == 0);
		SLUICE_REQUIRE(
		    again.from == mark.from && strcmp(again.directory, mark.directory) == 0);
	}
	close(directory);
}

static void session_read(char *line)
{
	struct session_record record, before;
	int result;

	memset(&record, 0xa5, sizeof(record));
	before = record;
	result = session_file_parse(line, &record);
	SLUICE_REQUIRE(result == 1 || result == 0 || result == -EBADMSG);
	if (result != 1)
		SLUICE_REQUIRE(memcmp(&record, &before, sizeof(record)) == 0);
	else
		SLUICE_REQUIRE(
		    record.session_id != 0 && record.terminal_id <= LIMIT_TERMINAL_ID_MAX);
}

static void counter_read(const uint8_t *bytes, size_t size)
{
	struct client_counter counter;
	struct counter_file *file = NULL;
	char path[128];
	int error;

	file_write(COUNTER_NAME, bytes, size, path);
	error = counter_file_open(path, 1, &file, &counter);
	if (error != 0) {
		SLUICE_REQUIRE(error == -EBADMSG && file == NULL);
		return;
	}
	SLUICE_REQUIRE(counter.next >= 1);
	SLUICE_REQUIRE(counter_file_close(file, counter.next) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy;

	if (size < 1 || size > 8192)
		return 0;
	/* Of exactly this size, so that a sanitizer sees a read behind the end. */
	copy = malloc(size);
	SLUICE_REQUIRE(copy != NULL);
	memcpy(copy, data + 1, size - 1);
	copy[size - 1] = '\0';
	if (data[0] < 2)
		meta_read(data[0] == 1, copy, size - 1);
	else if (data[0] == 2)
		session_read((char *)copy);
	else if (data[0] == 4 || data[0] == 5)
		mark_read(data[0] == 5, (char *)copy, size - 1);
	else
		counter_read(copy, size - 1);
	free(copy);
	return 0;
}
