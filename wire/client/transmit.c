/* SPDX-License-Identifier: Apache-2.0 */
/* What goes out: which request is due, how several share a datagram, and the timers. */
#include <errno.h>
#include <string.h>

#include "wire/client/client.h"
#include "wire/client/internal.h"

/* SplitMix64: spreads resends of many terminals; nothing secret depends on it. */
static uint64_t jitter_random(struct client *client)
{
	uint64_t z = (client->random += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/*
 * wire/README.md 8: first max(20 ms, 3 x smoothed round trip), then double the one before times a
 * random factor in 0.75..1.25, at most 2 s. After an answer that gave no sample because its request
 * went out twice, the next request starts with the timeout that one had reached (the other half of
 * Karn's rule): or a path that grew slower than the timeout would never be measured again.
 */
uint64_t client_timeout_next(struct client *client, struct client_entry *entry)
{
	uint64_t timeout_ns = 3 * client->rtt_ns;

	if (entry->timeout_ns != 0)
		timeout_ns =
		    entry->timeout_ns / 2 * 3 + jitter_random(client) % (entry->timeout_ns + 1);
	else if (client->rtt_ns == 0)
		timeout_ns = CLIENT_TIMEOUT_FIRST_NS;
	if (timeout_ns < client->timeout_kept_ns)
		timeout_ns = client->timeout_kept_ns;
	if (timeout_ns < CLIENT_TIMEOUT_MIN_NS)
		timeout_ns = CLIENT_TIMEOUT_MIN_NS;
	if (timeout_ns > CLIENT_TIMEOUT_MAX_NS)
		timeout_ns = CLIENT_TIMEOUT_MAX_NS;
	entry->timeout_ns = timeout_ns;
	return timeout_ns;
}

/*
 * How far new requests may go. The switch answers at once for ids in its window of 64 below the
 * highest it carried out; a new id stays within 64 of the oldest unanswered mutating one, so that
 * none of ours ever falls out and costs a look-up in history.
 */
struct send_room {
	unsigned in_flight;
	uint64_t id_end; /* ids below it may go out */
};

static struct send_room room_find(const struct client *client)
{
	struct send_room room = { 0, UINT64_MAX };

	for (unsigned i = 0; i < CLIENT_REQUESTS_MAX; i++) {
		const struct client_entry *entry = &client->entries[i];

		if (entry->state != ENTRY_SENT)
			continue;
		room.in_flight++;
		if (entry->mutates && entry->request_id + LIMIT_REQUEST_WINDOW < room.id_end)
			room.id_end = entry->request_id + LIMIT_REQUEST_WINDOW;
	}
	return room;
}

/* The sent request with the lowest id from `from` on that is due, or NULL. */
static struct client_entry *sent_due(struct client *client, uint64_t from, uint64_t now_ns)
{
	struct client_entry *lowest = NULL;

	for (unsigned i = 0; i < CLIENT_REQUESTS_MAX; i++) {
		struct client_entry *entry = &client->entries[i];

		if (entry->state == ENTRY_SENT && entry->request_id >= from &&
		    entry->due_ns <= now_ns &&
		    (lowest == NULL || entry->request_id < lowest->request_id))
			lowest = entry;
	}
	return lowest;
}

/*
 * The queued request with the lowest id, if there is room for it and the rest of its group, or
 * NULL. Questions have higher ids than what waits, and pass it.
 */
static const struct client_entry *queued_due(
    const struct client *client, const struct send_room *room)
{
	const struct client_entry *lowest = NULL, *query = NULL;
	unsigned count;

	if (room->in_flight >= client->config.in_flight_max)
		return NULL;
	for (unsigned i = 0; i < CLIENT_REQUESTS_MAX; i++) {
		const struct client_entry *entry = &client->entries[i];
		const struct client_entry **kind = entry->mutates ? &lowest : &query;

		if (entry->state == ENTRY_QUEUED &&
		    (*kind == NULL || entry->request_id < (*kind)->request_id))
			*kind = entry;
	}
	if (lowest == NULL)
		return query;
	count = lowest->group_count == 0 ? 1 : lowest->group_count;
	if (lowest->request_id + count > room->id_end ||
	    (room->in_flight != 0 && room->in_flight + count > client->config.in_flight_max))
		return query;
	return lowest;
}

/* Deadlines that have passed. A callback may add or free entries, so each is read afresh. */
static void deadlines_check(struct client *client, uint64_t now_ns)
{
	for (unsigned i = 0; i < CLIENT_REQUESTS_MAX; i++) {
		struct client_entry *entry = &client->entries[i];
		struct client_entry done;

		if ((entry->state != ENTRY_QUEUED && entry->state != ENTRY_SENT) ||
		    now_ns < entry->deadline_ns)
			continue;
		if (entry->state == ENTRY_SENT && entry->mutates) {
			client_reverse_queue(client, entry, now_ns);
			if (entry->unknown_told)
				continue;
			entry->unknown_told = 1;
			done = *entry;
			client_tell(client, CLIENT_OUTCOME_UNKNOWN, &done, NULL, now_ns);
			continue;
		}
		done = *entry;
		client_entry_finish(client, entry);
		if (done.internal)
			continue;
		client_tell(client,
		    done.state == ENTRY_QUEUED && done.mutates ? CLIENT_EXPIRED_UNSENT
		                                               : CLIENT_GAVE_UP,
		    &done, NULL, now_ns);
	}
}

static void entry_put(
    struct client *client, struct client_entry *entry, uint8_t *out, uint64_t now_ns)
{
	struct message_header header;

	memcpy(out, entry->message, entry->size);
	if (entry->sends > 0) {
		memcpy(&header, out, sizeof(header));
		header.flags |= MESSAGE_FLAG_RETRANSMISSION;
		memcpy(out, &header, sizeof(header));
		client->stats.resends++;
		/* A wait the switch asked for is no timeout. */
		entry->unheard = client->heard_ns > entry->last_sent_ns ? 0 : entry->unheard + 1;
		if (entry->unheard >= CLIENT_TIMEOUTS_TO_SILENT)
			client->silent = 1;
	} else {
		entry->first_sent_ns = now_ns;
	}
	client->stats.messages_out++;
	if (entry->state == ENTRY_ANSWERED) /* goes along with its group */
		return;
	entry->state = ENTRY_SENT;
	entry->sends++;
	entry->last_sent_ns = now_ns;
	entry->due_ns = now_ns + client_timeout_next(client, entry);
}

/* What text_fill has written so far. */
struct fill {
	uint8_t *text;
	size_t size;
	unsigned count;
};

/*
 * An entry, with its group where it has one. 0 when the datagram is full. A group may be longer
 * than messages_max, then it has the datagram for itself.
 */
static int unit_put(struct client *client, struct client_entry *entry, struct fill *fill,
    struct send_room *room, uint64_t now_ns)
{
	struct client_entry *members[LIMIT_LINKED_MAX];
	size_t size;
	unsigned count = client_unit(client, entry, members, &size);

	if (fill->size + size > LIMIT_PAYLOAD_SIZE_MAX ||
	    (fill->count != 0 && fill->count + count > client->config.messages_max))
		return 0;
	for (unsigned i = 0; i < count; i++) {
		room->in_flight += members[i]->state == ENTRY_QUEUED;
		entry_put(client, members[i], fill->text + fill->size, now_ns);
		fill->size += members[i]->size;
	}
	fill->count += count;
	return 1;
}

/* Fills `text` with what is due: resends first, lowest id first. Returns the bytes written. */
static size_t text_fill(struct client *client, uint8_t *text, uint64_t now_ns)
{
	struct fill fill = { .text = text };
	struct send_room room = room_find(client);
	uint64_t from = 0;

	while (fill.count < client->config.messages_max) {
		struct client_entry *entry = sent_due(client, from, now_ns);

		if (entry == NULL || !unit_put(client, entry, &fill, &room, now_ns))
			break;
		from = entry->group_count == 0 ? entry->request_id + 1
		                               : entry->group + entry->group_count;
	}
	while (fill.count < client->config.messages_max) {
		const struct client_entry *found = queued_due(client, &room);
		struct message_header header;
		struct client_entry *entry;

		if (found == NULL)
			break;
		entry = &client->entries[found - client->entries];
		if (!unit_put(client, entry, &fill, &room, now_ns))
			break;
		if (entry->mutates && entry->request_id + LIMIT_REQUEST_WINDOW < room.id_end)
			room.id_end = entry->request_id + LIMIT_REQUEST_WINDOW;
		memcpy(&header, entry->message, sizeof(header));
		if (header.flags & MESSAGE_FLAG_NO_REPLY) {
			room.in_flight--;
			client_entry_free(client, entry);
		}
	}
	return fill.size;
}

/* 1 when text_fill would write something. */
static int text_due(struct client *client, uint64_t now_ns)
{
	struct send_room room = room_find(client);

	return sent_due(client, 0, now_ns) != NULL || queued_due(client, &room) != NULL;
}

int client_poll(struct client *client, uint64_t now_ns, uint8_t out[LIMIT_DATAGRAM_SIZE_MAX])
{
	struct frame_header header;
	size_t text_size;

	client_heartbeat_queue(client, now_ns);
	deadlines_check(client, now_ns);
	if (!text_due(client, now_ns))
		return 0;
	if (client->sealed >= LIMIT_EPOCH_SEALED_MAX ||
	    client->packet_number > LIMIT_PACKET_COUNTER_MAX)
		return -EKEYEXPIRED;
	text_size = text_fill(client, out + LIMIT_FRAME_HEADER_SIZE, now_ns);
	header = (struct frame_header){
		.version_kind = WIRE_VERSION << 4 | FRAME_KIND_DATA,
		.epoch = le16_make(client->epoch),
		.session_id = le32_make(client->config.session_id),
		.packet_number = le64_make(client->packet_number++),
	};
	memcpy(out, &header, sizeof(header));
	aead_seal(&client->seal_key, out, text_size);
	client->sealed++;
	client->sent_ns = now_ns;
	client->stats.datagrams_out++;
	if (client->silent && !client->silent_told) {
		client->silent_told = 1;
		(void)client_hello_queue(client, now_ns); /* a full table asks enough by itself */
		client_tell(client, CLIENT_SILENT, NULL, NULL, now_ns);
	}
	return (int)(LIMIT_FRAME_HEADER_SIZE + text_size + LIMIT_FRAME_TAG_SIZE);
}

uint64_t client_due_ns(const struct client *client, uint64_t now_ns)
{
	struct send_room room = room_find(client);
	uint64_t due_ns = UINT64_MAX;

	if (client->config.heartbeat && client->ready)
		due_ns = client->sent_ns + client->heartbeat_every_ns;
	if (queued_due(client, &room) != NULL)
		return now_ns;
	for (unsigned i = 0; i < CLIENT_REQUESTS_MAX; i++) {
		const struct client_entry *entry = &client->entries[i];

		if (entry->state != ENTRY_QUEUED && entry->state != ENTRY_SENT)
			continue;
		if (entry->state == ENTRY_SENT && entry->due_ns < due_ns)
			due_ns = entry->due_ns;
		if (!entry->unknown_told && entry->deadline_ns < due_ns)
			due_ns = entry->deadline_ns;
	}
	return due_ns;
}
