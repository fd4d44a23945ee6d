/* SPDX-License-Identifier: Apache-2.0 */
/* A journal that begins behind restored events; identity for those who only look. */
#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/journal/meta.h"
#include "dataplane/journal/segment.h"

static int say(int error, const char *what, char *message, size_t message_size)
{
	if (message != NULL)
		snprintf(message, message_size, "%s", what);
	return error;
}

/* -EEXIST when anything of a journal is there already. */
static int check_empty(int directory_fd, uint32_t shard)
{
	struct journal_segment_list list;
	struct journal_meta meta;
	int result = journal_meta_read(directory_fd, shard, &meta);

	if (result != -ENOENT)
		return result == 0 || result == -EBADMSG || result == -EPROTO ? -EEXIST : result;
	result = journal_segment_list(directory_fd, &list);
	if (result != 0)
		return result;
	result = list.count > 0 ? -EEXIST : 0;
	journal_segment_list_free(&list);
	return result;
}

int journal_begin(const struct journal_config *config, uint64_t last_lsn,
    uint64_t incarnation_above, uint64_t *incarnation, char *message, size_t message_size)
{
	struct journal_meta meta;
	struct timespec now;
	int directory_fd, result;

	if (last_lsn == 0 || last_lsn >= INT64_MAX)
		return say(-EINVAL, "the last LSN restored is out of range", message, message_size);
	result = journal_directory_open(config, 1, &directory_fd, message, message_size);
	if (result != 0)
		return result;
	result = check_empty(directory_fd, config->shard);
	if (result != 0) {
		(void)say(result,
		    result == -EEXIST ? "there is a journal already: restore into an empty root"
		                      : strerror(-result),
		    message, message_size);
		goto out;
	}
	result = journal_meta_make(config->shard, incarnation_above, &meta);
	if (result != 0) {
		(void)say(result, "no incarnation can be made above the one given", message,
		    message_size);
		goto out;
	}
	/*
	 * Sessions are installed under a boot id made of this counter, which must never come again:
	 * the seconds of the clock are more than any journal was started.
	 */
	clock_gettime(CLOCK_REALTIME, &now);
	meta.boot_counter = (uint64_t)now.tv_sec & UINT32_MAX;
	meta.kept_lsn = meta.base_lsn = last_lsn;
	result = journal_meta_write(directory_fd, &meta);
	if (result != 0)
		(void)say(result, strerror(-result), message, message_size);
	else
		*incarnation = meta.incarnation;
out:
	close(directory_fd);
	return result;
}

int journal_identity_read(const struct journal_config *config, struct journal_identity *identity)
{
	struct journal_meta meta;
	int result, fd = open(config->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	result = journal_meta_read(fd, config->shard, &meta);
	close(fd);
	if (result == 0)
		*identity = (struct journal_identity){
			.incarnation = meta.incarnation,
			.boot_counter = meta.boot_counter,
			.kept_lsn = meta.kept_lsn,
			.base_lsn = meta.base_lsn,
		};
	return result;
}
