/* SPDX-License-Identifier: Apache-2.0 */
/* The archive's copy of the manifest against the journal's own. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/journal/archive.h"
#include "dataplane/journal/manifest.h"

/* How far a manifest was read. */
struct end {
	uint64_t next_generation;
	char chain[JOURNAL_SHA256_TEXT];
};

/* Reads on to its end, or to the seal in front of `until`. 0, -EBADMSG, -errno. */
static int walk_to(struct journal_manifest_walk *walk, int fd, const char *name, uint32_t shard,
    uint64_t incarnation, uint64_t until, struct end *end, char *why, size_t why_size)
{
	struct journal_seal seal;
	int result = journal_manifest_walk_open(walk, fd, name, why, why_size);

	if (result != 0)
		return result;
	if (walk->header.shard != shard || walk->header.incarnation != incarnation) {
		snprintf(why, why_size, "it is of another journal");
		result = -EBADMSG;
	}
	while (result == 0 && walk->next_generation < until) {
		result = journal_manifest_walk_next(walk, &seal, why, why_size);
		if (result != 1)
			break;
		result = 0;
	}
	end->next_generation = walk->next_generation;
	memcpy(end->chain, walk->chain, sizeof(end->chain));
	journal_manifest_walk_close(walk);
	return result;
}

int journal_archive_copy_check(int archive_fd, int journal_fd, uint32_t shard, uint64_t incarnation,
    uint64_t archived, char *why, size_t why_size)
{
	struct journal_manifest_walk *walk = calloc(1, sizeof(*walk));
	struct end copy = { 0 }, own = { 0 };
	char name[JOURNAL_ARCHIVE_NAME_SIZE], what[100] = "";
	int result;

	journal_archive_manifest_name(name, incarnation);
	snprintf(why, why_size, "out of memory");
	if (walk == NULL)
		return -ENOMEM;
	/* The copy first: a running data plane seals before it copies. */
	result = walk_to(
	    walk, archive_fd, name, shard, incarnation, UINT64_MAX, &copy, what, sizeof(what));
	if (result != 0)
		snprintf(why, why_size, "its manifest %s: %s", name,
		    result == -ENOENT ? "is missing; a start brings it" : what);
	if (result == 0)
		result = walk_to(walk, journal_fd, JOURNAL_MANIFEST_NAME, shard, incarnation,
		    copy.next_generation, &own, why, why_size);
	if (result == 0 && own.next_generation < copy.next_generation) {
		snprintf(why, why_size,
		    "its manifest goes to segment %" PRIu64 ", the journal's to %" PRIu64
		    " only: the journal is an older copy",
		    copy.next_generation - 1, own.next_generation - 1);
		result = -EBADMSG;
	} else if (result == 0 && strcmp(copy.chain, own.chain) != 0) {
		snprintf(why, why_size,
		    "its manifest %s and the journal's differ: one of them is of another copy of "
		    "the journal",
		    name);
		result = -EBADMSG;
	} else if (result == 0 && copy.next_generation <= archived) {
		snprintf(why, why_size,
		    "its manifest %s ends at segment %" PRIu64 ", files go to %" PRIu64
		    "; a start brings it up to date",
		    name, copy.next_generation - 1, archived);
		result = -EBADMSG;
	}
	free(walk);
	return result;
}
