/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the simulated machine gives to production code that does not know it is simulated.
 *
 * The production ledger, journal, recovery, store, session, shard and reader code is linked as it
 * is. Three things below it are replaced at link time:
 *
 *   system calls  open, pread, pwritev2, fsync, renameat, clock_gettime, getrandom ... by
 *                 `-Wl,--wrap`: files live in a simulated disk (sim_disk_*), time in sim_clock_*
 *   io_uring      the calls of liburing the journal uses: submitted writes are in flight in the
 *                 simulated disk until sim_disk_step() completes them
 *   LMDB          the calls lmdb-schema uses: an environment is a sorted map whose commits are
 *                 atomic and durable (sim_lmdb_*)
 *
 * Everything runs in one thread; whoever drives it (world.c) decides whose turn it is. All chance
 * comes from one generator seeded by `--seed`, so a run is repeated exactly by its seed.
 *
 * Fault model of the disk
 *   - A write is durable when it completed and was a DSYNC write, or when a later fsync/fdatasync
 *     of its file completed. Names (create, rename, unlink) are durable after the directory's
 * fsync.
 *   - A crash (power cut) keeps of every write that was not durable: all, nothing, or any of its
 *     512 B sectors (torn), or of its 4 KiB blocks; independent of each other, so in any order.
 *     Names not yet synced are kept or lost, in order.
 *   - A kill (process gone, machine alive) loses no write the kernel had taken; those in flight end
 *     one way or the other: completed, or never begun. Nobody waited for the flush of one that
 *     completed: it can be read, and it may be in the device's cache only, DSYNC or not.
 *   - A read of a place that is being written may see any sectors of the write.
 *   - On demand: completion late; completion with EIO or short; ENOSPC; read EIO; a bit of a
 * durable sector flipped; a write that went to another place (misdirected): the last two only ever
 *     while the process is down or where the driver says so, and they must be DETECTED.
 */
#ifndef SLUICE_TESTS_SIM_SIM_H
#define SLUICE_TESTS_SIM_SIM_H

#include <stddef.h>
#include <stdint.h>

/* Files below this directory are simulated ("/" itself too); all others are the real ones. */
#define SIM_ROOT "/sim"

/* ---- Chance: xoshiro256**, seeded by splitmix64; nothing else in the simulator draws. ---- */

/* Also sets both clocks to their start. */
void sim_seed(uint64_t seed);
uint64_t sim_random(void);
/* 0 .. bound - 1. */
uint64_t sim_below(uint64_t bound);
/* 1 with a chance of n in 1,000,000. */
int sim_chance(uint32_t n);

/*
 * ---- Clock: both clocks of the switch; moved by the driver, and by a call that sleeps (nanosleep,
 * or the journal's wait for a completion).
 */

uint64_t sim_clock_ns(void);
void sim_clock_advance(uint64_t ns);
/* CLOCK_REALTIME alone jumps, back or forward. */
void sim_clock_jump(int64_t ns);

/* ---- Disk ---- */

/* Chances in a million, each time the thing happens. */
struct sim_disk_faults {
	uint32_t write_error;        /* a journal write completes with EIO or short */
	uint32_t write_slow;         /* a write stays in flight for up to 100 ms */
	uint32_t no_space;           /* making or growing a file: ENOSPC */
	uint32_t read_error;         /* pread: EIO */
	uint32_t sync_error;         /* fsync of a file or directory: EIO */
	uint32_t completion_reorder; /* writes in flight complete in another order */
};

struct sim_disk_counts {
	uint64_t writes, bytes, syncs, completions, errors, torn, lost, flips, misdirected;
	/* Durable writes of a ring into a file whose name a power cut may still take away. */
	uint64_t unnamed;
};

/* An empty disk, everything closed. Again: forgets the former. */
void sim_disk_reset(void);
void sim_disk_set_faults(const struct sim_disk_faults *faults);
/* Completes writes whose time has come; returns how many are still in flight. */
unsigned sim_disk_step(void);
/* 1: a ring has writes in flight to two files: a journal goes over into its next segment. */
int sim_disk_straddles(void);
/* Time at which the next write in flight completes; UINT64_MAX: none is. */
uint64_t sim_disk_next_ns(void);
/*
 * Power cut or kill: what survives is settled by the model above, LMDB environments fall back to
 * their last commit. From here to sim_disk_power_on() every call fails with EIO and does nothing,
 * so that the driver can free what the dead process held.
 */
void sim_disk_power_off(int kill_only);
void sim_disk_power_on(void);
/* 1: a power cut was asked for by sim_disk_cut_after() and has come: the driver lets the process
 * die at once. */
int sim_disk_cut_due(void);
/* The power goes at the n-th system call from now (0: never): a crash at any boundary of I/O. */
void sim_disk_cut_after(uint64_t calls);
/* Between 1 and 0 it is the driver that reads files: nothing fails, and no call counts. */
void sim_disk_look(int begins);
/*
 * Damage while the process is down, in the file whose name begins with `prefix` ("journal-"), at a
 * place whose content is durable, below `limit` bytes (0: anywhere). 0, or -ENOENT: no such place.
 */
int sim_disk_flip_bit(const char *prefix, uint64_t limit);
/* One durable 4 KiB block of such a file is found at another place of it. */
int sim_disk_misdirect(const char *prefix);
/*
 * These bytes are found there, durable, as is whatever was written to the file before: damage of
 * the driver's choice, while the process is down. 0; -ENOENT; -EINVAL: not inside the file.
 */
int sim_disk_patch(const char *path, uint64_t offset, const void *bytes, size_t size);
struct sim_disk_counts sim_disk_counts(void);

/* Reads a file as it is now, for reports: bytes got, or -errno. */
int64_t sim_disk_peek(const char *path, uint64_t offset, void *to, size_t size);

/* ---- LMDB ---- */

/* The next commit of any environment fails with this errno (0: none): MDB_MAP_FULL, ENOSPC, EIO. */
void sim_lmdb_fail_next(int error);
/* Commits since sim_disk_reset(). */
uint64_t sim_lmdb_commits(void);

#endif
