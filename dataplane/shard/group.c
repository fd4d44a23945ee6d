/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linked groups: all of them or none. Messages of one datagram, each but the last with the LINKED
 * flag, all of which change something on one shard:
 *
 *   home   admits all or none; a group to another shard travels as consecutive places of the
 * request ring, and that shard waits until it sees them all owner  decides and applies them one by
 * one, aside. All done: the events go into one journal batch, so that a crash leaves all or none.
 * One refused: the state is put back, and each is decided again as a refusal: the one that failed
 * with its own code, the others with LINKED_NOT_DONE
 *
 * One that lacks credit of a limit asks the other shards for it, as a bet on its own does
 * (lease.c); until they have answered, the group is BUSY as a whole.
 *
 * A group sent again is answered message by message from the window, as any request.
 */
#include <errno.h>

#include "dataplane/shard/worker.h"

/* What may be part of a group: its outcome is known at once, on one shard. */
static int may_link(const struct worker *worker, const struct wire_request *request)
{
	const uint8_t *shards = worker->shared->buckets.shard;
	uint32_t owner = worker_owner(worker, request);

	switch (request->template_id) {
	case WIRE_REVERSE:
	case WIRE_FENCE: /* history is asked first */
	case WIRE_SHIFT_OPEN:
	case WIRE_SHIFT_CLOSE: /* nothing else may run */
		return 0;
	case WIRE_TRANSFER:
		return shards[ids_bucket_of_key(request->transfer.to_account)] == owner;
	case WIRE_CLAIM:
		return shards[ids_bucket_of_key(request->claim.account_id)] == owner;
	default:
		return wire_template_mutates(request->template_id);
	}
}

unsigned worker_group_size(const struct worker *worker, uint32_t first, int *invalid)
{
	const struct burst_message *messages = worker->burst + first;
	unsigned count = 1;

	*invalid = 0;
	if (SLUICE_LIKELY((messages[0].request.flags & MESSAGE_FLAG_LINKED) == 0))
		return 1;
	while (!messages[count - 1].last && messages[count - 1].request.flags & MESSAGE_FLAG_LINKED)
		count++;
	/* The last of the datagram is linked to nothing. */
	if (messages[count - 1].request.flags & MESSAGE_FLAG_LINKED || count > LIMIT_LINKED_MAX)
		*invalid = 1;
	for (unsigned i = 0; i < count && !*invalid; i++)
		*invalid = messages[i].code != WIRE_CODE_OK ||
		           !may_link(worker, &messages[i].request) ||
		           worker_owner(worker, &messages[i].request) !=
		               worker_owner(worker, &messages[0].request);
	return count;
}

/* ---- Home ---- */

static void answer_all(struct worker *worker, uint32_t first, unsigned count, uint16_t code)
{
	for (uint32_t i = first; i < first + count; i++)
		worker_reply_code(
		    worker, worker->burst[i].session, &worker->burst[i].request, code);
}

/* How many of the group would be admitted now, and how many are on their way. */
static unsigned count_new(struct worker *worker, uint32_t first, unsigned count, unsigned *running)
{
	struct terminal_window *window =
	    &worker->windows[worker->burst[first].session->terminal_index];
	unsigned found = 0;

	*running = 0;
	for (uint32_t i = first; i < first + count; i++) {
		enum window_verdict verdict = window_judge(window,
		    worker->burst[i].request.request_id, worker->burst[i].request.body_hash);

		found += verdict == WINDOW_ADMITTED || verdict == WINDOW_FULL;
		*running += verdict == WINDOW_IN_PROGRESS;
	}
	return found;
}

/* Takes the entries of all, or of none. OK or the code for all. */
static uint16_t admit_all(struct worker *worker, uint32_t first, unsigned count)
{
	struct terminal_window *window =
	    &worker->windows[worker->burst[first].session->terminal_index];
	const struct window_entry *entry;

	for (unsigned i = 0; i < count; i++) {
		enum window_verdict verdict =
		    window_admit(window, &worker->burst[first + i].request, &entry);

		if (verdict == WINDOW_ADMITTED)
			continue;
		while (i-- > 0)
			window_abandon(window, worker->burst[first + i].request.request_id);
		/* The same id twice in a group, or ids too far from what runs. */
		return verdict == WINDOW_FULL ? WIRE_CODE_BUSY : WIRE_CODE_LINK_INVALID;
	}
	return WIRE_CODE_OK;
}

static void group_send(struct worker *worker, uint32_t owner, unsigned count)
{
	struct spsc_ring *ring = worker->rings.request_out[owner];

	if (RING_REQUEST_COUNT - spsc_ring_count(ring) < count) {
		stats_add(&worker->stats.request_ring_full, 1);
		for (unsigned i = 0; i < count; i++)
			worker_give_up(worker, &worker->group[i].origin, &worker->group[i].request,
			    WIRE_CODE_BUSY);
		return;
	}
	for (unsigned i = 0; i < count; i++) {
		const struct ring_request *member = &worker->group[i];
		struct ring_request *slot = worker_forward_reserve(
		    worker, owner, &member->origin, &member->request, &member->share);

		SLUICE_REQUIRE(slot != NULL); /* the other end only makes more room */
		slot->group = (uint8_t)(count - i);
		spsc_ring_publish(ring);
	}
}

void worker_group_request(struct worker *worker, uint32_t first, unsigned count)
{
	const struct burst_message *messages = worker->burst + first;
	struct session *session = messages[0].session;
	uint32_t owner = worker_owner(worker, &messages[0].request);
	uint16_t code = WIRE_CODE_OK;
	unsigned fresh, running;

	for (unsigned i = 0; i < count && code == WIRE_CODE_OK; i++)
		code = worker_permission(worker, session, &messages[i].request);
	if (code == WIRE_CODE_OK && worker_pending_full(worker))
		code = WIRE_CODE_BUSY;
	if (code != WIRE_CODE_OK) {
		answer_all(worker, first, count, code);
		return;
	}
	fresh = count_new(worker, first, count, &running);
	if (fresh == 0) { /* sent again: nothing of it is carried out */
		for (uint32_t i = first; i < first + count; i++)
			worker_request(worker, session, &worker->burst[i].request);
		return;
	}
	/* Those of a group that found no room come back from another shard one by one: until all
	 * have, it is too early to send it again. Else an id was used before. */
	if (fresh < count)
		code = fresh + running == count ? WIRE_CODE_BUSY : WIRE_CODE_LINK_INVALID;
	else
		code = admit_all(worker, first, count);
	if (code != WIRE_CODE_OK) {
		answer_all(worker, first, count, code);
		return;
	}
	for (unsigned i = 0; i < count; i++) {
		struct ring_request *member = &worker->group[i];

		member->share = worker_share(worker, session->terminal_index, &messages[i].request);
		member->origin = worker_origin(worker, session, &messages[i].request);
		member->request = messages[i].request;
		member->has_target = 0;
		member->target_shard = 0;
		member->group = (uint8_t)(count - i);
	}
	if (owner == worker->shard)
		worker_group_decide(worker, count);
	else
		group_send(worker, owner, count);
}

/* ---- Owner ---- */

static struct worker_ask ask_of(const struct ring_request *member)
{
	return (struct worker_ask){
		.origin = &member->origin,
		.request = &member->request,
		.share = &member->share,
	};
}

/* Decides and applies one member aside. OK, the refusal, or -errno. */
static int member_decide(struct worker *worker, unsigned index, unsigned count)
{
	struct worker_ask ask = ask_of(&worker->group[index]);
	struct ledger_request asked = worker_asked(worker, &ask);
	struct event_buffer *event = &worker->group_events[index];
	struct event_record record;
	int length;

	asked.linked = index + 1 < count;
	length = ledger_decide(worker->ledger, &asked, worker_event_time(worker), event);
	if (length <= 0)
		return length < 0 ? length : -EBUSY;
	memcpy(&record, event->bytes, sizeof(record));
	if (wire_code_class(le16_get(record.code)) != WIRE_CLASS_DONE) {
		/* Asked before the undo: what it lacks beside the members in front of it. */
		return worker_credit_waits(worker, &ask, &record) ? -EBUSY : le16_get(record.code);
	}
	SLUICE_REQUIRE(ledger_apply_own(worker->ledger, event->bytes, (size_t)length) == 0);
	return WIRE_CODE_OK;
}

/* All are done: into one batch, in their order. */
static void group_commit(struct worker *worker, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct worker_ask ask = ask_of(&worker->group[i]);
		struct outcome outcome;

		(void)worker_append(worker, &worker->group_events[i]);
		latency_note(&worker->latency.decided, ask.origin->received_ns);
		worker_outcome_start(worker, &ask, &outcome);
		worker_outcome_fill(worker, &ask, &worker->group_events[i], &outcome);
		worker_answer(worker, outcome.lsn, &outcome);
	}
	stats_add(&worker->stats.groups, 1);
}

static void group_refuse(struct worker *worker, unsigned count, unsigned failed, uint16_t code)
{
	stats_add(&worker->stats.groups_undone, 1);
	for (unsigned i = 0; i < count; i++) {
		struct worker_ask ask = ask_of(&worker->group[i]);

		ask.refuse_code = i == failed ? code : WIRE_CODE_LINKED_NOT_DONE;
		worker_decide(worker, &ask);
	}
}

void worker_group_decide(struct worker *worker, unsigned count)
{
	int result = WIRE_CODE_OK;
	unsigned i = 0;

	if (worker_reserve_events(worker, count) == NULL) {
		result = -EBUSY;
	} else {
		ledger_group_begin(worker->ledger);
		while (i < count && (result = member_decide(worker, i, count)) == WIRE_CODE_OK)
			i++;
		if (result == WIRE_CODE_OK)
			ledger_group_commit(worker->ledger);
		else
			ledger_group_undo(worker->ledger);
	}
	if (result == WIRE_CODE_OK) {
		group_commit(worker, count);
	} else if (result > 0) {
		group_refuse(worker, count, i, (uint16_t)result);
	} else {
		for (i = 0; i < count; i++) {
			struct worker_ask ask = ask_of(&worker->group[i]);
			struct outcome outcome;

			worker_outcome_start(worker, &ask, &outcome);
			worker_outcome_transient(worker, &outcome);
		}
	}
}
