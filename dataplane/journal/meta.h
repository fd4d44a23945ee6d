/* SPDX-License-Identifier: Apache-2.0 */
/* journal.meta: who this journal is and how often it was started. Private to the journal. */
#ifndef SLUICE_JOURNAL_META_H
#define SLUICE_JOURNAL_META_H

#include "dataplane/journal/journal.h"

#define JOURNAL_META_NAME     "journal.meta"
#define JOURNAL_META_NAME_NEW "journal.meta.new"
#define JOURNAL_META_MAGIC    0x4154454d45435553ull /* "SUCEMETA" little-endian */
#define JOURNAL_META_VERSION  2

/* The file: exactly one block. Its checksum is the low 64 bits of XXH3-128 over bytes 0..4087. */
struct journal_meta_block {
	struct le64 magic;
	struct le16 version;
	struct le16 shard;
	struct le32 size;
	struct le64 incarnation;
	struct le64 boot_counter;
	struct le64 kept_lsn; /* last LSN the recovery of this boot kept: part of the floor */
	struct le64 base_lsn; /* from version 2: the first batch begins behind it; 0: at LSN 1 */
	uint8_t reserved[4096 - 56];
	struct le64 checksum;
};
ASSERT_SIZE(struct journal_meta_block, 4096);
ASSERT_OFFSET(struct journal_meta_block, incarnation, 16);
ASSERT_OFFSET(struct journal_meta_block, kept_lsn, 32);
ASSERT_OFFSET(struct journal_meta_block, base_lsn, 40);
ASSERT_OFFSET(struct journal_meta_block, checksum, 4088);

struct journal_meta {
	uint32_t shard;
	uint64_t incarnation, boot_counter, kept_lsn, base_lsn;
};

/* 0; -ENOENT; -EPROTO newer version; -EBADMSG damaged or of another shard; -errno. */
SLUICE_MUST_USE int journal_meta_read(int directory_fd, uint32_t shard, struct journal_meta *meta);
/* Durable when it returns 0: new file, fsync, rename, fsync of the directory. */
SLUICE_MUST_USE int journal_meta_write(int directory_fd, const struct journal_meta *meta);
/*
 * A new identity: the clock's seconds above, 31 random bits below, so that a later one is higher;
 * always above `above` and below 2^63. Boot counter 0, nothing kept. 0, -EIO, or -ERANGE.
 */
SLUICE_MUST_USE int journal_meta_make(uint32_t shard, uint64_t above, struct journal_meta *meta);

#endif
