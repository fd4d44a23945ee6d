/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that hang together: linked groups, and REVERSE of what got no answer in time. */
#include <errno.h>

#include "wire/client/client.h"
#include "wire/client/internal.h"

/* ---- Linked groups ---- */

unsigned client_unit(struct client *client, struct client_entry *entry,
    struct client_entry *members[LIMIT_LINKED_MAX], size_t *size)
{
	*size = entry->size;
	members[0] = entry;
	if (entry->group_count == 0)
		return 1;
	*size = 0;
	for (unsigned i = 0; i < entry->group_count; i++) {
		members[i] = client_entry_find(client, entry->group + i);
		SLUICE_REQUIRE(members[i] != NULL);
		*size += members[i]->size;
	}
	return entry->group_count;
}

void client_entry_finish(struct client *client, struct client_entry *entry)
{
	struct client_entry *members[LIMIT_LINKED_MAX];
	unsigned count, waiting = 0;
	size_t size;

	if (entry->group_count == 0) {
		client_entry_free(client, entry);
		return;
	}
	/* Never sent: nobody will send the others alone, so they wait for nothing. */
	entry->state = ENTRY_ANSWERED;
	count = client_unit(client, entry, members, &size);
	for (unsigned i = 0; i < count; i++)
		waiting += members[i]->state != ENTRY_ANSWERED;
	for (unsigned i = 0; i < count && waiting == 0; i++)
		client_entry_free(client, members[i]);
}

/* 0 when these may be one group, with their encoded sizes together in a datagram. */
static int group_check(struct client *client, struct wire_request *requests, unsigned count)
{
	uint8_t message[CLIENT_MESSAGE_SIZE];
	size_t size = 0;

	if (count < 2 || count > LIMIT_LINKED_MAX)
		return -EINVAL;
	if (client->used + count > CLIENT_REQUESTS_MAX)
		return -EAGAIN;
	for (unsigned i = 0; i < count; i++) {
		int length = wire_request_encode(&requests[i], message, sizeof(message));

		if (length < 0 || !wire_template_mutates(requests[i].template_id) ||
		    (requests[i].flags & MESSAGE_FLAG_NO_REPLY) != 0)
			return -EINVAL;
		size += (size_t)length;
	}
	return size > LIMIT_PAYLOAD_SIZE_MAX ? -EMSGSIZE : 0;
}

int client_request_linked(struct client *client, struct wire_request *requests, unsigned count,
    uint64_t timeout_ns, uint64_t cookie, uint64_t now_ns)
{
	struct client_entry *members[LIMIT_LINKED_MAX];
	int rc;

	if (!client->ready)
		return -ENOTCONN;
	rc = group_check(client, requests, count);
	if (rc < 0)
		return rc;
	for (unsigned i = 0; i < count; i++) {
		requests[i].flags &= (uint8_t)~MESSAGE_FLAG_LINKED;
		if (i + 1 < count)
			requests[i].flags |= MESSAGE_FLAG_LINKED;
		rc = client_entry_add(
		    client, &requests[i], timeout_ns, cookie + i, now_ns, 0, &members[i]);
		if (rc < 0) {
			while (i > 0)
				client_entry_free(client, members[--i]);
			return rc;
		}
		SLUICE_REQUIRE(members[i]->request_id == members[0]->request_id + i);
	}
	for (unsigned i = 0; i < count; i++) {
		members[i]->group = members[0]->request_id;
		members[i]->group_count = (uint8_t)count;
	}
	return 0;
}

/* ---- REVERSE at the deadline ---- */

/* What REVERSE can undo. */
static int moves_money(uint16_t template_id)
{
	switch (template_id) {
	case WIRE_PLACE_BET:
	case WIRE_DEPOSIT:
	case WIRE_WITHDRAW:
	case WIRE_TRANSFER:
	case WIRE_ROUND_DEBIT:
	case WIRE_ROUND_CREDIT:
		return 1;
	default:
		return 0;
	}
}

/*
 * Without a deadline of its own: until it is answered nobody knows what became of the money. A full
 * table leaves it for a later turn. Of a linked group every member is reversed by itself.
 */
void client_reverse_queue(struct client *client, struct client_entry *entry, uint64_t now_ns)
{
	struct wire_request request = { .template_id = WIRE_REVERSE };
	struct client_entry *added;

	if (!client->config.reverse || entry->reversing || !moves_money(entry->template_id))
		return;
	request.reverse.target_request_id = entry->request_id;
	request.reverse.deadline_ns = UINT64_MAX;
	if (client_entry_add(client, &request, 0, entry->cookie, now_ns, 1, &added) < 0)
		return;
	added->target = entry->request_id;
	added->target_template = entry->template_id;
	entry->reversing = 1;
}

void client_reverse_answered(struct client *client, const struct client_entry *reverse,
    const struct wire_reply *reply, uint64_t now_ns)
{
	struct client_entry *target = client_entry_find(client, reverse->target);
	struct client_entry told = *reverse;

	if (!wire_code_is_final(reply->code))
		return;
	told.request_id = reverse->target;
	told.template_id = reverse->target_template;
	if (target != NULL) {
		told = *target;
		client_entry_finish(client, target);
	}
	client_tell(client, CLIENT_REVERSED, &told, reply, now_ns);
}
