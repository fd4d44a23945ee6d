/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A switch of one session in memory, by wire/README.md: keys by epoch and boot id, replay window,
 * RESET, and a map from request id to outcome that outlives a restart, as the journal does. What it
 * executes it counts, so a test sees a request carried out twice.
 */
#ifndef SLUICE_TESTS_SIM_SWITCH_H
#define SLUICE_TESTS_SIM_SWITCH_H

#include <stdint.h>

#include "wire/aead.h"
#include "wire/codec.h"
#include "wire/keys.h"
#include "wire/replay.h"

#define SIM_OUTCOMES_MAX 4096

struct sim_outcome {
	uint64_t request_id, body_hash[2], lsn;
	uint64_t group_first; /* first member of the linked group it came in; alone: its own id */
	uint16_t template_id, code;
};

struct sim_switch {
	uint8_t root[KEYS_ROOT_SIZE];
	uint32_t session_id;
	uint16_t epoch;
	uint64_t boot_id;
	uint64_t time_ns;
	uint64_t lane; /* sends in this one */
	uint64_t sent;
	struct replay_window window;
	struct aead_key open_key, seal_key;
	struct sim_outcome outcomes[SIM_OUTCOMES_MAX];
	unsigned executed; /* outcomes in use */
	uint64_t highest_id;
	unsigned mismatches;      /* one id, two bodies: a bug of the client */
	unsigned replays_seen;    /* packet number used twice: a bug of the client */
	unsigned retransmissions; /* messages with the flag */
	unsigned messages, datagrams, messages_max;
	unsigned busy_next; /* answer BUSY to so many mutating requests */
	uint16_t busy_detail_ms;
	uint16_t busy_code;   /* instead of BUSY; 0: BUSY */
	uint64_t busy_id;     /* answer BUSY to this one, always */
	unsigned untold_next; /* answer `untold_code` to so many TX_STATUS */
	uint16_t untold_code;
	uint64_t hello_next_id; /* when not 0: told in HELLO */
	unsigned links_open;    /* datagrams whose last message is linked: a bug of the client */
	uint64_t deaf_id;       /* requests with this id are not heard */
	uint64_t fenced_id;     /* by REVERSE; answered FENCED */
	unsigned reversed;      /* requests undone by REVERSE */
	unsigned resets_sent;
	unsigned unknown_sessions; /* datagrams of a session that is not installed: no answer */
	uint16_t seen_epoch;       /* of the last datagram that opened */
};

void sim_switch_init(struct sim_switch *sim, uint64_t boot_id, uint16_t epoch);
/* A new life: new boot id, empty window, new keys. Outcomes stay. */
void sim_switch_restart(struct sim_switch *sim, uint64_t boot_id, uint16_t epoch);
/* Another session in place of the old one, as key establishment would install it. */
void sim_switch_session(struct sim_switch *sim, uint32_t session_id, uint8_t root_first);
/*
 * Takes a datagram; writes an answer (DATA or RESET) to `out` and returns its size, 0 for none.
 * `datagram` is copied, not changed.
 */
size_t sim_switch_take(struct sim_switch *sim, const uint8_t *datagram, size_t size,
    uint8_t out[LIMIT_DATAGRAM_SIZE_MAX]);
/* Writes a RESET as the switch would for a trigger of this packet number. */
void sim_switch_reset(struct sim_switch *sim, uint64_t packet_number, uint8_t out[40]);
void sim_switch_free(struct sim_switch *sim);

#endif
