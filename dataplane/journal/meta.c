/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/journal/meta.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

static uint64_t block_checksum(const struct journal_meta_block *block)
{
	return XXH3_128bits(block, offsetof(struct journal_meta_block, checksum)).low64;
}

int journal_meta_read(int directory_fd, uint32_t shard, struct journal_meta *meta)
{
	struct journal_meta_block block;
	int fd = openat(directory_fd, JOURNAL_META_NAME, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return -errno;
	got = pread(fd, &block, sizeof(block), 0);
	if (got < 0)
		got = -errno;
	close(fd);
	if (got < 0)
		return (int)got;
	if (got != (ssize_t)sizeof(block) || le64_get(block.magic) != JOURNAL_META_MAGIC ||
	    le64_get(block.checksum) != block_checksum(&block))
		return -EBADMSG;
	if (le16_get(block.version) > JOURNAL_META_VERSION)
		return -EPROTO;
	/* Version 1 had zeros where base_lsn is now: such a journal begins at LSN 1. */
	if (le16_get(block.version) == 0 ||
	    (le16_get(block.version) == 1 && le64_get(block.base_lsn) != 0) ||
	    le32_get(block.size) != sizeof(block) || le16_get(block.shard) != shard ||
	    le64_get(block.incarnation) == 0 ||
	    !bytes_all_zero(block.reserved, sizeof(block.reserved)))
		return -EBADMSG;
	*meta = (struct journal_meta){
		.shard = shard,
		.incarnation = le64_get(block.incarnation),
		.boot_counter = le64_get(block.boot_counter),
		.kept_lsn = le64_get(block.kept_lsn),
		.base_lsn = le64_get(block.base_lsn),
	};
	return 0;
}

int journal_meta_write(int directory_fd, const struct journal_meta *meta)
{
	struct journal_meta_block block = {
		.magic = le64_make(JOURNAL_META_MAGIC),
		.version = le16_make(JOURNAL_META_VERSION),
		.shard = le16_make((uint16_t)meta->shard),
		.size = le32_make(sizeof(block)),
		.incarnation = le64_make(meta->incarnation),
		.boot_counter = le64_make(meta->boot_counter),
		.kept_lsn = le64_make(meta->kept_lsn),
		.base_lsn = le64_make(meta->base_lsn),
	};
	int result = 0, fd;

	block.checksum = le64_make(block_checksum(&block));
	fd = openat(
	    directory_fd, JOURNAL_META_NAME_NEW, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	errno = EIO; /* a short write sets none */
	if (pwrite(fd, &block, sizeof(block), 0) != (ssize_t)sizeof(block) || fsync(fd) != 0)
		result = -errno;
	close(fd);
	if (result == 0 &&
	    renameat(directory_fd, JOURNAL_META_NAME_NEW, directory_fd, JOURNAL_META_NAME) != 0)
		result = -errno;
	if (result == 0 && fsync(directory_fd) != 0)
		result = -errno;
	return result;
}

int journal_meta_make(uint32_t shard, uint64_t above, struct journal_meta *meta)
{
	uint64_t incarnation;
	struct timespec now;
	uint32_t chance;

	if (getrandom(&chance, sizeof(chance), 0) != (ssize_t)sizeof(chance) ||
	    clock_gettime(CLOCK_REALTIME, &now) != 0)
		return -EIO;
	if (above >= INT64_MAX)
		return -ERANGE;
	incarnation = ((uint64_t)now.tv_sec & UINT32_MAX) << 31 | chance >> 1;
	if (incarnation <= above)
		incarnation = above + 1;
	*meta = (struct journal_meta){ .shard = shard, .incarnation = incarnation };
	return 0;
}
