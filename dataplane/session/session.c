/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The packet path of sessions: open, charge, seal, reset. No allocation, no system call; nothing of
 * a session moves before a tag has verified.
 */
#include "dataplane/session/session.h"

#include <errno.h>
#include <string.h>

#include "dataplane/session/table.h"

#define PACKET_LANE_SHIFT   56
#define PACKET_COUNTER_MASK LIMIT_PACKET_COUNTER_MAX
#define VERSION_KIND(kind)  (WIRE_VERSION << 4 | (kind))
/*
 * Lines of an expanded key that a short message needs. The round keys are in the first four; the
 * powers of the hash key follow from the highest one down (libipsec-mb 1.3, AVX-512 and VAES), so
 * those of up to 16 blocks, with iv and back end behind them, are in the last five. Other back ends
 * lay it out otherwise: then these are a few lines too many.
 */
#define PREFETCH_KEY_FIRST 4
#define PREFETCH_KEY_LAST  5
#define KEY_LINES          (sizeof(struct aead_key) / SLUICE_CACHE_LINE_SIZE)

void session_prefetch(const struct session_table *table, uint32_t session_id)
{
	uint32_t slot = session_slot(session_id);

	if (slot >= table->slots_max)
		return;
	__builtin_prefetch(&table->ids[slot]);
	__builtin_prefetch(&table->arena[slot], 1);
	__builtin_prefetch((const uint8_t *)&table->arena[slot] + SLUICE_CACHE_LINE_SIZE, 1);
	/* Which one the keys are looked for by. */
	for (unsigned i = 0; i < LIMIT_EPOCHS_HELD; i++)
		__builtin_prefetch(&table->arena[slot].epochs[i], 1);
}

static void key_prefetch(const struct aead_key *key)
{
	const uint8_t *bytes = key->state;

	for (size_t line = 0; line < PREFETCH_KEY_FIRST; line++)
		__builtin_prefetch(bytes + line * SLUICE_CACHE_LINE_SIZE);
	for (size_t line = KEY_LINES - PREFETCH_KEY_LAST; line < KEY_LINES; line++)
		__builtin_prefetch(bytes + line * SLUICE_CACHE_LINE_SIZE);
}

void session_prefetch_open(struct session_table *table, const uint8_t *datagram)
{
	struct frame_header header;
	struct session_epoch *epoch;
	struct session *session;

	memcpy(&header, datagram, sizeof(header));
	session = session_find(table, le32_get(header.session_id));
	epoch = session == NULL ? NULL : session_epoch_find(session, le16_get(header.epoch));
	if (epoch == NULL)
		return;
	__builtin_prefetch(&epoch->replay.words[4], 1);
	key_prefetch(&epoch->to_switch);
}

void session_prefetch_seal(struct session_table *table, uint32_t session_id)
{
	struct session *session = session_find(table, session_id);
	struct session_epoch *epoch =
	    session == NULL ? NULL : session_epoch_find(session, session->epoch_current);

	if (epoch != NULL)
		key_prefetch(&epoch->to_terminal);
}

static enum drop_reason header_check(
    const uint8_t *datagram, size_t size, struct frame_header *header)
{
	uint64_t packet_number;

	if (size < LIMIT_DATAGRAM_SIZE_MIN)
		return DROP_TOO_SHORT;
	if (size > LIMIT_DATAGRAM_SIZE_MAX)
		return DROP_TOO_LONG;
	if (size % 8 != 0)
		return DROP_NOT_MULTIPLE_OF_8;
	memcpy(header, datagram, sizeof(*header));
	/* RESET goes to terminals only, so here it is an unknown kind. */
	if (header->version_kind != VERSION_KIND(FRAME_KIND_DATA))
		return DROP_WRONG_VERSION;
	if (header->flags != 0)
		return DROP_BAD_FLAGS;
	packet_number = le64_get(header->packet_number);
	if (packet_number == 0 || packet_number > PACKET_COUNTER_MASK)
		return DROP_BAD_LANE;
	return DROP_NONE;
}

enum drop_reason session_peek(const uint8_t *datagram, size_t size, uint32_t *session_id)
{
	struct frame_header header;
	enum drop_reason reason = header_check(datagram, size, &header);

	if (reason == DROP_NONE)
		*session_id = le32_get(header.session_id);
	return reason;
}

/*
 * Tokens << 16 the bucket holds now. rate x 2^16 / 10^9 tokens per ns = rate x 2^7 / 5^9; with the
 * rate below 2^24 and less than 10^9 ns the product stays below 2^61. Whole seconds come apart.
 */
static int64_t tokens_at(const struct session *session, uint64_t now_ns)
{
	uint64_t elapsed =
	    now_ns > session->rate_updated_ns ? now_ns - session->rate_updated_ns : 0;
	uint64_t seconds = elapsed / 1000000000u;
	uint64_t rest = elapsed % 1000000000u;
	int64_t full = (int64_t)session->rate_burst << 16;
	int64_t tokens;

	if (seconds > 1u << 20)
		return full;
	tokens = session->rate_tokens + (int64_t)(seconds * session->rate_per_s << 16) +
	         (int64_t)((rest * session->rate_per_s << 7) / 1953125u);
	return tokens > full ? full : tokens;
}

/* What an authenticated datagram changes; the rate is charged when its messages are counted. */
static void accept(struct session *session, struct session_epoch *epoch, uint64_t packet_number,
    const struct wire_peer *peer, int64_t tokens, uint64_t now_ns)
{
	replay_set(&epoch->replay, packet_number);
	session->rate_tokens = tokens;
	/* Also when the clock went back: waiting for the old time would starve the session. */
	session->rate_updated_ns = now_ns;
	session->last_seen_ns = now_ns;
	if (session->peer_known && epoch->epoch < session->highest_epoch)
		return;
	if (session->peer_known && epoch->epoch == session->highest_epoch &&
	    packet_number <= session->highest_packet)
		return;
	session->highest_epoch = epoch->epoch;
	session->highest_packet = packet_number;
	session->peer = *peer;
	session->peer_known = 1;
}

enum drop_reason session_open(struct session_table *table, uint8_t *datagram, size_t size,
    const struct wire_peer *peer, uint64_t now_ns, struct session **session, uint8_t **text,
    size_t *text_size)
{
	struct frame_header header;
	struct session *found;
	struct session_epoch *epoch;
	uint64_t packet_number;
	int64_t tokens;
	enum drop_reason reason = header_check(datagram, size, &header);

	*session = NULL;
	if (reason != DROP_NONE)
		return reason;
	found = session_find(table, le32_get(header.session_id));
	if (found == NULL)
		return DROP_UNKNOWN_SESSION;
	if (SLUICE_UNLIKELY(session_expired(found, now_ns)))
		return DROP_SESSION_EXPIRED; /* no RESET: it is as good as unknown */
	epoch = session_epoch_find(found, le16_get(header.epoch));
	if (epoch == NULL) {
		*session = found;
		return DROP_UNKNOWN_EPOCH;
	}
	packet_number = le64_get(header.packet_number);
	if (!replay_check(&epoch->replay, packet_number))
		return DROP_REPLAYED;
	tokens = tokens_at(found, now_ns);
	if (tokens < 1 << 16)
		return DROP_SESSION_RATE;
	if (source_refused(&table->sources, peer, now_ns))
		return DROP_SOURCE_RATE;
	size -= LIMIT_FRAME_HEADER_SIZE + LIMIT_FRAME_TAG_SIZE;
	*session = found;
	if (aead_open(&epoch->to_switch, datagram, size) != 0) {
		epoch->open_failed++;
		source_failed(&table->sources, peer, now_ns);
		return DROP_BAD_TAG;
	}
	accept(found, epoch, packet_number, peer, tokens, now_ns);
	*text = datagram + LIMIT_FRAME_HEADER_SIZE;
	*text_size = size;
	return DROP_NONE;
}

unsigned session_charge(struct session *session, unsigned messages)
{
	int64_t tokens = session->rate_tokens;
	int64_t within = tokens <= 0 ? 0 : (tokens + 0xffff) >> 16;

	/* An empty datagram costs its opening, so it counts as a message. */
	session->rate_tokens -= (int64_t)(messages == 0 ? 1 : messages) << 16;
	session->datagrams++;
	session->messages += messages;
	return within < messages ? (unsigned)within : messages;
}

int session_seal(
    struct session_table *table, struct session *session, uint8_t *datagram, size_t text_size)
{
	struct frame_header header;
	struct session_epoch *epoch;

	SLUICE_DEBUG_ASSERT(text_size <= LIMIT_PAYLOAD_SIZE_MAX && text_size % 8 == 0);
	if (!session->current_known)
		return -EAGAIN;
	epoch = session_epoch_find(session, session->epoch_current);
	if (epoch == NULL || epoch->send_counter >= LIMIT_EPOCH_SEALED_MAX)
		return -EAGAIN;
	epoch->send_counter++;
	header = (struct frame_header){
		.version_kind = VERSION_KIND(FRAME_KIND_DATA),
		.flags = FRAME_FLAG_FROM_SWITCH,
		.epoch = le16_make(session->epoch_current),
		.session_id = le32_make(session->session_id),
		.packet_number =
		    le64_make((uint64_t)table->lane << PACKET_LANE_SHIFT | epoch->send_counter),
	};
	memcpy(datagram, &header, sizeof(header));
	aead_seal(&epoch->to_terminal, datagram, text_size);
	return (int)(text_size + LIMIT_FRAME_HEADER_SIZE + LIMIT_FRAME_TAG_SIZE);
}

int session_make_reset(struct session *session, uint64_t boot_id,
    const struct frame_header *trigger, size_t trigger_size, const struct wire_peer *peer,
    uint64_t now_ns, struct frame_reset *reset)
{
	int again = session->reset_ipv4 == peer->ipv4 && session->reset_udp_port == peer->udp_port;
	uint64_t interval_ns = again ? SESSION_RESET_INTERVAL_NS : SESSION_RESET_INTERVAL_OTHER_NS;
	struct frame_reset made;
	int error;

	if (!session->current_known || trigger_size < sizeof(*reset))
		return -EAGAIN;
	if (session->reset_sent_ns != 0 && now_ns >= session->reset_sent_ns &&
	    now_ns - session->reset_sent_ns < interval_ns)
		return -EAGAIN;
	made = (struct frame_reset){
		.header = {
			.version_kind = VERSION_KIND(FRAME_KIND_RESET),
			.flags = FRAME_FLAG_FROM_SWITCH,
			.epoch = le16_make(session->epoch_current),
			.session_id = le32_make(session->session_id),
			.packet_number = trigger->packet_number,
		},
		.boot_id = le64_make(boot_id),
	};
	error = keys_reset_sign(&made, session->reset_key);
	if (error != 0)
		return error;
	session->reset_sent_ns = now_ns;
	session->reset_ipv4 = peer->ipv4;
	session->reset_udp_port = peer->udp_port;
	*reset = made;
	return 0;
}
