/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The disk below the journal: what it is, whether "durable" may be claimed on it, and W, the time
 * of one synced write. W is measured like `fio --ioengine=psync --rw=write --bs=16k --direct=1
 * --sync=dsync --iodepth=1` over a file written before: no allocation in the measured writes.
 */
#ifndef SLUICE_BENCH_PROBE_H
#define SLUICE_BENCH_PROBE_H

#include <stdint.h>

#include "wire/assert.h"

#define PROBE_MESSAGE_SIZE 256

struct probe_disk {
	char device[64];          /* "vda"; empty when there is no block device */
	char file_system[32];     /* "ext4" */
	char refusal[160];        /* why durable may not be claimed; empty when it may */
	uint64_t flushes, writes; /* of the device so far */
	int has_flush_count;
	char write_cache[32]; /* the kernel's word: "write back", "write through"; empty: unknown */
	int fua;              /* 1: a synced write needs no flush of the whole cache */
};

/* 1 when a synced write must show up as a flush: a volatile cache and no write that passes it. */
int probe_disk_must_flush(const struct probe_disk *disk);

/* Looks at the file system that holds `directory`. 0 or -errno with message. */
SLUICE_MUST_USE int probe_disk_read(
    const char *directory, struct probe_disk *disk, char message[PROBE_MESSAGE_SIZE]);

struct probe_write {
	uint64_t p50_ns, p99_ns, max_ns;
	uint32_t writes;
};
/* Up to 2,000 writes or one second in `directory`; the file is removed. 0 or -errno with message.
 */
SLUICE_MUST_USE int probe_write_measure(
    const char *directory, struct probe_write *result, char message[PROBE_MESSAGE_SIZE]);

/*
 * Counts the journal segments (NAME.seg) below `directory` that process `pid` has open for writing,
 * and those of them with O_DIRECT. 0 or -errno.
 */
SLUICE_MUST_USE int probe_direct_files(
    int pid, const char *directory, unsigned *files, unsigned *direct);

#endif
