/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Room on the disk of a shard: a quota of its own and a floor under the file system's free space.
 * At either the worker answers BUSY before the disk is really full, so that what is journalled can
 * still be followed, checkpointed and archived; it goes on when room was made. Pure.
 */
#ifndef SLUICE_DATAPLANE_DISK_H
#define SLUICE_DATAPLANE_DISK_H

#include <stdint.h>

enum disk_state {
	DISK_ROOM,
	DISK_QUOTA, /* the shard's files have reached store.disk_quota_mib */
	DISK_FLOOR, /* the file system has less than store.disk_free_mib left */
};

struct disk_limits {
	uint64_t quota; /* bytes; 0: none */
	uint64_t floor; /* bytes; 0: none */
};

/*
 * The state after a look at `used` bytes of the shard and `free` bytes of the file system. What is
 * reached is left only with a little more room (a 64th of the quota, an eighth of the floor), so
 * that it does not come and go with every segment.
 */
enum disk_state disk_judge(
    const struct disk_limits *limits, enum disk_state before, uint64_t used, uint64_t free);

#endif
