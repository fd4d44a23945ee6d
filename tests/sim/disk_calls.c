/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls on open files. A descriptor below SIM_FD_FIRST is a real one and goes to the real
 * call. The list of what is wrapped is sim_wrap in meson.build; the 64-bit names are the same
 * functions.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "tests/sim/disk_calls.h"

static int fail(int error)
{
	errno = error;
	return -1;
}

/* The file behind a descriptor, or NULL with errno; counts as a system call. */
static struct sim_fd *file_of(int number)
{
	struct sim_fd *fd = sim_call() == 0 ? sim_fd(number) : NULL;

	if (fd != NULL && fd->inode->is_directory) {
		errno = EISDIR;
		return NULL;
	}
	return fd;
}

static int is_aligned(const struct sim_fd *fd, const void *bytes, size_t size, off_t offset)
{
	if ((fd->flags & O_DIRECT) == 0)
		return 1;
	return (uintptr_t)bytes % SIM_SECTOR_SIZE == 0 && size % SIM_SECTOR_SIZE == 0 &&
	       (uint64_t)offset % SIM_SECTOR_SIZE == 0;
}

static ssize_t read_at(struct sim_fd *fd, void *to, size_t size, off_t offset)
{
	uint64_t at = (uint64_t)offset, end = fd->inode->current.size;

	if (offset < 0 || !is_aligned(fd, to, size, offset))
		return fail(EINVAL);
	if ((fd->flags & O_ACCMODE) == O_WRONLY)
		return fail(EBADF);
	if (sim_chance(sim_faults.read_error)) {
		sim_counts.errors++;
		return fail(EIO);
	}
	if (at >= end)
		return 0;
	if (size > end - at)
		size = end - at;
	sim_content_read(&fd->inode->current, at, to, size);
	sim_flight_show(fd->inode, at, to, size);
	return (ssize_t)size;
}

static ssize_t write_at(
    struct sim_fd *fd, const void *bytes, size_t size, off_t offset, int durable)
{
	uint64_t at = (uint64_t)offset;

	if (offset < 0 || !is_aligned(fd, bytes, size, offset))
		return fail(EINVAL);
	if ((fd->flags & O_ACCMODE) == O_RDONLY)
		return fail(EBADF);
	if (at + size > fd->inode->current.size && sim_chance(sim_faults.no_space))
		return fail(ENOSPC);
	if (size > 0 && sim_chance(sim_faults.write_error)) {
		if (sim_below(2) == 0) {
			sim_file_write_failed(fd->inode, at, bytes, size);
			return fail(EIO);
		}
		sim_counts.errors++;
		size = sim_below(size / SIM_SECTOR_SIZE + 1) * SIM_SECTOR_SIZE;
	}
	sim_file_write(fd->inode, at, bytes, size, durable || (fd->flags & O_DSYNC) != 0);
	return (ssize_t)size;
}

ssize_t __wrap_pread(int number, void *to, size_t size, off_t offset)
{
	struct sim_fd *fd;

	if (!sim_fd_is(number))
		return __real_pread(number, to, size, offset);
	fd = file_of(number);
	return fd == NULL ? -1 : read_at(fd, to, size, offset);
}

ssize_t __wrap_read(int number, void *to, size_t size)
{
	struct sim_fd *fd;
	ssize_t got;

	if (!sim_fd_is(number))
		return __real_read(number, to, size);
	fd = file_of(number);
	got = fd == NULL ? -1 : read_at(fd, to, size, (off_t)fd->position);
	if (got > 0)
		fd->position += (uint64_t)got;
	return got;
}

ssize_t __wrap_pwrite(int number, const void *bytes, size_t size, off_t offset)
{
	struct sim_fd *fd;

	if (!sim_fd_is(number))
		return __real_pwrite(number, bytes, size, offset);
	fd = file_of(number);
	return fd == NULL ? -1 : write_at(fd, bytes, size, offset, 0);
}

ssize_t __wrap_write(int number, const void *bytes, size_t size)
{
	struct sim_fd *fd;
	ssize_t done;

	if (!sim_fd_is(number))
		return __real_write(number, bytes, size);
	fd = file_of(number);
	if (fd == NULL)
		return -1;
	if ((fd->flags & O_APPEND) != 0)
		fd->position = fd->inode->current.size;
	done = write_at(fd, bytes, size, (off_t)fd->position, 0);
	if (done > 0)
		fd->position += (uint64_t)done;
	return done;
}

ssize_t __wrap_pwritev2(int number, const struct iovec *parts, int count, off_t offset, int flags)
{
	struct sim_fd *fd;
	ssize_t total = 0;

	if (!sim_fd_is(number))
		return __real_pwritev2(number, parts, count, offset, flags);
	fd = file_of(number);
	if (fd == NULL)
		return -1;
	for (int i = 0; i < count; i++) {
		ssize_t done = write_at(fd, parts[i].iov_base, parts[i].iov_len, offset + total,
		    (flags & (RWF_DSYNC | RWF_SYNC)) != 0);

		if (done < 0)
			return total > 0 ? total : done;
		total += done;
		if ((size_t)done < parts[i].iov_len)
			break;
	}
	return total;
}

off_t __wrap_lseek(int number, off_t offset, int whence)
{
	struct sim_fd *fd;

	if (!sim_fd_is(number))
		return __real_lseek(number, offset, whence);
	fd = file_of(number);
	if (fd == NULL)
		return -1;
	if (whence == SEEK_CUR)
		offset += (off_t)fd->position;
	else if (whence == SEEK_END)
		offset += (off_t)fd->inode->current.size;
	else if (whence != SEEK_SET)
		return fail(EINVAL);
	if (offset < 0)
		return fail(EINVAL);
	fd->position = (uint64_t)offset;
	return offset;
}

int __wrap_fsync(int number)
{
	struct sim_fd *fd;

	if (!sim_fd_is(number))
		return __real_fsync(number);
	fd = sim_call() == 0 ? sim_fd(number) : NULL;
	if (fd == NULL)
		return -1;
	sim_counts.syncs++;
	if (sim_chance(sim_faults.sync_error)) {
		sim_counts.errors++;
		sim_file_abandon(fd->inode);
		return fail(EIO);
	}
	if (fd->inode->is_directory)
		sim_directory_sync(fd->inode);
	else
		sim_file_sync(fd->inode);
	return 0;
}

int __wrap_fdatasync(int number)
{
	/* What the size says is needed to find the data: as fsync. */
	return sim_fd_is(number) ? __wrap_fsync(number) : __real_fdatasync(number);
}

int __wrap_ftruncate(int number, off_t size)
{
	struct sim_fd *fd;

	if (!sim_fd_is(number))
		return __real_ftruncate(number, size);
	fd = file_of(number);
	if (fd == NULL)
		return -1;
	if ((uint64_t)size > fd->inode->current.size && sim_chance(sim_faults.no_space))
		return fail(ENOSPC);
	sim_content_resize(&fd->inode->current, (uint64_t)size);
	return 0;
}

int __wrap_fallocate(int number, int mode, off_t offset, off_t size)
{
	struct sim_fd *fd;

	if (!sim_fd_is(number))
		return __real_fallocate(number, mode, offset, size);
	fd = file_of(number);
	if (fd == NULL)
		return -1;
	if (mode != 0)
		return fail(EOPNOTSUPP);
	if (sim_chance(sim_faults.no_space))
		return fail(ENOSPC);
	if ((uint64_t)(offset + size) > fd->inode->current.size)
		sim_content_resize(&fd->inode->current, (uint64_t)(offset + size));
	return 0;
}

int __wrap_flock(int number, int operation)
{
	struct sim_fd *fd;

	if (!sim_fd_is(number))
		return __real_flock(number, operation);
	fd = sim_call() == 0 ? sim_fd(number) : NULL;
	if (fd == NULL)
		return -1;
	if ((operation & LOCK_UN) != 0) {
		if (fd->inode->lock_fd == number)
			fd->inode->lock_fd = 0;
		return 0;
	}
	if (fd->inode->lock_fd != 0 && fd->inode->lock_fd != number)
		return fail(EWOULDBLOCK);
	fd->inode->lock_fd = number;
	return 0;
}

int __wrap_close(int number)
{
	struct sim_fd *fd;

	if (!sim_fd_is(number))
		return __real_close(number);
	fd = sim_call() == 0 ? sim_fd(number) : NULL;
	if (fd == NULL)
		return -1;
	if (fd->inode->lock_fd == number)
		fd->inode->lock_fd = 0;
	sim_inode_release(fd->inode);
	fd->inode = NULL;
	return 0;
}

void sim_inode_stat(const struct sim_inode *inode, struct stat *status)
{
	*status = (struct stat){
		.st_ino = inode->number,
		.st_mode = inode->is_directory ? S_IFDIR | 0755 : S_IFREG | 0600,
		.st_nlink = 1,
		.st_size = (off_t)inode->current.size,
		.st_blksize = SIM_PAGE_SIZE,
		.st_blocks = (blkcnt_t)(inode->current.size / SIM_SECTOR_SIZE),
	};
}

int __wrap_fstat(int number, struct stat *status)
{
	struct sim_fd *fd;

	if (!sim_fd_is(number))
		return __real_fstat(number, status);
	fd = sim_call() == 0 ? sim_fd(number) : NULL;
	if (fd == NULL)
		return -1;
	sim_inode_stat(fd->inode, status);
	return 0;
}

int __wrap_fstatfs(int number, struct statfs *status)
{
	if (!sim_fd_is(number))
		return __real_fstatfs(number, status);
	if (sim_call() != 0 || sim_fd(number) == NULL)
		return -1;
	*status = (struct statfs){ .f_type = EXT4_SUPER_MAGIC,
		.f_bsize = SIM_PAGE_SIZE,
		.f_blocks = 1u << 24,
		.f_bfree = 1u << 23,
		.f_bavail = 1u << 23 };
	return 0;
}

int __wrap_fstatvfs(int number, struct statvfs *status)
{
	if (!sim_fd_is(number))
		return __real_fstatvfs(number, status);
	if (sim_call() != 0 || sim_fd(number) == NULL)
		return -1;
	*status = (struct statvfs){ .f_bsize = SIM_PAGE_SIZE,
		.f_frsize = SIM_PAGE_SIZE,
		.f_blocks = 1u << 24,
		.f_bfree = 1u << 23,
		.f_bavail = 1u << 23 };
	return 0;
}

SIM_ALSO(pread, pread64);
SIM_ALSO(pwrite, pwrite64);
SIM_ALSO(pwritev2, pwritev64v2);
SIM_ALSO(lseek, lseek64);
SIM_ALSO(ftruncate, ftruncate64);
SIM_ALSO(fallocate, fallocate64);
SIM_ALSO(fstat, fstat64);
SIM_ALSO(fstatfs, fstatfs64);
SIM_ALSO(fstatvfs, fstatvfs64);
