/* SPDX-License-Identifier: Apache-2.0 */
/* A client and a simulated switch, joined by a network that loses, doubles and reorders by a seed.
 */
#ifndef SLUICE_TESTS_CLIENT_HARNESS_H
#define SLUICE_TESTS_CLIENT_HARNESS_H

#include "tests/client/sim_switch.h"
#include "wire/client/client.h"

#define MS          1000000ull
#define PACKETS_MAX 512
#define EVENTS_MAX  8192
#define SENDS_MAX   1024

struct packet {
	size_t size;
	uint8_t to_switch;
	uint8_t bytes[LIMIT_DATAGRAM_SIZE_MAX];
};

struct event {
	enum client_event_kind kind;
	uint64_t request_id, at_ns;
	uint16_t template_id, code;
	uint32_t sends;
};

struct harness {
	struct client *client;
	struct sim_switch sim;
	uint64_t now_ns, random;
	/* Network, in percent and ns. */
	unsigned loss, doubled;
	uint64_t delay_min_ns, delay_max_ns;
	int64_t clock_set_ns;         /* how far the switch's clock was set */
	unsigned switch_down;         /* 1: datagrams to the switch vanish */
	uint64_t due_ns[PACKETS_MAX]; /* of each packet; UINT64_MAX: none */
	struct packet packets[PACKETS_MAX];
	uint64_t last_packet_number;
	uint64_t send_times[SENDS_MAX];
	unsigned sends;
	struct event events[EVENTS_MAX];
	unsigned event_count;
	unsigned kept; /* calls of keep */
	int keep_result;
	uint64_t kept_id;
};

/* With fields of *config that are zero set to working ones. The client is not connected yet. */
struct harness *harness_make(const struct client_config *config, uint64_t seed);
void harness_free(struct harness *harness);
/* Runs until `until_ns`, or until `count` events of `kind` are there. 1 when they are. */
int harness_run(
    struct harness *harness, uint64_t until_ns, enum client_event_kind kind, unsigned count);
/* Runs to READY without loss. */
void harness_connect(struct harness *harness);
unsigned harness_count(const struct harness *harness, enum client_event_kind kind);
/* Queues a single bet; returns its id. */
uint64_t harness_bet(struct harness *harness, uint64_t timeout_ns);

#endif
