/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transfers over all shards. Within a shard TRANSIT of each peer is proven to hold what its
 * transfers come to; here each transfer is matched with the other shard's side of it. What has left
 * and not arrived is under way: nothing else may be.
 *
 * The data plane may run, and shards are read one after the other. But what one side's event rests
 * on was durable before it: so everything up to `strict_lsn`, where the first pass over all shards
 * ended, must be matched by what the second pass finds.
 */
#include <errno.h>
#include <string.h>

#include "dataplane/ledger/ledger_links.h"
#include "tools/sluice-db/derive.h"
#include "wire/codes.h"

static const struct transit_shard *shard_of(
    const struct transit_shard *shards, uint32_t count, uint32_t shard)
{
	for (uint32_t i = 0; i < count; i++)
		if (shards[i].derive->shard == shard)
			return &shards[i];
	return NULL;
}

static void note(struct damage *damage, const struct transit_shard *shard, uint64_t lsn,
    const char *what, uint64_t id, uint32_t other)
{
	if (damage->what[0] != '\0')
		return;
	damage->shard = shard->derive->shard;
	damage_note(damage, lsn, "transfer %llu %s shard %u", (unsigned long long)id, what, other);
}

int transit_same(const struct derived_transfer *out, const struct derived_arrival *in)
{
	return out->amount == in->amount && out->currency == in->currency &&
	       out->purpose == in->purpose && out->id == in->transfer_id &&
	       out->to_account == in->account_id;
}

/* What left: once closed, it must have arrived with that answer. */
static void check_out(const struct transit_shard *from, const struct transit_shard *to,
    const struct derived_transfer *out, struct damage *damage)
{
	uint64_t key = derived_arrival_key(from->derive->shard, out->sequence);
	const struct derived_arrival *in = table_find(&to->derive->arrivals, key);
	uint32_t other = to->derive->shard;

	if (in == NULL) {
		if (out->sequence > to->derive->in_floor[from->derive->shard] &&
		    out->done_lsn != 0 && out->done_lsn <= from->strict_lsn)
			note(damage, from, out->done_lsn, "was closed and is not known to", out->id,
			    other);
		return;
	}
	if (!transit_same(out, in))
		note(damage, from, out->open_lsn != 0 ? out->open_lsn : out->done_lsn,
		    "arrived as another one at", out->id, other);
	else if (out->done_lsn != 0 && out->code != in->code)
		note(damage, from, out->done_lsn, "was closed with another code than that of",
		    out->id, other);
}

/* What arrived must have left. */
static void check_in(const struct transit_shard *to, const struct transit_shard *from,
    const struct derived_arrival *in, struct damage *damage)
{
	const struct derived_transfer *out = table_find(&from->derive->transfers, in->transfer_id);
	uint64_t sequence = in->key & 0xffffffffffffffull;

	if (out == NULL && sequence <= from->derive->out_floor[to->derive->shard])
		return;
	if (in->lsn > to->strict_lsn && out == NULL)
		return;
	if (out == NULL || out->peer != to->derive->shard ||
	    derived_arrival_key(from->derive->shard, out->sequence) != in->key)
		note(damage, to, in->lsn, "arrived and never left", in->transfer_id,
		    from->derive->shard);
}

void derive_floors(struct derive *derive, const struct object_link *links)
{
	for (uint32_t peer = 0; peer < LIMIT_SHARDS && !derive->complete; peer++) {
		if (derive->out_last[peer] == 0)
			derive->out_floor[peer] =
			    links == NULL ? UINT64_MAX : le64_get(links[peer].out_last);
		if (derive->in_last[peer] == 0)
			derive->in_floor[peer] =
			    links == NULL ? UINT64_MAX : le64_get(links[peer].in_last);
	}
}

/* What both have seen of each other before their logs too, where neither went on meanwhile. */
static void check_links(
    const struct transit_shard *from, const struct transit_shard *to, struct damage *damage)
{
	uint32_t source = from->derive->shard, peer = to->derive->shard;
	struct ledger_behind behind;

	if (damage->what[0] != '\0' || !from->ok || !to->ok || from->links == NULL ||
	    to->links == NULL || from->derive->next_lsn - 1 != from->strict_lsn ||
	    to->derive->next_lsn - 1 != to->strict_lsn ||
	    ledger_link_check(source, &from->links[peer], peer, &to->links[source], &behind) == 0)
		return;
	damage->shard = behind.shard;
	damage_note(damage, behind.shard == source ? from->strict_lsn : to->strict_lsn,
	    LEDGER_BEHIND_FORMAT, LEDGER_BEHIND_VALUES(&behind));
}

int transit_check(
    const struct transit_shard *shards, uint32_t count, uint32_t shard_count, struct damage *damage)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct derive *derive = shards[i].derive;

		for (uint32_t k = 0; k < derive->transfers.count; k++) {
			const struct derived_transfer *out = table_at(&derive->transfers, k);
			const struct transit_shard *to = shard_of(shards, count, out->peer);

			if (out->peer >= shard_count)
				note(damage, &shards[i], out->open_lsn, "goes to", out->id,
				    out->peer);
			if (to != NULL && to->ok && shards[i].ok)
				check_out(&shards[i], to, out, damage);
		}
		for (uint32_t k = 0; k < derive->arrivals.count; k++) {
			const struct derived_arrival *in = table_at(&derive->arrivals, k);
			const struct transit_shard *from =
			    shard_of(shards, count, (uint32_t)(in->key >> 56));

			if (from != NULL && from->ok && shards[i].ok)
				check_in(&shards[i], from, in, damage);
		}
	}
	for (uint32_t i = 0; i < count; i++)
		for (uint32_t k = 0; k < count; k++)
			if (i != k)
				check_links(&shards[i], &shards[k], damage);
	return damage->what[0] == '\0' ? 0 : -EBADMSG;
}
