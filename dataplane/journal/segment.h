/* SPDX-License-Identifier: Apache-2.0 */
/* Files of the journal directory: names, listing, opening, zeroing. Private to the journal. */
#ifndef SLUICE_JOURNAL_SEGMENT_H
#define SLUICE_JOURNAL_SEGMENT_H

#include "dataplane/journal/journal.h"

#define JOURNAL_NAME_SIZE  40
#define JOURNAL_NAME_NEW   "segment.new"
#define JOURNAL_ZEROS_SIZE (256u * 1024u)
/* Behind a cut: as far as writes in flight can have reached, whatever the depth was then. */
#define JOURNAL_ZERO_BEHIND (LIMIT_JOURNAL_DEPTH_MAX * LIMIT_JOURNAL_BATCH_SIZE_MAX)

void journal_segment_name(char name[JOURNAL_NAME_SIZE], uint64_t generation);

/*
 * Opens the directory and takes the lock that keeps a second process out (flock; released by
 * close). With `create` a missing directory is made, durably. -EBUSY locked; -ENOTSUP volatile file
 * system. `why` (may be NULL) gets one sentence on failure.
 */
SLUICE_MUST_USE int journal_directory_open(
    const struct journal_config *config, int create, int *fd, char *why, size_t why_size);
/* Sizes and counts within limits? 0 or -EINVAL. */
SLUICE_MUST_USE int journal_config_check(const struct journal_config *config);

/* Generations present, ascending. */
struct journal_segment_list {
	uint64_t *generations;
	size_t count;
};
SLUICE_MUST_USE int journal_segment_list(int directory_fd, struct journal_segment_list *list);
void journal_segment_list_free(struct journal_segment_list *list);

/*
 * Opens with O_DIRECT; without it only where the file system has none and `buffered_too` is set.
 * `flags`: O_RDONLY or O_RDWR. `size` is the file's, rounded down to whole blocks.
 */
SLUICE_MUST_USE int journal_segment_open(
    int directory_fd, uint64_t generation, int flags, int buffered_too, int *fd, uint64_t *size);
SLUICE_MUST_USE int journal_file_open(
    int directory_fd, const char *name, int flags, int buffered_too, int *fd);
/* Writes zeros, O_DIRECT and DSYNC when `dsync`. Offset and length: whole blocks. 0, -errno. */
SLUICE_MUST_USE int journal_file_zero(
    int fd, const uint8_t *zeros, uint64_t offset, uint64_t length, int dsync);
/* Block-aligned, zeroed memory; freed with free(). NULL when out of memory. */
uint8_t *journal_aligned_alloc(size_t size);

/* Full read at a block-aligned place; short only at the end of the file. Bytes read or -errno. */
SLUICE_MUST_USE int64_t journal_file_read(int fd, uint8_t *to, uint64_t offset, size_t size);

#endif
