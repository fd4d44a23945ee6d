/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A full disk is for now, every other error for good. While the store waits, batches lent by the
 * worker run out, so it stops lending, and what comes stays in the journal's segments; the store
 * reads it from there once there is room. What was in memory (log blocks, the rows of a slice) is
 * still there, so trying again is doing the same once more.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "dataplane/store/store_internal.h"

#define RETRY_NS  1000000000ull
#define FULL_SIZE (16ull << 20) /* free space at which a write may have been cut short */

int store_waits(const struct store *store, uint64_t now_ns)
{
	return store->waiting != 0 && now_ns - store->waiting_ns < RETRY_NS;
}

/* LMDB calls the write that met the end of the disk in its middle EIO; the next one is ENOSPC. */
static int is_full(const struct store *store, int error)
{
	struct statvfs disk;
	int fd, full;

	if (error == -ENOSPC || error == -EDQUOT || error == -EXFULL)
		return 1;
	fd = error == -EIO ? open(store->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	full = fd >= 0 && fstatvfs(fd, &disk) == 0 &&
	       (uint64_t)disk.f_bavail * disk.f_frsize < FULL_SIZE;
	if (fd >= 0)
		close(fd);
	return full;
}

int store_wait(struct store *store, int error, uint64_t now_ns)
{
	if (!is_full(store, error) || store->table_full)
		return store_fail(store, error);
	if (error == -EIO)
		error = -ENOSPC;
	if (store->waiting == 0)
		store_count(&store->status_waits);
	store->waiting = error;
	store->waiting_ns = now_ns;
	store_publish(store);
	return 0;
}

void store_wait_end(struct store *store)
{
	if (store->waiting == 0)
		return;
	store->waiting = 0;
	store_publish(store);
}
