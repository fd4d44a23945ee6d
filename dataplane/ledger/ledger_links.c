/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What shards know of each other. A parcel leaves when what left is durable, a receipt when the
 * arrival is, and a watermark is durable with the transfer it goes with. So whatever crashes, no
 * shard comes back knowing more of another than that one does. If it does, one of them is of
 * another moment: an older copy in its place, or what it acknowledged is lost.
 */
#include <errno.h>

#include "dataplane/ledger/ledger_links.h"
#include "dataplane/ledger/ledger_transfer.h"

void ledger_link_read(const struct ledger *ledger, uint32_t peer, struct object_link *link)
{
	(void)link_find(ledger, peer, link);
}

int ledger_link_check(uint32_t source, const struct object_link *out, uint32_t peer,
    const struct object_link *in, struct ledger_behind *behind)
{
	const struct ledger_behind cases[] = {
		{ "has taken its transfers up to number", "it has sent", le64_get(in->in_last),
		    le64_get(out->out_last), source, peer },
		{ "was answered for all transfers up to number", "it has taken",
		    le64_get(out->out_done), le64_get(in->in_last), peer, source },
		{ "knows its transfers as closed up to number", "it has closed",
		    le64_get(in->in_kept), le64_get(out->out_done), source, peer },
	};

	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(cases); i++)
		if (cases[i].known > cases[i].own) {
			*behind = cases[i];
			return -ESTALE;
		}
	return 0;
}

int ledger_links_check(
    const struct ledger *const *ledgers, uint32_t count, struct ledger_behind *behind)
{
	int error = 0;

	for (uint32_t source = 0; source < count && error == 0; source++)
		for (uint32_t peer = 0; peer < count && error == 0; peer++) {
			struct object_link out, in;

			ledger_link_read(ledgers[source], peer, &out);
			ledger_link_read(ledgers[peer], source, &in);
			if (source != peer)
				error = ledger_link_check(source, &out, peer, &in, behind);
		}
	return error;
}
