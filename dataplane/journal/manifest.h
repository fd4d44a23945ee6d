/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal.manifest: the seals of finished segments, each chained to the one before by SHA-256. What
 * was sealed can then be proven unchanged, wherever its bytes are now: in the segment, or in the
 * archive. Private to the journal.
 *
 * FORMAT, version 1. Text, one JSON object per line, members in this order, no spaces; numbers of
 * nanoseconds and the incarnation are strings, as they pass 2^53.
 *   first   {"format":"sluice-journal-manifest","version":1,"shard":N,"incarnation":"N",
 *            "first_segment":N,"follows":"64 hex digits","chain":"64 hex digits"}
 *   seals   {"segment":N,"first_lsn":N,"last_lsn":N,"events":N,"batches":N,"bytes":N,
 *            "time_ns":"N","sealed_ns":"N","damaged":false,"sha256":"64 hex digits",
 *            "chain":"64 hex digits"}
 * (each on one line). The first line: generation of the first segment sealed here, 1 but where an
 * older program had recycled some before; `follows` is the chain of the manifest before, 64 zeros
 * when there is none. A seal: `bytes` from offset 0 of the segment are what SHA-256 is over: its
 * batches, each up to its whole block. time_ns is the event time of the last event, sealed_ns the
 * clock when it was sealed. `damaged`: the batches could not be read to their end; then it is over
 * the whole file as it was, events and batches are those in front of the damage.
 *
 * `chain` is the SHA-256, as text, of: the chain of the line before (the first line: nothing), then
 * this line from its first byte to the quote in front of ,"chain". So an auditor needs no program
 * of ours:  printf '%s%s' CHAIN_BEFORE LINE_WITHOUT_ITS_END | sha256sum
 *
 * Seals come in order of generation without a gap, and their LSNs without a gap.
 *
 * WRITING. Made as journal.manifest.new, fsync, rename, fsync of the directory; then each line is
 * appended and fsynced before the keeper may recycle the segment. One line at a time, so a crash
 * leaves at most one that is torn: what is behind the last valid line, if it has no line feed but
 * at its end, is cut off by the next append and sealed again. Anything else that is not valid is
 * damage.
 */
#ifndef SLUICE_JOURNAL_MANIFEST_H
#define SLUICE_JOURNAL_MANIFEST_H

#include "dataplane/journal/journal.h"
#include "dataplane/journal/seal.h"

#define JOURNAL_MANIFEST_NAME     "journal.manifest"
#define JOURNAL_MANIFEST_NAME_NEW "journal.manifest.new"
#define JOURNAL_MANIFEST_VERSION  1
#define JOURNAL_MANIFEST_LINE_MAX 640

struct journal_manifest_header {
	uint32_t shard;
	uint64_t incarnation, first_generation;
	char follows[JOURNAL_SHA256_TEXT];
};

/* What the end of a manifest says. */
struct journal_manifest {
	struct journal_manifest_header header;
	uint64_t next_generation; /* to be sealed next */
	uint64_t last_lsn;        /* sealed; 0: none */
	uint64_t size;            /* up to the end of the last valid line */
	uint64_t torn;            /* bytes behind it: an append that a crash cut short */
	char chain[JOURNAL_SHA256_TEXT];
};

/*
 * First line and end, as far as they prove each other: a bounded read. 0; -ENOENT; -EPROTO written
 * by a newer version; -EBADMSG damaged, of another shard or incarnation; -errno. `why` (may be
 * NULL) gets one sentence.
 */
SLUICE_MUST_USE int journal_manifest_read(int directory_fd, uint32_t shard, uint64_t incarnation,
    struct journal_manifest *manifest, char *why, size_t why_size);
/* A manifest without seals; durable when it returns 0. */
SLUICE_MUST_USE int journal_manifest_create(int directory_fd,
    const struct journal_manifest_header *header, struct journal_manifest *manifest);
/*
 * Appends a seal (its chain is made here) and makes it durable. After a failure the file ends as
 * before, or in a torn line that the next append cuts off.
 */
SLUICE_MUST_USE int journal_manifest_append(
    int directory_fd, struct journal_manifest *manifest, struct journal_seal *seal);

/* ---- All of a manifest, line by line ---- */

struct journal_manifest_walk {
	int fd; /* -1: not open */
	struct journal_manifest_header header;
	uint64_t offset, line_offset; /* behind, and of, the last line read */
	uint64_t next_generation, next_lsn;
	uint64_t torn;
	char chain[JOURNAL_SHA256_TEXT];
	size_t held;
	char buffer[64 * 1024];
};

/* As journal_manifest_read; `name` is the file's, which may be a copy in an archive. */
SLUICE_MUST_USE int journal_manifest_walk_open(struct journal_manifest_walk *walk, int directory_fd,
    const char *name, char *why, size_t why_size);
/* 1 and the next seal; 0 at the end; -EBADMSG with `why`: where and what; -errno. */
SLUICE_MUST_USE int journal_manifest_walk_next(
    struct journal_manifest_walk *walk, struct journal_seal *seal, char *why, size_t why_size);
void journal_manifest_walk_close(struct journal_manifest_walk *walk);

#endif
