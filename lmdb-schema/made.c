/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mark of made shards: a file beside their directories. A shard's directory that is not mounted
 * looks like one that never was, and an older copy of it is whole by itself; only what lies outside
 * of it can tell.
 *
 * Text: for whoever finds it, and a line for each shard.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lmdb-schema/path_sync.h"
#include "lmdb-schema/schema.h"

static const char made_text[] =
    "The shards of this switch were made here. While this file is there, a start without them is "
    "refused: their disk is not mounted, or lost.\n";

#define MADE_LINE     "shard %u: journal %016" SCNx64 ", start %" SCNu64 ".\n"
#define MADE_LINE_OUT "shard %u: journal %016" PRIx64 ", start %" PRIu64 ".\n"
#define MADE_LINE_MAX 96
#define MADE_SIZE     (sizeof(made_text) + (LIMIT_SHARDS + 1) * MADE_LINE_MAX)

static int made_path(const char *data, const char *end, char path[PATH_MAX])
{
	return snprintf(path, PATH_MAX, "%s/" SCHEMA_MADE_NAME "%s", data, end) < PATH_MAX
	           ? 0
	           : -ENAMETOOLONG;
}

/* One line of the mark, taken as it is written or not at all. */
static void line_take(const char *line, struct schema_made_shard *shards, uint32_t count)
{
	struct schema_made_shard said;
	char whole[MADE_LINE_MAX];
	uint32_t shard;

	if (sscanf(line, MADE_LINE, &shard, &said.incarnation, &said.starts) != 3)
		return;
	(void)snprintf(whole, sizeof(whole), MADE_LINE_OUT, shard, said.incarnation, said.starts);
	if (strncmp(whole, line, strlen(whole)) == 0 && shard < count)
		shards[shard] = said;
}

int schema_made_read(const char *data, struct schema_made_shard *shards, uint32_t count)
{
	char path[PATH_MAX], text[MADE_SIZE + 1];
	ssize_t size;
	int fd;

	memset(shards, 0, count * sizeof(*shards));
	if (made_path(data, "", path) != 0)
		return -ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	size = pread(fd, text, sizeof(text) - 1, 0);
	if (size < 0) {
		size = -errno;
		close(fd);
		return (int)size;
	}
	close(fd);
	text[size] = '\0';
	for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n';
		line_take(line, shards, count);
	}
	return 1;
}

/* Text of the mark. Its length. */
static size_t made_make(
    char *text, size_t size, const struct schema_made_shard *shards, uint32_t count)
{
	size_t length = sizeof(made_text) - 1;

	memcpy(text, made_text, sizeof(made_text));
	for (uint32_t shard = 0; shard < count && size - length > MADE_LINE_MAX; shard++)
		length += (size_t)snprintf(text + length, size - length, MADE_LINE_OUT, shard,
		    shards[shard].incarnation, shards[shard].starts);
	return length;
}

/* Under another name until it is whole and on disk. */
int schema_made_write(const char *data, const struct schema_made_shard *shards, uint32_t count)
{
	char path[PATH_MAX], fresh[PATH_MAX], text[MADE_SIZE];
	size_t length = made_make(text, sizeof(text), shards, count);
	int fd, failed;

	if (made_path(data, "", path) != 0 || made_path(data, ".new", fresh) != 0)
		return -ENAMETOOLONG;
	if (count == 0 && access(path, F_OK) == 0)
		return 0;
	(void)unlink(fresh);
	fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	/* -ENOSPC also when it took a part. */
	failed = write(fd, text, length) == (ssize_t)length ? 0 : -ENOSPC;
	if (failed == 0 && fsync(fd) != 0)
		failed = -errno;
	if (close(fd) != 0 && failed == 0)
		failed = -errno;
	if (failed == 0 && rename(fresh, path) != 0)
		failed = -errno;
	if (failed != 0) {
		(void)unlink(fresh);
		return failed;
	}
	return path_sync(data);
}
