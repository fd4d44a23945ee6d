/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/flood.h"

#include <string.h>

#define SOURCE_IPV4 (198u << 24 | 18u << 16 | 66u)
#define SOURCE_PORT 6666
#define AHEAD       512 /* packet numbers the victim has not used yet */
#define FORGED_SIZE (LIMIT_FRAME_HEADER_SIZE + (uint32_t)BET_MESSAGE_SIZE + LIMIT_FRAME_TAG_SIZE)

static const char *const names[] = {
	[FLOOD_NONE] = "none",
	[FLOOD_FORGED] = "forged",
	[FLOOD_REPLAYED] = "replayed",
	[FLOOD_EPOCH] = "epoch",
	[FLOOD_UNKNOWN] = "unknown",
};

enum flood_kind flood_kind_of(const char *name)
{
	for (unsigned kind = FLOOD_FORGED; kind < SLUICE_ARRAY_COUNT(names); kind++)
		if (strcmp(name, names[kind]) == 0)
			return (enum flood_kind)kind;
	return FLOOD_NONE;
}

const char *flood_kind_name(enum flood_kind kind)
{
	return names[kind];
}

void flood_see(struct flood *flood, const uint8_t *data, uint32_t size)
{
	if (flood->kind != FLOOD_REPLAYED || size > LIMIT_DATAGRAM_SIZE_MAX)
		return;
	memcpy(flood->kept[flood->kept_next], data, size);
	flood->kept_size[flood->kept_next] = size;
	flood->kept_next = (flood->kept_next + 1) % FLOOD_KEPT;
	if (flood->kept_count < FLOOD_KEPT)
		flood->kept_count++;
}

uint64_t flood_due(struct flood *flood, uint64_t elapsed_ns)
{
	uint64_t due = (uint64_t)((__uint128_t)elapsed_ns * flood->rate / 1000000000u);
	uint64_t more = due - flood->scheduled;

	flood->scheduled = due;
	return more;
}

/* SplitMix64: enough that no two datagrams are alike. */
static uint64_t random_next(struct flood *flood)
{
	uint64_t z = flood->random += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	return z ^ (z >> 31);
}

int flood_compose(struct flood *flood, struct io_packet *packet)
{
	uint64_t random = random_next(flood);
	struct frame_header header = {
		.version_kind = WIRE_VERSION << 4 | FRAME_KIND_DATA,
		.epoch = le16_make(flood->victim->epoch),
		.session_id = le32_make(flood->victim->entry->session_id),
		.packet_number =
		    le64_make(flood->victim->packet_counter + 1 + (random >> 32) % AHEAD),
	};

	packet->source_ipv4 = SOURCE_IPV4;
	packet->source_port = SOURCE_PORT;
	if (flood->kind == FLOOD_REPLAYED) {
		unsigned index = (unsigned)(random >> 32) % FLOOD_KEPT;

		if (index >= flood->kept_count)
			return 0;
		memcpy(packet->data, flood->kept[index], flood->kept_size[index]);
		packet->size = flood->kept_size[index];
		return 1;
	}
	if (flood->kind == FLOOD_EPOCH)
		header.epoch = le16_make((uint16_t)(flood->victim->epoch + 7u));
	if (flood->kind == FLOOD_UNKNOWN) /* the same slot, another holder of it */
		header.session_id = le32_make(le32_get(header.session_id) ^ 1u << 31);
	memcpy(packet->data, &header, sizeof(header));
	for (uint32_t at = sizeof(header); at < FORGED_SIZE; at += 8) {
		random = random_next(flood);
		memcpy(packet->data + at, &random, 8);
	}
	packet->size = FORGED_SIZE;
	return 1;
}
