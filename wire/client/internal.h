/* SPDX-License-Identifier: Apache-2.0 */
/* The client's state, shared by client.c, epochs.c, receive.c and transmit.c. */
#ifndef SLUICE_WIRE_CLIENT_INTERNAL_H
#define SLUICE_WIRE_CLIENT_INTERNAL_H

#include "wire/client/client.h"
#include "wire/replay.h"

#define CLIENT_LANES 64
/* Answers in a row after which a question that cannot be answered is given up with the last. */
#define CLIENT_UNAVAILABLE_MAX 3
/* Header, PLACE_BET block and ten legs: the largest request. */
#define CLIENT_MESSAGE_SIZE (16 + 40 + LIMIT_BET_LEGS_MAX * 16)

enum entry_state {
	ENTRY_FREE,
	ENTRY_QUEUED, /* has its id, was never sent */
	ENTRY_SENT,
	ENTRY_ANSWERED, /* a member of a linked group whose other members wait for theirs */
};

/*
 * FREE --client_request--> QUEUED --first send--> SENT --answer, give up--> FREE
 * A transient answer keeps SENT and moves due_ns; so does every resend.
 *
 * A linked group is sent whole every time, or a member alone could be carried out without the
 * others: SENT --answer--> ANSWERED --the last answer of the group--> FREE.
 */
struct client_entry {
	uint64_t request_id;
	uint64_t cookie;
	uint64_t due_ns;      /* SENT: when to send again */
	uint64_t deadline_ns; /* local clock; UINT64_MAX: none */
	uint64_t first_sent_ns, last_sent_ns;
	uint64_t timeout_ns; /* the last one used; 0: start over */
	uint32_t sends;
	uint32_t unheard; /* timeouts in a row without any authentic datagram */
	uint16_t template_id;
	uint16_t size;
	uint8_t state; /* enum entry_state */
	uint8_t mutates, unknown_told, internal;
	uint8_t group_count; /* members of its linked group, 0: none */
	uint8_t reversing;   /* REVERSE of it is queued or was */
	uint8_t unavailable; /* answers in a row that it cannot be told */
	uint64_t group;      /* request id of the group's first member; ids follow on each other */
	uint64_t target;     /* REVERSE of the client's own: the request it is about */
	uint16_t target_template;
	uint8_t message[CLIENT_MESSAGE_SIZE];
};

/* The switch's sealing key of one epoch, with one replay window per lane (sending worker). */
struct client_epoch {
	struct aead_key key;
	uint64_t lanes_used; /* bit per lane: its window has been cleared since installation */
	struct replay_window lanes[CLIENT_LANES];
	uint32_t open_failed;
	uint16_t epoch;
	uint8_t held;
};

struct client {
	struct aead_key seal_key;
	/* Previous, current and (derived when it is first seen) next epoch: slot = epoch % 3. */
	struct client_epoch epochs[LIMIT_EPOCHS_HELD];
	struct client_config config;
	uint8_t reset_key[KEYS_RESET_SIZE];
	uint64_t boot_id;
	uint64_t sealed;                  /* datagrams under seal_key */
	uint64_t packet_number, query_id; /* the next ones */
	uint16_t epoch;
	uint8_t ready;
	uint8_t silent, silent_told; /* since heard_ns */
	uint64_t random;
	uint64_t rtt_ns;
	uint64_t timeout_kept_ns; /* from a request sent twice, until the next sample */
	int64_t clock_offset_ns;  /* switch time - local time */
	uint64_t clock_sample_ns, clock_rtt_ns; /* when, and how good, the offset was taken */
	uint64_t heard_ns, sent_ns;             /* last authentic datagram in, last datagram out */
	uint64_t heartbeat_every_ns;
	uint32_t heartbeat_sequence;
	unsigned used; /* entries not FREE */
	struct client_stats stats;
	struct client_entry entries[CLIENT_REQUESTS_MAX];
};

/* Derives and installs the keys of (boot id, epoch); forgets those of another boot id. 0 or -errno.
 */
SLUICE_MUST_USE int client_keys_install(struct client *client, uint64_t boot_id, uint16_t epoch);
/* Makes `epoch` (one above the current) the sending one, once its datagram was authenticated. */
SLUICE_MUST_USE int client_keys_advance(struct client *client, uint16_t epoch);
/* The opening key of an epoch in [current - 1, current + 1], or NULL. */
struct client_epoch *client_keys_find(struct client *client, uint16_t epoch);

/*
 * The keys of another root, with no window or packet number of the old ones. 0, or -errno with
 * everything as it was.
 */
SLUICE_MUST_USE int client_keys_replace(
    struct client *client, const uint8_t root[KEYS_ROOT_SIZE], uint64_t boot_id, uint16_t epoch);
/* Wipes every key. */
void client_keys_wipe(struct client *client);

/*
 * Takes an entry, an id and, for a mutating request, `keep`. 0; -EAGAIN, -EINVAL or as `keep` and
 * the id counter say: nothing is taken then but the id.
 */
SLUICE_MUST_USE int client_entry_add(struct client *client, struct wire_request *request,
    uint64_t timeout_ns, uint64_t cookie, uint64_t now_ns, uint8_t internal,
    struct client_entry **entry);
/* The entry of an id, or NULL. */
struct client_entry *client_entry_find(struct client *client, uint64_t request_id);
/* An entry that needs no answer any more; of a group it stays until no member does. */
void client_entry_finish(struct client *client, struct client_entry *entry);
/*
 * What goes out together with an entry: it alone, or all members of its group in order. Returns
 * their count and sets *size to the bytes they have.
 */
unsigned client_unit(struct client *client, struct client_entry *entry,
    struct client_entry *members[LIMIT_LINKED_MAX], size_t *size);
/* Queues REVERSE of a money request whose deadline passed, if the configuration says so. */
void client_reverse_queue(struct client *client, struct client_entry *entry, uint64_t now_ns);
/* REVERSE was answered: for good, then the target's entry ends, and the caller is told; else (no
 * right, blocked) the client goes on asking for the target alone. */
void client_reverse_answered(struct client *client, const struct client_entry *reverse,
    const struct wire_reply *reply, uint64_t now_ns);

void client_entry_free(struct client *client, struct client_entry *entry);
/* Queues a HEARTBEAT of the client's own when one is due. */
void client_heartbeat_queue(struct client *client, uint64_t now_ns);
/* Tells the caller; `reply` may be NULL. The entry must already be copied or freed. */
void client_tell(struct client *client, enum client_event_kind kind,
    const struct client_entry *entry, const struct wire_reply *reply, uint64_t now_ns);
/* Everything unanswered is due at once, under the new key; the timeouts start over. */
void client_resend_all(struct client *client, uint64_t now_ns);
/* Something authentic came in, or a new session began: silence is counted from here. */
void client_heard(struct client *client, uint64_t now_ns);
/* The next timeout of an entry, jitter included; kept in entry->timeout_ns. */
uint64_t client_timeout_next(struct client *client, struct client_entry *entry);
/* Queues a HELLO of the client's own unless one is waiting. 0 or -EAGAIN (table full). */
int client_hello_queue(struct client *client, uint64_t now_ns);

#endif
