/* SPDX-License-Identifier: Apache-2.0 */
/*
 * faultfs: shows a folder through FUSE and fails as a disk does. unsynced.h has the fault model.
 *
 *   faultfs BACKING MOUNT --control SOCKET [--sync-us N]
 *   faultfs ctl SOCKET WORDS...
 *
 * What arrives from the kernel (6.18, measured by tests/e2e/test_fault_fs.py): a write of io_uring
 * with RWF_DSYNC on an O_DIRECT descriptor is one FUSE_WRITE with O_DSYNC among its flags and no
 * FSYNC behind it, because FUSE answers it asynchronously; through the page cache (LMDB's meta
 * page) it is a FUSE_WRITE with O_DSYNC and then an FSYNC. Both are durable when the write is
 * answered. Reads and mappings of other descriptors see all of it: the page cache is kept in step
 * by the kernel.
 */
#define FUSE_USE_VERSION 35
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "tests/faults/control.h"
#include "tests/faults/rules.h"
#include "tests/faults/unsynced.h"

static int backing_fd = -1;
static unsigned sync_us;

/* Relative to the backing folder; "." for the top. NULL (an open file without a name) is "". */
static const char *below(const char *path)
{
	if (path == NULL)
		return "";
	return path[0] == '/' && path[1] != '\0' ? path + 1 : ".";
}

static int file_of(const struct fuse_file_info *info)
{
	return (int)info->fh;
}

static int fault_getattr(const char *path, struct stat *status, struct fuse_file_info *info)
{
	int result = info != NULL ? fstat(file_of(info), status)
	                          : fstatat(backing_fd, below(path), status, AT_SYMLINK_NOFOLLOW);

	return result != 0 ? -errno : 0;
}

static int fault_readdir(const char *path, void *buffer, fuse_fill_dir_t fill, off_t offset,
    struct fuse_file_info *info, enum fuse_readdir_flags flags)
{
	int fd = openat(backing_fd, below(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	(void)offset;
	(void)info;
	(void)flags;
	if (directory == NULL)
		return -errno;
	while ((entry = readdir(directory)) != NULL)
		if (strcmp(entry->d_name, unsynced_grave()) != 0)
			fill(buffer, entry->d_name, NULL, 0, 0);
	closedir(directory);
	return 0;
}

/* Reading too: what was there before a write is read. The kernel does caching and O_DIRECT. */
static int backing_flags(int flags)
{
	flags &= ~(O_DIRECT | O_DSYNC | O_SYNC | O_APPEND | O_CREAT | O_EXCL | O_TRUNC | O_ACCMODE);
	return flags | O_RDWR | O_CLOEXEC;
}

static int fault_open(const char *path, struct fuse_file_info *info)
{
	int error = unsynced_alive();
	int fd = error != 0 ? error : openat(backing_fd, below(path), backing_flags(info->flags));

	if (fd < 0)
		return error != 0 ? error : -errno;
	if ((info->flags & O_TRUNC) != 0)
		error = unsynced_resize(fd, 0);
	if (error != 0) {
		close(fd);
		return error;
	}
	info->fh = (uint64_t)fd;
	info->keep_cache = 1;
	return 0;
}

static int fault_create(const char *path, mode_t mode, struct fuse_file_info *info)
{
	int error = rules_obey(below(path), RULE_GROW).error;
	int fd =
	    error != 0 ? error : unsynced_create(below(path), backing_flags(info->flags), mode);

	if (fd < 0)
		return fd;
	info->fh = (uint64_t)fd;
	info->keep_cache = 1;
	return 0;
}

static int fault_read(
    const char *path, char *buffer, size_t size, off_t offset, struct fuse_file_info *info)
{
	int error = rules_obey(below(path), RULE_READ).error;
	ssize_t got;

	if (error == 0)
		error = unsynced_alive();
	if (error != 0)
		return error;
	got = pread(file_of(info), buffer, size, offset);
	return got < 0 ? -errno : (int)got;
}

/* The time a device takes, so that a cut meets writes under way. */
static void sync_pause(void)
{
	struct timespec pause = { 0, (long)sync_us * 1000 };

	if (sync_us > 0)
		nanosleep(&pause, NULL);
}

static struct rule_verdict write_judge(
    const char *path, const struct fuse_file_info *info, off_t end)
{
	struct rule_verdict verdict = rules_obey(path, RULE_WRITE);
	struct stat status;

	if (verdict.error == 0 && fstat(file_of(info), &status) == 0 && end > status.st_size)
		verdict = rules_obey(path, RULE_GROW);
	return verdict;
}

static int fault_write(
    const char *path, const char *bytes, size_t size, off_t offset, struct fuse_file_info *info)
{
	int synced = (info->flags & (O_DSYNC | O_SYNC)) != 0, error;
	struct rule_verdict verdict = write_judge(below(path), info, offset + (off_t)size);
	uint64_t ticket = 0;
	int64_t result;

	control_count(synced ? CONTROL_WRITES_SYNCED : CONTROL_WRITES);
	if (verdict.error != 0) {
		if (verdict.torn && size >= 1024)
			(void)unsynced_write(
			    file_of(info), bytes, size / 1024 * 512, offset, &ticket);
		return verdict.error;
	}
	result = unsynced_write(file_of(info), bytes, size, offset, &ticket);
	if (result < 0 || !synced)
		return (int)result;
	verdict = rules_obey(below(path), RULE_SYNC);
	sync_pause();
	error = verdict.error;
	if (error == 0)
		error = verdict.lie ? unsynced_alive() : unsynced_durable(file_of(info), ticket);
	return error != 0 ? error : (int)result;
}

static int fault_truncate(const char *path, off_t size, struct fuse_file_info *info)
{
	int fd = info != NULL ? file_of(info) : openat(backing_fd, below(path), O_RDWR | O_CLOEXEC);
	struct stat status;
	int result;

	if (fd < 0 || fstat(fd, &status) != 0)
		return -errno;
	result = size > status.st_size ? rules_obey(below(path), RULE_GROW).error : 0;
	if (result == 0)
		result = unsynced_resize(fd, size);
	if (info == NULL)
		close(fd);
	return result;
}

static int fault_fallocate(
    const char *path, int mode, off_t offset, off_t length, struct fuse_file_info *info)
{
	struct stat status;
	int error;

	if (mode != 0)
		return -EOPNOTSUPP;
	if (fstat(file_of(info), &status) != 0)
		return -errno;
	if (offset + length <= status.st_size)
		return 0;
	error = rules_obey(below(path), RULE_GROW).error;
	return error != 0 ? error : unsynced_resize(file_of(info), offset + length);
}

static int fault_fsync(const char *path, int datasync, struct fuse_file_info *info)
{
	uint64_t mark = unsynced_sync_begin();
	struct rule_verdict verdict = rules_obey(below(path), RULE_SYNC);

	(void)datasync;
	control_count(CONTROL_SYNCS);
	sync_pause();
	if (verdict.error != 0 || verdict.lie)
		return verdict.error != 0 ? verdict.error : unsynced_alive();
	return unsynced_sync_end(file_of(info), mark);
}

static int fault_fsyncdir(const char *path, int datasync, struct fuse_file_info *info)
{
	uint64_t mark = unsynced_sync_begin();
	struct rule_verdict verdict = rules_obey(below(path), RULE_SYNC);

	(void)datasync;
	(void)info;
	sync_pause();
	if (verdict.error != 0 || verdict.lie)
		return verdict.error != 0 ? verdict.error : unsynced_alive();
	return unsynced_sync_directory_end(strcmp(below(path), ".") == 0 ? "" : below(path), mark);
}

static int fault_release(const char *path, struct fuse_file_info *info)
{
	(void)path;
	close(file_of(info));
	return 0;
}

static int fault_mkdir(const char *path, mode_t mode)
{
	int error = rules_obey(below(path), RULE_GROW).error;

	return error != 0 ? error : unsynced_mkdir(below(path), mode);
}

static int fault_unlink(const char *path)
{
	return unsynced_unlink(below(path));
}

static int fault_rmdir(const char *path)
{
	return unsynced_rmdir(below(path));
}

static int fault_rename(const char *from, const char *to, unsigned flags)
{
	return unsynced_rename(below(from), below(to), flags);
}

static int fault_chmod(const char *path, mode_t mode, struct fuse_file_info *info)
{
	int result =
	    info != NULL ? fchmod(file_of(info), mode) : fchmodat(backing_fd, below(path), mode, 0);

	return result != 0 ? -errno : 0;
}

static int fault_chown(const char *path, uid_t user, gid_t group, struct fuse_file_info *info)
{
	int result = info != NULL ? fchown(file_of(info), user, group)
	                          : fchownat(backing_fd, below(path), user, group, 0);

	return result != 0 ? -errno : 0;
}

static int fault_utimens(
    const char *path, const struct timespec times[2], struct fuse_file_info *info)
{
	int result = info != NULL ? futimens(file_of(info), times)
	                          : utimensat(backing_fd, below(path), times, 0);

	return result != 0 ? -errno : 0;
}

static int fault_statfs(const char *path, struct statvfs *status)
{
	(void)path;
	return fstatvfs(backing_fd, status) != 0 ? -errno : 0;
}

static void *fault_init(struct fuse_conn_info *connection, struct fuse_config *config)
{
	connection->max_background = 64;
	connection->congestion_threshold = 64;
	/* Nobody else changes the backing folder, so what the kernel knows stays right. */
	config->kernel_cache = 1;
	config->entry_timeout = config->attr_timeout = 3600;
	config->hard_remove = 1;
	config->use_ino = 1;
	return NULL;
}

static const struct fuse_operations operations = {
	.getattr = fault_getattr,
	.readdir = fault_readdir,
	.open = fault_open,
	.create = fault_create,
	.read = fault_read,
	.write = fault_write,
	.truncate = fault_truncate,
	.fallocate = fault_fallocate,
	.fsync = fault_fsync,
	.fsyncdir = fault_fsyncdir,
	.release = fault_release,
	.mkdir = fault_mkdir,
	.unlink = fault_unlink,
	.rmdir = fault_rmdir,
	.rename = fault_rename,
	.chmod = fault_chmod,
	.chown = fault_chown,
	.utimens = fault_utimens,
	.statfs = fault_statfs,
	.init = fault_init,
};

static const char usage[] =
    "faultfs: shows a folder through FUSE and fails as a disk does\n\n"
    "  faultfs BACKING MOUNT --control SOCKET [--sync-us N]   until unmounted\n"
    "  faultfs ctl SOCKET WORDS...                            one command, one line of answer\n\n"
    "  cut SEED          power cut: decides what was not synced by chance, then EIO for ever\n"
    "  fault GLOB read|write|grow|sync eio|enospc|torn|lie|hold|delay=MS [skip=N] [count=N]\n"
    "  clear             no more faults; what is held goes on\n"
    "  stat              counts\n\n"
    "Exit status: 0 done, 1 refused, 2 usage, 3 not reachable.\n";

static int serve(const char *mount)
{
	struct fuse_args arguments = FUSE_ARGS_INIT(0, NULL);
	struct fuse_loop_config loop = { .clone_fd = 0, .max_idle_threads = 10 };
	struct fuse *fuse;
	int result = 3;

	if (fuse_opt_add_arg(&arguments, "faultfs") != 0 ||
	    fuse_opt_add_arg(&arguments, "-ofsname=faultfs,default_permissions") != 0)
		return 3;
	fuse = fuse_new(&arguments, &operations, sizeof(operations), NULL);
	if (fuse != NULL && fuse_mount(fuse, mount) == 0) {
		fuse_set_signal_handlers(fuse_get_session(fuse));
		result = fuse_loop_mt(fuse, &loop) != 0 ? 1 : 0;
		fuse_unmount(fuse);
	}
	if (fuse != NULL)
		fuse_destroy(fuse);
	fuse_opt_free_args(&arguments);
	return result;
}

int main(int count, char **words)
{
	static const struct option known[] = {
		{ "control", required_argument, NULL, 'c' },
		{ "sync-us", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *socket_path = NULL;
	int option;

	if (count > 3 && strcmp(words[1], "ctl") == 0)
		return control_ask(words[2], words + 3);
	while ((option = getopt_long(count, words, "", known, NULL)) != -1) {
		if (option == 'c')
			socket_path = optarg;
		else if (option == 's')
			sync_us = (unsigned)strtoul(optarg, NULL, 10);
		else
			return fputs(usage, option == 'h' ? stdout : stderr), option == 'h' ? 0 : 2;
	}
	if (socket_path == NULL || optind + 2 != count) {
		fputs(usage, stderr);
		return 2;
	}
	umask(0); /* the kernel has applied the caller's */
	backing_fd = open(words[optind], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (backing_fd < 0 || unsynced_begin(backing_fd) != 0 || control_start(socket_path) != 0) {
		fprintf(
		    stderr, "faultfs: %s or %s: %s\n", words[optind], socket_path, strerror(errno));
		return 3;
	}
	return serve(words[optind + 1]);
}
