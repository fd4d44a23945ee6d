/* SPDX-License-Identifier: Apache-2.0 */
/* Creation and the request table of the terminal library. */
#include "wire/client/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire/client/internal.h"

#define HEARTBEAT_DEFAULT_NS 25000000000ull

int client_counter_take(struct client_counter *counter, uint64_t *value)
{
	if (counter->next >= counter->limit) {
		uint64_t limit = counter->limit;
		int rc = counter->extend == NULL
		             ? -EOVERFLOW
		             : counter->extend(counter->context, counter->next, &limit);

		if (rc < 0)
			return rc;
		SLUICE_REQUIRE(limit > counter->next);
		counter->limit = limit;
	}
	*value = counter->next++;
	return 0;
}

static int config_check(const struct client_config *config)
{
	return config->on_event != NULL && config->session_id != 0 &&
	       config->messages_max <= LIMIT_MESSAGES_PER_DATAGRAM &&
	       config->in_flight_max <= LIMIT_IN_FLIGHT_PER_TERMINAL &&
	       config->request_ids.next != 0 && config->request_ids.next < CLIENT_QUERY_ID_FIRST &&
	       config->packet_number_first != 0 &&
	       config->packet_number_first <= LIMIT_PACKET_COUNTER_MAX;
}

static struct client_entry *entry_take(struct client *client)
{
	for (unsigned i = 0; i < CLIENT_REQUESTS_MAX; i++) {
		struct client_entry *entry = &client->entries[i];

		if (entry->state == ENTRY_FREE)
			return entry;
	}
	return NULL;
}

void client_entry_free(struct client *client, struct client_entry *entry)
{
	SLUICE_DEBUG_ASSERT(entry->state != ENTRY_FREE && client->used > 0);
	entry->state = ENTRY_FREE;
	client->used--;
}

/* The sum, or the largest value: a deadline too far away is none. */
static uint64_t add_saturated(uint64_t a, uint64_t b)
{
	return b > UINT64_MAX - a ? UINT64_MAX : a + b;
}

/* The local time of a deadline given in switch time. */
static uint64_t deadline_local(const struct client *client, uint64_t deadline_ns, uint64_t now_ns)
{
	uint64_t switch_ns = client_switch_time_ns(client, now_ns);

	return deadline_ns <= switch_ns ? now_ns : add_saturated(now_ns, deadline_ns - switch_ns);
}

int client_entry_add(struct client *client, struct wire_request *request, uint64_t timeout_ns,
    uint64_t cookie, uint64_t now_ns, uint8_t internal, struct client_entry **added)
{
	struct client_entry *entry = entry_take(client);
	int mutates = wire_template_mutates(request->template_id) != 0;
	int size, rc = 0;

	if (entry == NULL)
		return -EAGAIN;
	if (timeout_ns != 0)
		(void)wire_request_deadline_set(
		    request, add_saturated(client_switch_time_ns(client, now_ns), timeout_ns));
	/* Encoded once to refuse a bad request before it costs an id, and once with the id. */
	request->flags &= (uint8_t)~MESSAGE_FLAG_RETRANSMISSION;
	size = wire_request_encode(request, entry->message, sizeof(entry->message));
	if (size < 0)
		return -EINVAL;
	if (mutates)
		rc = client_counter_take(&client->config.request_ids, &request->request_id);
	else
		request->request_id = client->query_id++;
	if (rc < 0)
		return rc;
	size = wire_request_encode(request, entry->message, sizeof(entry->message));
	SLUICE_REQUIRE(size > 0);
	if (mutates && client->config.keep != NULL) {
		rc = client->config.keep(client->config.context, entry->message, (size_t)size);
		if (rc < 0)
			return rc;
	}
	entry->request_id = request->request_id;
	entry->cookie = cookie;
	entry->due_ns = now_ns;
	if (mutates)
		entry->deadline_ns = deadline_local(client, wire_request_deadline(request), now_ns);
	else
		entry->deadline_ns =
		    timeout_ns == 0 ? UINT64_MAX : add_saturated(now_ns, timeout_ns);
	entry->first_sent_ns = entry->last_sent_ns = 0;
	entry->sends = entry->unheard = 0;
	entry->timeout_ns = 0;
	entry->template_id = request->template_id;
	entry->size = (uint16_t)size;
	entry->state = ENTRY_QUEUED;
	entry->mutates = (uint8_t)mutates;
	entry->unknown_told = 0;
	entry->internal = internal;
	entry->group_count = entry->reversing = 0;
	entry->group = entry->target = 0;
	client->used++;
	*added = entry;
	return 0;
}

int client_create(const struct client_config *config, struct client **client)
{
	struct client *made;
	int rc;

	if (!config_check(config))
		return -EINVAL;
	made = aligned_alloc(_Alignof(struct client), sizeof(*made));
	if (made == NULL)
		return -ENOMEM;
	memset(made, 0, sizeof(*made));
	made->config = *config;
	if (made->config.messages_max == 0)
		made->config.messages_max = 1;
	if (made->config.in_flight_max == 0)
		made->config.in_flight_max = LIMIT_IN_FLIGHT_PER_TERMINAL;
	if (made->config.aead_backend == 0)
		made->config.aead_backend = (uint8_t)aead_backend_default();
	made->random = config->jitter_seed ^ (uint64_t)config->session_id << 32;
	made->heartbeat_every_ns = HEARTBEAT_DEFAULT_NS;
	made->packet_number = config->packet_number_first;
	/* Off the counter of an earlier process too, so that its late answers match nothing. */
	made->query_id = CLIENT_QUERY_ID_FIRST + config->packet_number_first;
	rc = keys_derive_reset(config->root, made->reset_key);
	if (rc == 0)
		rc = client_keys_install(made, config->boot_id, config->epoch);
	if (rc < 0)
		goto out_free;
	rc = client_hello_queue(made, 0);
	if (rc < 0)
		goto out_free;
	*client = made;
	return 0;

out_free:
	client_free(made);
	return rc;
}

void client_free(struct client *client)
{
	if (client == NULL)
		return;
	client_keys_wipe(client);
	explicit_bzero(client, sizeof(*client));
	free(client);
}

int client_session_replace(struct client *client, uint32_t session_id,
    const uint8_t root[KEYS_ROOT_SIZE], uint64_t boot_id, uint16_t epoch, uint64_t now_ns)
{
	int rc;

	if (session_id == 0)
		return -EINVAL;
	rc = client_keys_replace(client, root, boot_id, epoch);
	if (rc < 0)
		return rc;
	client->config.session_id = session_id;
	client->stats.replaced++;
	/* The new session has its own resends to show whether anybody answers. */
	client_heard(client, now_ns);
	client_resend_all(client, now_ns);
	(void)client_hello_queue(client, now_ns); /* a full table asks enough by itself */
	return 0;
}

int client_ready(const struct client *client)
{
	return client->ready;
}

uint64_t client_switch_time_ns(const struct client *client, uint64_t now_ns)
{
	return client->clock_sample_ns == 0 ? 0 : now_ns + (uint64_t)client->clock_offset_ns;
}

unsigned client_outstanding(const struct client *client)
{
	unsigned count = 0;

	for (unsigned i = 0; i < CLIENT_REQUESTS_MAX; i++)
		count += (client->entries[i].state == ENTRY_QUEUED ||
		             client->entries[i].state == ENTRY_SENT) &&
		         !client->entries[i].internal;
	return count;
}

unsigned client_queued(const struct client *client)
{
	unsigned count = 0;

	for (unsigned i = 0; i < CLIENT_REQUESTS_MAX; i++)
		count += client->entries[i].state == ENTRY_QUEUED && !client->entries[i].internal;
	return count;
}

uint64_t client_rtt_ns(const struct client *client)
{
	return client->rtt_ns;
}

uint64_t client_heard_ns(const struct client *client)
{
	return client->heard_ns;
}

uint32_t client_session_id(const struct client *client)
{
	return client->config.session_id;
}

uint64_t client_boot_id(const struct client *client)
{
	return client->boot_id;
}

uint16_t client_epoch(const struct client *client)
{
	return client->epoch;
}

uint64_t client_next_id(const struct client *client)
{
	return client->config.request_ids.next;
}

const struct client_stats *client_stats(const struct client *client)
{
	return &client->stats;
}

int client_request(struct client *client, struct wire_request *request, uint64_t timeout_ns,
    uint64_t cookie, uint64_t now_ns)
{
	struct client_entry *entry;

	if (!client->ready)
		return -ENOTCONN;
	request->flags &= (uint8_t)~MESSAGE_FLAG_LINKED;
	return client_entry_add(client, request, timeout_ns, cookie, now_ns, 0, &entry);
}

struct client_entry *client_entry_find(struct client *client, uint64_t request_id)
{
	for (unsigned i = 0; i < CLIENT_REQUESTS_MAX; i++) {
		struct client_entry *entry = &client->entries[i];

		if (entry->state != ENTRY_FREE && entry->request_id == request_id)
			return entry;
	}
	return NULL;
}

int client_forget(struct client *client, uint64_t request_id)
{
	struct client_entry *entry = client_entry_find(client, request_id);

	if (entry == NULL || entry->state == ENTRY_ANSWERED)
		return -ENOENT;
	client_entry_finish(client, entry);
	return 0;
}

/* The oldest mutating request without an answer, or the next id when there is none. */
static uint64_t id_unanswered(const struct client *client)
{
	uint64_t lowest = client->config.request_ids.next;

	for (unsigned i = 0; i < CLIENT_REQUESTS_MAX; i++) {
		const struct client_entry *entry = &client->entries[i];

		if (entry->state != ENTRY_FREE && entry->mutates && entry->request_id < lowest)
			lowest = entry->request_id;
	}
	return lowest;
}

int client_hello_queue(struct client *client, uint64_t now_ns)
{
	struct wire_request request = { .template_id = WIRE_HELLO };
	struct client_entry *entry;

	for (unsigned i = 0; i < CLIENT_REQUESTS_MAX; i++) {
		if (client->entries[i].state != ENTRY_FREE && client->entries[i].internal &&
		    client->entries[i].template_id == WIRE_HELLO)
			return 0;
	}
	request.hello.last_id_sent = client->config.request_ids.next - 1;
	request.hello.last_id_answered = id_unanswered(client) - 1;
	return client_entry_add(client, &request, 0, 0, now_ns, 1, &entry);
}

/*
 * HEARTBEAT tells the switch that we live and which stored answers nobody needs any more. Sent
 * after a silence of our own; a full table means that we are not silent.
 */
void client_heartbeat_queue(struct client *client, uint64_t now_ns)
{
	struct wire_request request = { .template_id = WIRE_HEARTBEAT };
	struct client_entry *entry;

	if (!client->config.heartbeat || !client->ready ||
	    now_ns - client->sent_ns < client->heartbeat_every_ns)
		return;
	request.heartbeat.answered_below = id_unanswered(client);
	request.heartbeat.local_time_ns = client_switch_time_ns(client, now_ns);
	request.heartbeat.sequence = client->heartbeat_sequence;
	request.heartbeat.battery_percent = 255;
	if (client_entry_add(client, &request, client->heartbeat_every_ns, 0, now_ns, 1, &entry) <
	    0)
		return;
	client->heartbeat_sequence++;
}

void client_tell(struct client *client, enum client_event_kind kind,
    const struct client_entry *entry, const struct wire_reply *reply, uint64_t now_ns)
{
	struct client_event event = { .kind = kind, .reply = reply };

	if (entry != NULL) {
		event.template_id = entry->template_id;
		event.sends = entry->sends;
		event.request_id = entry->request_id;
		event.cookie = entry->cookie;
		event.elapsed_ns = entry->sends == 0 ? 0 : now_ns - entry->first_sent_ns;
	}
	client->config.on_event(client->config.context, &event);
}
