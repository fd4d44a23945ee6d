/* SPDX-License-Identifier: Apache-2.0 */
/* The system calls the linker sends here (`__wrap_x`) and the real ones (`__real_x`). */
#ifndef SLUICE_TESTS_SIM_DISK_CALLS_H
#define SLUICE_TESTS_SIM_DISK_CALLS_H

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <sys/vfs.h>

#include "tests/sim/disk.h"

void sim_inode_stat(const struct sim_inode *inode, struct stat *status);

/* The name of the same call in programs built with 64-bit file offsets: ours all are. */
#define SIM_ALSO(name, other)                                                                      \
	extern __typeof(__wrap_##name) __wrap_##other __attribute__((alias("__wrap_" #name)))

ssize_t __wrap_pread(int number, void *to, size_t size, off_t offset);
ssize_t __wrap_read(int number, void *to, size_t size);
ssize_t __wrap_pwrite(int number, const void *bytes, size_t size, off_t offset);
ssize_t __wrap_write(int number, const void *bytes, size_t size);
ssize_t __wrap_pwritev2(int number, const struct iovec *parts, int count, off_t offset, int flags);
off_t __wrap_lseek(int number, off_t offset, int whence);
int __wrap_fsync(int number);
int __wrap_fdatasync(int number);
int __wrap_ftruncate(int number, off_t size);
int __wrap_fallocate(int number, int mode, off_t offset, off_t size);
int __wrap_flock(int number, int operation);
int __wrap_close(int number);
int __wrap_fstat(int number, struct stat *status);
int __wrap_fstatfs(int number, struct statfs *status);
int __wrap_fstatvfs(int number, struct statvfs *status);
int __wrap_open(const char *path, int flags, ...);
int __wrap_openat(int directory_fd, const char *path, int flags, ...);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_unlink(const char *path);
int __wrap_unlinkat(int directory_fd, const char *path, int flags);
int __wrap_rmdir(const char *path);
int __wrap_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_rename(const char *from, const char *to);
int __wrap_fstatat(int directory_fd, const char *path, struct stat *status, int flags);
int __wrap_stat(const char *path, struct stat *status);
int __wrap_lstat(const char *path, struct stat *status);
int __wrap_access(const char *path, int mode);
char *__wrap_realpath(const char *path, char *to);
DIR *__wrap_fdopendir(int number);
DIR *__wrap_opendir(const char *path);
struct dirent *__wrap_readdir(DIR *stream);
int __wrap_closedir(DIR *stream);

ssize_t __real_pread(int number, void *to, size_t size, off_t offset);
ssize_t __real_read(int number, void *to, size_t size);
ssize_t __real_pwrite(int number, const void *bytes, size_t size, off_t offset);
ssize_t __real_write(int number, const void *bytes, size_t size);
ssize_t __real_pwritev2(int number, const struct iovec *parts, int count, off_t offset, int flags);
off_t __real_lseek(int number, off_t offset, int whence);
int __real_fsync(int number);
int __real_fdatasync(int number);
int __real_ftruncate(int number, off_t size);
int __real_fallocate(int number, int mode, off_t offset, off_t size);
int __real_flock(int number, int operation);
int __real_close(int number);
int __real_fstat(int number, struct stat *status);
int __real_fstatfs(int number, struct statfs *status);
int __real_fstatvfs(int number, struct statvfs *status);
int __real_open(const char *path, int flags, ...);
int __real_openat(int directory_fd, const char *path, int flags, ...);
int __real_mkdir(const char *path, mode_t mode);
int __real_unlink(const char *path);
int __real_unlinkat(int directory_fd, const char *path, int flags);
int __real_rmdir(const char *path);
int __real_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags);
int __real_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __real_rename(const char *from, const char *to);
int __real_fstatat(int directory_fd, const char *path, struct stat *status, int flags);
int __real_stat(const char *path, struct stat *status);
int __real_lstat(const char *path, struct stat *status);
int __real_access(const char *path, int mode);
char *__real_realpath(const char *path, char *to);
DIR *__real_fdopendir(int number);
DIR *__real_opendir(const char *path);
struct dirent *__real_readdir(DIR *stream);
int __real_closedir(DIR *stream);

#endif
