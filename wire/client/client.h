/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terminal's side of the protocol (wire/README.md), without I/O, clock or threads: bytes and
 * the time go in, bytes and events come out. wire/client/udp.h drives it over a kernel socket;
 * tests drive it over a simulated network.
 *
 * Life: client_create -> client_poll sends HELLO -> its answer gives the lowest usable request id
 * and the switch's time -> CLIENT_READY -> client_request. A request stays with the client until it
 * has its definite outcome; every resend goes out under a new packet number with the same request
 * id and the same body, so the switch carries it out at most once.
 */
#ifndef SLUICE_WIRE_CLIENT_CLIENT_H
#define SLUICE_WIRE_CLIENT_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "wire/aead.h"
#include "wire/assert.h"
#include "wire/codec.h"
#include "wire/drop.h"
#include "wire/keys.h"
#include "wire/limits.h"

#define CLIENT_REQUESTS_MAX       64           /* queued and unanswered together */
#define CLIENT_TIMEOUT_FIRST_NS   200000000ull /* before the first round trip is measured */
#define CLIENT_TIMEOUT_MIN_NS     20000000ull
#define CLIENT_TIMEOUT_MAX_NS     2000000000ull
#define CLIENT_TIMEOUTS_TO_SILENT 3 /* in a row, nothing authentic heard: CLIENT_SILENT */
/* Ids of reading requests: from here up, so that questions never use up ids of the window. */
#define CLIENT_QUERY_ID_FIRST (1ull << 63 | 1)

/*
 * A counter whose values are never handed out twice, not even after a crash. Values in [next,
 * limit) may be used; at the limit `extend` makes a higher limit durable first. Without `extend`
 * the counter lives in memory only: for tests, and for keys that die with the process.
 */
struct client_counter {
	uint64_t next, limit;
	/* 0 and *limit > next, or -errno. Returns only after the new limit is on stable storage. */
	int (*extend)(void *context, uint64_t next, uint64_t *limit);
	void *context;
};

/* The next value, or a failure of `extend` (-errno, *value untouched). */
SLUICE_MUST_USE int client_counter_take(struct client_counter *counter, uint64_t *value);

enum client_event_kind {
	CLIENT_READY = 1,       /* HELLO is answered: `reply` holds it, requests are taken now */
	CLIENT_ANSWERED,        /* the definite outcome, in `reply`; of a question also
	                           that it cannot be told: STORAGE_UNAVAILABLE or class 0x7 */
	CLIENT_OUTCOME_UNKNOWN, /* deadline passed without an answer; the client goes on asking */
	CLIENT_EXPIRED_UNSENT,  /* deadline passed before the first send: never carried out */
	CLIENT_GAVE_UP,         /* a query's timeout passed; it has no effect, nothing is pending */
	CLIENT_REKEYED,         /* a RESET moved the session; unanswered requests go out again */
	CLIENT_REVERSED, /* REVERSE, queued at the deadline, has its answer: `reply` holds it,
	                    the rest is of the request it undid or fenced, which ends here */
	CLIENT_SILENT,   /* several resends unanswered: time for a new TLS handshake */
};

struct client_event {
	enum client_event_kind kind;
	uint16_t template_id;
	uint32_t sends; /* datagrams this request went out in */
	uint64_t request_id;
	uint64_t cookie;                /* as given to client_request */
	uint64_t elapsed_ns;            /* since the first send */
	const struct wire_reply *reply; /* during the call only; of READY, ANSWERED, REVERSED */
};

struct client_config {
	uint32_t session_id;
	uint8_t root[KEYS_ROOT_SIZE];
	uint64_t boot_id;      /* 0 when not known: the first RESET tells */
	uint16_t epoch;        /* 1 when not known */
	uint8_t messages_max;  /* requests per datagram, 1..16; 0: 1 */
	uint8_t in_flight_max; /* 1..32; 0: 32 */
	uint8_t heartbeat;     /* 1: send HEARTBEAT when the switch would miss one */
	/*
	 * 1: at the deadline of an unanswered money request the client queues REVERSE of it: what
	 * was carried out is undone, what was not is fenced. CLIENT_REVERSED tells the outcome.
	 */
	uint8_t reverse;
	uint8_t aead_backend;              /* enum aead_backend; 0: the default one */
	uint64_t jitter_seed;              /* any number; equal seeds give equal schedules */
	struct client_counter request_ids; /* of mutating requests; next in 1 .. 2^63 - 1 */
	/*
	 * 1 for a root that dies with this process. Where the root outlives it (a laboratory root
	 * from a file): the Unix time in microseconds, so that no number meets one key twice. The
	 * counter goes on over every change of key.
	 */
	uint64_t packet_number_first;
	/*
	 * Called with each mutating request before it may be sent, its id inside: returns 0 once
	 * the bytes are on stable storage, or -errno, which client_request hands on. NULL: only the
	 * ids are kept, and after a crash the terminal does not know what it had asked for.
	 */
	int (*keep)(void *context, const uint8_t *message, size_t size);
	/*
	 * Called from client_datagram_in and client_poll. May call client_request and
	 * client_forget, nothing else of the client.
	 */
	void (*on_event)(void *context, const struct client_event *event);
	void *context;
};

struct client_stats {
	uint64_t datagrams_out, datagrams_in;
	uint64_t messages_out, resends;
	uint64_t answers, answers_unmatched; /* unmatched: duplicates, or of no request of ours */
	uint64_t transient;                  /* answers that told us to wait */
	uint64_t resets, resets_refused;
	uint64_t replaced;                   /* sessions, by client_session_replace */
	uint64_t dropped[DROP_REASON_COUNT]; /* incoming datagrams, by reason */
};

struct client;

/*
 * A client with its first HELLO queued. 0; -EINVAL (a value outside its range above), -ENOMEM, -EIO
 * or -ENOTSUP (no keys). The root is copied; the caller may wipe its own.
 */
SLUICE_MUST_USE int client_create(const struct client_config *config, struct client **client);
/* Wipes the keys. NULL is fine. Unanswered requests end without an event. */
void client_free(struct client *client);

/*
 * Goes on under another session, which a new key establishment gave: new keys, packet numbers from
 * 1, empty replay windows. Round trip, clock, ids and stored requests stay; every unanswered
 * request goes out again with its old id, like after a RESET, and HELLO is asked again, so that a
 * switch that does not know the new session shows as CLIENT_SILENT. `boot_id` and `epoch` as in
 * client_config, but the root must be one that dies with this process and was never used before.
 *
 * 0; -EINVAL (session id 0), -EIO or -ENOTSUP (no keys): then the old session goes on. The root is
 * copied. Not to be called from on_event.
 */
SLUICE_MUST_USE int client_session_replace(struct client *client, uint32_t session_id,
    const uint8_t root[KEYS_ROOT_SIZE], uint64_t boot_id, uint16_t epoch, uint64_t now_ns);

/* 1 after CLIENT_READY. */
int client_ready(const struct client *client);
/* The switch's clock now, estimated from its answers; 0 before the first answer. */
uint64_t client_switch_time_ns(const struct client *client, uint64_t now_ns);
/* Requests neither answered nor given up, and those of them that were never sent. */
unsigned client_outstanding(const struct client *client);
unsigned client_queued(const struct client *client);
/* Smoothed round trip (RFC 6298 2), 0 before the first sample. */
uint64_t client_rtt_ns(const struct client *client);
/* When the switch was last heard, by the caller's clock; 0: not yet. A new session counts too. */
uint64_t client_heard_ns(const struct client *client);
uint32_t client_session_id(const struct client *client);
uint64_t client_boot_id(const struct client *client);
uint16_t client_epoch(const struct client *client);
/* The next id a request would get. */
uint64_t client_next_id(const struct client *client);
const struct client_stats *client_stats(const struct client *client);

/*
 * Queues a request. Its id is written to request->request_id. With
 * `timeout_ns` above 0 a mutating request gets the deadline switch time + timeout; with 0 the
 * caller's own deadline_ns (absolute, switch time) is kept. A query is given up after timeout_ns
 * (0: never).
 *
 * 0; -ENOTCONN (before CLIENT_READY), -EAGAIN (64 requests are under way: wait for an event),
 * -EINVAL (template or leg count), or the failure of the id counter or of `keep`.
 */
SLUICE_MUST_USE int client_request(struct client *client, struct wire_request *request,
    uint64_t timeout_ns, uint64_t cookie, uint64_t now_ns);
/*
 * Queues a linked group of 2..8 mutating requests, in this order: all of them are carried out or
 * none. As client_request for each; the cookies count up from `cookie`. Every member has its own
 * CLIENT_ANSWERED; LINKED_NOT_DONE is the answer of those that another's refusal took along.
 * -EINVAL also for a reading request or NO_REPLY; -EMSGSIZE: together they do not fit a datagram;
 * -EAGAIN: not room for all.
 */
SLUICE_MUST_USE int client_request_linked(struct client *client, struct wire_request *requests,
    unsigned count, uint64_t timeout_ns, uint64_t cookie, uint64_t now_ns);
/* Stops asking for a request. 0 or -ENOENT. Its outcome stays what it is at the switch. */
SLUICE_MUST_USE int client_forget(struct client *client, uint64_t request_id);

/*
 * One datagram from the network; decrypted in place. DROP_NONE when it was accepted, else why not
 * (a forged RESET is BAD_TAG, one that does not move forward is REPLAYED).
 */
enum drop_reason client_datagram_in(
    struct client *client, uint8_t *datagram, size_t size, uint64_t now_ns);

/*
 * Writes the next datagram due and returns its size; 0 when nothing is due now. Call until 0.
 * -EKEYEXPIRED when the key has sealed all it may: make a new session.
 */
SLUICE_MUST_USE int client_poll(
    struct client *client, uint64_t now_ns, uint8_t out[LIMIT_DATAGRAM_SIZE_MAX]);
/* When client_poll has something to do next (may be in the past); UINT64_MAX: only after an event.
 */
uint64_t client_due_ns(const struct client *client, uint64_t now_ns);

#endif
