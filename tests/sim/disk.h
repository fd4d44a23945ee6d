/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulated disk inside: files in two versions, as the process sees them and as they would be
 * after a power cut, with what lies between in lists. Private to tests/sim/{disk,uring,lmdb}*.c.
 */
#ifndef SLUICE_TESTS_SIM_DISK_H
#define SLUICE_TESTS_SIM_DISK_H

#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "tests/sim/sim.h"
#include "wire/assert.h"

#define SIM_PAGE_SIZE   4096u
#define SIM_SECTOR_SIZE 512u
#define SIM_NAME_SIZE   80u
#define SIM_FD_FIRST    100000

/* A page of zeros is no page (NULL). Shared between the two versions of a file. */
struct sim_page {
	uint32_t refs;
	uint8_t bytes[SIM_PAGE_SIZE];
};

/* A write the process has completed and nothing has made durable. */
struct sim_write {
	struct sim_write *next;
	uint64_t offset;
	uint64_t size;
	uint8_t *data; /* NULL: zeros */
	int abandoned; /* a sync failed: no later sync speaks for it any more */
};

struct sim_content {
	struct sim_page **pages;
	uint64_t room; /* pages */
	uint64_t size; /* bytes */
};

struct sim_entry {
	char name[SIM_NAME_SIZE];
	struct sim_inode *inode;
};

struct sim_names {
	struct sim_entry *entries;
	uint32_t count, room;
};

/* One change of a directory: `from` goes (empty: nothing), `to` comes (the same), both at once. */
struct sim_name_change {
	char from[SIM_NAME_SIZE], to[SIM_NAME_SIZE];
	struct sim_inode *inode;
};

struct sim_inode {
	uint32_t refs; /* entries, changes, descriptors, writes in flight */
	int is_directory;
	uint64_t number;
	int lock_fd; /* who holds flock; 0: nobody */
	/* A file. */
	struct sim_content current, durable;
	struct sim_write *writes, **writes_end; /* in order */
	void *environment;                      /* data.mdb: what LMDB keeps in it */
	/* A directory. */
	struct sim_names names, durable_names;
	struct sim_name_change *changes;
	uint32_t change_count, change_room;
};

struct sim_fd {
	struct sim_inode *inode; /* NULL: closed */
	int flags;
	uint64_t position;
};

/* ---- disk.c: the machine ---- */

/* Every simulated system call begins with this: 0, or -1 with errno EIO: there is no power. */
int sim_call(void);
int sim_is_dead(void);
extern struct sim_disk_faults sim_faults;
extern struct sim_disk_counts sim_counts;
struct sim_fd *sim_fd(int number); /* NULL with errno EBADF */
int sim_fd_make(struct sim_inode *inode, int flags);
static inline int sim_fd_is(int number)
{
	return number >= SIM_FD_FIRST;
}
void sim_clock_reset(void);

/* Hands a write of a ring to the device. The bytes may not change until it is complete. */
struct sim_flight;
typedef void sim_flight_done(void *context, uint64_t user_data, int result);
int sim_flight_begin(struct sim_inode *inode, uint64_t offset, const void *bytes, uint32_t size,
    int durable, sim_flight_done *done, void *context, uint64_t user_data);
/* There is no power: all of this ring end with EIO. */
void sim_flight_fail(const void *context);
/* Nobody waits for the writes of this ring any more. */
void sim_flight_forget(const void *context);
/* A read of a place that is being written may see any sector of it already. */
void sim_flight_show(const struct sim_inode *inode, uint64_t offset, uint8_t *to, uint64_t size);
/* In flight of this ring. */
unsigned sim_flight_count(const void *context);

/* ---- disk_file.c: content ---- */

void sim_content_read(const struct sim_content *content, uint64_t offset, void *to, uint64_t size);
/* `data` NULL: zeros. Grows the content when it ends behind it. */
void sim_content_write(
    struct sim_content *content, uint64_t offset, const uint8_t *data, uint64_t size);
void sim_content_resize(struct sim_content *content, uint64_t size);
void sim_content_copy(struct sim_content *to, const struct sim_content *from);
/* The process's write: seen at once; durable at once, or noted. */
void sim_file_write(
    struct sim_inode *file, uint64_t offset, const uint8_t *data, uint64_t size, int durable);
void sim_file_sync(struct sim_inode *file);
void sim_file_abandon(struct sim_inode *file);
/* What a power cut or a failure leaves of a write, piece by piece: all, nothing, sectors, blocks.
 */
typedef void sim_put(void *to, uint64_t offset, const uint8_t *data, uint64_t size);
void sim_write_torn(uint64_t offset, const uint8_t *data, uint64_t size, sim_put *put, void *to);
/* A write that failed: any part of it is there, none of it for certain. */
void sim_file_write_failed(
    struct sim_inode *file, uint64_t offset, const uint8_t *data, uint64_t size);
void sim_file_crash(struct sim_inode *file);
void sim_file_free(struct sim_inode *file);

/* ---- disk_names.c: inodes and directories ---- */

struct sim_inode *sim_inode_make(int is_directory);
void sim_inode_hold(struct sim_inode *inode);
void sim_inode_release(struct sim_inode *inode);

extern struct sim_inode *sim_top; /* "/" */
struct sim_inode *sim_names_find(const struct sim_names *names, const char *name);
void sim_names_set(struct sim_names *names, const char *name, struct sim_inode *inode);
void sim_names_remove(struct sim_names *names, const char *name);
void sim_names_free(struct sim_names *names);
/* Changes a directory as the process sees it, and notes the change. */
void sim_directory_change(
    struct sim_inode *directory, const char *from, const char *to, struct sim_inode *inode);
void sim_directory_sync(struct sim_inode *directory);
/* 1: a name of the file, here or below, is one that a power cut may take away. */
int sim_directory_changes(const struct sim_inode *directory, const struct sim_inode *file);
/* A power cut: the first so many changes are kept. */
void sim_directory_crash(struct sim_inode *directory);
/* The path is simulated. */
int sim_path_is(int directory_fd, const char *path);
/* NULL with errno. */
struct sim_inode *sim_path_find(int directory_fd, const char *path);
/* Its directory and last name. NULL with errno. */
struct sim_inode *sim_path_parent(int directory_fd, const char *path, char name[SIM_NAME_SIZE]);

/* ---- lmdb.c ---- */

void sim_environment_free(void *environment);
void sim_lmdb_reset(void);

/* What stands in for the system's; the linker sends their callers here (meson.build: sim_wrap). */
ssize_t __wrap_getrandom(void *to, size_t size, unsigned flags);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_nanosleep(const struct timespec *wanted, struct timespec *left);
int __wrap_clock_nanosleep(
    clockid_t clock, int flags, const struct timespec *wanted, struct timespec *left);

#endif
