/* SPDX-License-Identifier: Apache-2.0 */
/* What shards know of each other, and which of them comes from an older moment (ledger_links.c). */
#ifndef SLUICE_LEDGER_LINKS_H
#define SLUICE_LEDGER_LINKS_H

#include "dataplane/ledger/ledger.h"

/* The link to a peer; zeros but for the peer when nothing was ever between them. */
void ledger_link_read(const struct ledger *ledger, uint32_t peer, struct object_link *link);
/* A shard that lacks what another one knows of it: `other` knows numbers up to `known`, the shard
 * itself has them up to `own`. */
struct ledger_behind {
	const char *knows, *has; /* verbs of the sentence, static */
	uint64_t known, own;
	uint32_t shard, other;
};
/*
 * One direction of a pair: the source's link to the peer against the peer's link to the source, of
 * any durable moments of both that can be found after a crash. 0; -ESTALE: one of them is of an
 * older moment than the other has seen of it, *behind says which.
 */
SLUICE_MUST_USE int ledger_link_check(uint32_t source, const struct object_link *out, uint32_t peer,
    const struct object_link *in, struct ledger_behind *behind);
/* The same of all pairs; ledgers[i] is that of shard i. */
SLUICE_MUST_USE int ledger_links_check(
    const struct ledger *const *ledgers, uint32_t count, struct ledger_behind *behind);
/* For printf: "shard 0 is behind shard 1, which has taken its transfers up to number 7; it has sent
 * 3". */
#define LEDGER_BEHIND_FORMAT "shard %u is behind shard %u, which %s %llu; %s %llu"
#define LEDGER_BEHIND_VALUES(behind)                                                               \
	(behind)->shard, (behind)->other, (behind)->knows, (unsigned long long)(behind)->known,    \
	    (behind)->has, (unsigned long long)(behind)->own

#endif
