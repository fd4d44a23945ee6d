/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A flood beside the load: datagrams of one foreign source that must cost the others little and the
 * terminal they name nothing. Sent by a schedule like the open loop; what finds the switch's
 * receive ring full is left there and counted. Pure: no I/O, time is passed in.
 */
#ifndef SLUICE_BENCH_FLOOD_H
#define SLUICE_BENCH_FLOOD_H

#include <stdint.h>

#include "bench/io.h"
#include "bench/terminal.h"

#define FLOOD_KEPT 64

enum flood_kind {
	FLOOD_NONE,
	FLOOD_FORGED,   /* the victim's session and epoch, a packet number to come, a wrong tag */
	FLOOD_REPLAYED, /* datagrams of the victim, seen on their way and sent again */
	FLOOD_EPOCH,    /* the victim's session under an epoch it does not hold: asks for a RESET */
	FLOOD_UNKNOWN,  /* a session that is not there */
};

struct flood {
	enum flood_kind kind;
	uint64_t rate;      /* datagrams a second */
	uint64_t scheduled; /* due so far */
	uint64_t sent, left_in_ring;
	uint64_t random;
	const struct bench_terminal *victim;
	unsigned kept_count, kept_next;
	uint32_t kept_size[FLOOD_KEPT];
	uint8_t kept[FLOOD_KEPT][LIMIT_DATAGRAM_SIZE_MAX];
};

/* "forged", "replayed", "epoch", "unknown"; FLOOD_NONE for anything else. */
enum flood_kind flood_kind_of(const char *name);
const char *flood_kind_name(enum flood_kind kind);

/* A datagram of the victim, as it is sent. */
void flood_see(struct flood *flood, const uint8_t *data, uint32_t size);

/* How many datagrams are due; the caller sends or leaves them all. */
uint64_t flood_due(struct flood *flood, uint64_t elapsed_ns);

/* Writes one. 0 when there is nothing to send yet (no datagram to replay was seen). */
int flood_compose(struct flood *flood, struct io_packet *packet);

#endif
