/* SPDX-License-Identifier: Apache-2.0 */
/* What comes in: checks in the order cheapest first, RESET, answers matched to requests. */
#include <errno.h>
#include <string.h>

#include "wire/client/client.h"
#include "wire/client/internal.h"

#define CLOCK_SAMPLE_AGE_MAX_NS 10000000000ull
#define CLOCK_DRIFT_MAX_NS      5000000ull /* of two clocks in that time */

static struct client_entry *entry_find(
    struct client *client, uint64_t request_id, uint16_t template_id)
{
	for (unsigned i = 0; i < CLIENT_REQUESTS_MAX; i++) {
		struct client_entry *entry = &client->entries[i];

		if (entry->state == ENTRY_SENT && entry->request_id == request_id &&
		    wire_template_answers(entry->template_id, template_id))
			return entry;
	}
	return NULL;
}

/*
 * RFC 6298 2.3 without the variance; its clause 3 (Karn): only an answer to a request that went out
 * once is a sample.
 */
static void rtt_sample(struct client *client, uint64_t sample_ns)
{
	client->timeout_kept_ns = 0;
	if (client->rtt_ns == 0)
		client->rtt_ns = sample_ns == 0 ? 1 : sample_ns;
	else
		client->rtt_ns = client->rtt_ns - client->rtt_ns / 8 + sample_ns / 8;
}

/*
 * The answer was made somewhere between the first send and now; the middle is off by half of that
 * at most. So the sample with the shortest time wins until it is ten seconds old, or until one says
 * what cannot be true of the same clock: it has been set, and deadlines by the old one would all be
 * long past. The estimate must not run ahead by an outage, so no more than half a round trip is
 * added.
 */
static void clock_sample(
    struct client *client, uint64_t switch_time_ns, uint64_t trip_ns, uint64_t now_ns)
{
	uint64_t half_ns = (trip_ns < client->rtt_ns ? trip_ns : client->rtt_ns) / 2;
	int64_t offset_ns = (int64_t)(switch_time_ns + half_ns - now_ns);
	uint64_t apart_ns = offset_ns > client->clock_offset_ns
	                        ? (uint64_t)offset_ns - (uint64_t)client->clock_offset_ns
	                        : (uint64_t)client->clock_offset_ns - (uint64_t)offset_ns;

	if (switch_time_ns == 0)
		return;
	if (client->clock_sample_ns != 0 && trip_ns > client->clock_rtt_ns &&
	    now_ns - client->clock_sample_ns < CLOCK_SAMPLE_AGE_MAX_NS &&
	    apart_ns <= trip_ns + client->clock_rtt_ns + CLOCK_DRIFT_MAX_NS)
		return;
	client->clock_offset_ns = offset_ns;
	client->clock_rtt_ns = trip_ns;
	client->clock_sample_ns = now_ns == 0 ? 1 : now_ns;
}

static void hello_answered(struct client *client, const struct client_entry *entry,
    const struct wire_reply *reply, uint64_t now_ns)
{
	struct client_counter *ids = &client->config.request_ids;

	/*
	 * The switch knows ids above our own: the terminal's memory was lost. Going above them is
	 * the only way not to meet an old outcome. The counter reserves them at its next use.
	 */
	if (reply->hello.next_id > ids->next)
		ids->next = reply->hello.next_id;
	if (reply->hello.heartbeat_ms != 0)
		client->heartbeat_every_ns = (uint64_t)reply->hello.heartbeat_ms * 800000;
	if (client->ready)
		return;
	client->ready = 1;
	client_tell(client, CLIENT_READY, entry, reply, now_ns);
}

/* Wait for as long as the switch says, at least for the timeout, then send the same request again.
 */
static void entry_postpone(struct client *client, struct client_entry *entry,
    const struct wire_reply *reply, uint64_t now_ns)
{
	uint64_t wait_ns = client_timeout_next(client, entry);
	uint64_t told_ns = (uint64_t)reply->detail * 1000000;

	client->stats.transient++;
	entry->due_ns = now_ns + (wait_ns > told_ns ? wait_ns : told_ns);
}

/*
 * To ask again is right for what may change something. A question may be about what no later answer
 * tells either (a log that is put away, or damaged): who asks shall hear that, and soon.
 */
static int is_told(struct client_entry *entry, uint16_t code)
{
	if (wire_code_class(code) != WIRE_CLASS_UNKNOWN && code != WIRE_CODE_STORAGE_UNAVAILABLE) {
		entry->unavailable = 0;
		return wire_code_class(code) != WIRE_CLASS_TRANSIENT;
	}
	return !entry->mutates && !entry->internal &&
	       ++entry->unavailable == CLIENT_UNAVAILABLE_MAX;
}

static void reply_take(struct client *client, const struct wire_reply *reply, uint64_t now_ns)
{
	struct client_entry *entry = entry_find(client, reply->request_id, reply->template_id);
	struct client_entry done;

	if (entry == NULL) {
		client->stats.answers_unmatched++;
		return;
	}
	client->stats.answers++;
	if (entry->sends == 1)
		rtt_sample(client, now_ns - entry->last_sent_ns);
	else
		client->timeout_kept_ns = entry->timeout_ns;
	clock_sample(client, reply->switch_time_ns, now_ns - entry->first_sent_ns, now_ns);
	if (!is_told(entry, reply->code)) {
		entry_postpone(client, entry, reply, now_ns);
		return;
	}
	done = *entry;
	client_entry_finish(client, entry);
	if (done.template_id == WIRE_REVERSE && done.internal) {
		client_reverse_answered(client, &done, reply, now_ns);
	} else if (done.template_id == WIRE_HELLO && done.internal) {
		if (reply->code == WIRE_CODE_OK)
			hello_answered(client, &done, reply, now_ns);
		else
			client_tell(client, CLIENT_ANSWERED, &done, reply, now_ns);
	} else if (!done.internal) {
		client_tell(client, CLIENT_ANSWERED, &done, reply, now_ns);
	}
}

void client_heard(struct client *client, uint64_t now_ns)
{
	client->heard_ns = now_ns;
	client->silent = 0;
	client->silent_told = 0;
}

void client_resend_all(struct client *client, uint64_t now_ns)
{
	for (unsigned i = 0; i < CLIENT_REQUESTS_MAX; i++) {
		struct client_entry *entry = &client->entries[i];

		if (entry->state != ENTRY_SENT)
			continue;
		entry->due_ns = now_ns;
		entry->timeout_ns = 0;
	}
}

static enum drop_reason reset_in(struct client *client, const uint8_t *datagram, uint64_t now_ns)
{
	struct frame_reset reset;
	uint64_t boot_id;
	uint16_t epoch;

	memcpy(&reset, datagram, sizeof(reset));
	if (le32_get(reset.header.session_id) != client->config.session_id)
		return DROP_UNKNOWN_SESSION;
	boot_id = le64_get(reset.boot_id);
	epoch = le16_get(reset.header.epoch);
	/* Forward only, or a recorded RESET would take the terminal back to a used key. */
	if (boot_id < client->boot_id || (boot_id == client->boot_id && epoch <= client->epoch)) {
		client->stats.resets_refused++;
		return DROP_REPLAYED;
	}
	if (keys_reset_verify(&reset, client->reset_key) < 0) {
		client->stats.resets_refused++;
		return DROP_BAD_TAG;
	}
	if (client_keys_install(client, boot_id, epoch) < 0)
		return DROP_UNKNOWN_EPOCH;
	client->stats.resets++;
	client_heard(client, now_ns);
	client_resend_all(client, now_ns);
	client_tell(client, CLIENT_REKEYED, NULL, NULL, now_ns);
	return DROP_NONE;
}

static struct replay_window *lane_window(struct client_epoch *epoch, unsigned lane)
{
	if ((epoch->lanes_used & 1ull << lane) == 0) {
		replay_reset(&epoch->lanes[lane]);
		epoch->lanes_used |= 1ull << lane;
	}
	return &epoch->lanes[lane];
}

/* Opens a DATA datagram; on DROP_NONE its text lies behind the header. */
static enum drop_reason data_open(struct client *client, uint8_t *datagram, size_t size)
{
	size_t text_size = size - LIMIT_FRAME_HEADER_SIZE - LIMIT_FRAME_TAG_SIZE;
	struct replay_window *window;
	struct frame_header header;
	struct client_epoch *epoch;
	uint64_t number;
	unsigned lane;

	memcpy(&header, datagram, sizeof(header));
	number = le64_get(header.packet_number) & LIMIT_PACKET_COUNTER_MAX;
	lane = (unsigned)(le64_get(header.packet_number) >> 56);
	if (number == 0 || lane >= CLIENT_LANES)
		return DROP_BAD_LANE;
	if (le32_get(header.session_id) != client->config.session_id)
		return DROP_UNKNOWN_SESSION;
	epoch = client_keys_find(client, le16_get(header.epoch));
	if (epoch == NULL)
		return DROP_UNKNOWN_EPOCH;
	window = lane_window(epoch, lane);
	if (!replay_check(window, number))
		return DROP_REPLAYED;
	if (aead_open(&epoch->key, datagram, text_size) < 0) {
		epoch->open_failed++;
		return DROP_BAD_TAG;
	}
	replay_set(window, number);
	if (epoch->epoch > client->epoch && client_keys_advance(client, epoch->epoch) < 0)
		return DROP_UNKNOWN_EPOCH;
	return DROP_NONE;
}

static enum drop_reason data_in(
    struct client *client, uint8_t *datagram, size_t size, uint64_t now_ns)
{
	size_t text_size = size - LIMIT_FRAME_HEADER_SIZE - LIMIT_FRAME_TAG_SIZE;
	uint16_t offsets[LIMIT_MESSAGES_PER_DATAGRAM];
	const uint8_t *text = datagram + LIMIT_FRAME_HEADER_SIZE;
	enum drop_reason reason = data_open(client, datagram, size);
	int count;

	if (reason != DROP_NONE)
		return reason;
	client_heard(client, now_ns);
	count = wire_frame_messages(text, text_size, offsets);
	if (count < 0)
		return count == -E2BIG ? DROP_TOO_MANY_MESSAGES : DROP_BAD_FRAMING;
	for (int i = 0; i < count; i++) {
		size_t end = i + 1 < count ? offsets[i + 1] : text_size;
		struct wire_reply reply;

		/* An answer we cannot read is as good as lost: the resend asks again. */
		if (wire_reply_decode(text + offsets[i], end - offsets[i], &reply) < 0)
			client->stats.answers_unmatched++;
		else
			reply_take(client, &reply, now_ns);
	}
	return DROP_NONE;
}

static enum drop_reason datagram_judge(
    struct client *client, uint8_t *datagram, size_t size, uint64_t now_ns)
{
	if (size < LIMIT_DATAGRAM_SIZE_MIN)
		return DROP_TOO_SHORT;
	if (size > LIMIT_DATAGRAM_SIZE_MAX)
		return DROP_TOO_LONG;
	if (size % 8 != 0)
		return DROP_NOT_MULTIPLE_OF_8;
	if (datagram[0] >> 4 != WIRE_VERSION)
		return DROP_WRONG_VERSION;
	if (datagram[1] != FRAME_FLAG_FROM_SWITCH)
		return DROP_BAD_FLAGS;
	switch (datagram[0] & 0xf) {
	case FRAME_KIND_DATA:
		return data_in(client, datagram, size, now_ns);
	case FRAME_KIND_RESET:
		return size == sizeof(struct frame_reset) ? reset_in(client, datagram, now_ns)
		                                          : DROP_WRONG_VERSION;
	default:
		return DROP_WRONG_VERSION;
	}
}

enum drop_reason client_datagram_in(
    struct client *client, uint8_t *datagram, size_t size, uint64_t now_ns)
{
	enum drop_reason reason = datagram_judge(client, datagram, size, now_ns);

	client->stats.datagrams_in++;
	if (reason != DROP_NONE)
		client->stats.dropped[reason]++;
	return reason;
}
