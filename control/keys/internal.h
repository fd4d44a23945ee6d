/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the key server's files share. Everything here belongs to its thread, except where said.
 *
 *   key_server.c   the thread: listening, limits, deadlines
 *   listen.c       its address
 *   connection.c   one connection's TLS and its states
 *   serve.c        what a terminal asks for: sessions and certificates
 *
 *   HANDSHAKE --verified--> REQUEST <--> WAIT (for the data plane) --> ANSWER --> REQUEST ...
 *   any --refused, four requests done--> ... ANSWER --> DRAIN --peer closed--> closed
 */
#ifndef SLUICE_CONTROL_KEYS_INTERNAL_H
#define SLUICE_CONTROL_KEYS_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "control/keys/key_server.h"
#include "control/keys/limiter.h"
#include "control/keys/request.h"

#define INTERNAL_NS_PER_MS       1000000ull
#define INTERNAL_CONNECTIONS_MAX 4096u
#define INTERNAL_INSTALL_WAIT_NS (2000 * INTERNAL_NS_PER_MS)
#define INTERNAL_DRAIN_NS        (1000 * INTERNAL_NS_PER_MS)

struct ssl_st;

enum connection_state {
	CONNECTION_HANDSHAKE,
	CONNECTION_REQUEST,
	CONNECTION_WAIT,
	CONNECTION_ANSWER,
	CONNECTION_DRAIN,
};

enum offer_state {
	OFFER_NONE,
	OFFER_RESERVED,    /* to be cancelled if the connection ends */
	OFFER_ESTABLISHED, /* to be ended if the connection ends before its answer is out */
};

struct connection {
	int fd;
	enum connection_state state;
	struct ssl_st *ssl;
	uint32_t events;                               /* of epoll, asked for now */
	uint64_t begun_ns, deadline_ns, wait_until_ns; /* monotonic */
	char address[48];

	uint64_t terminal_id; /* after the handshake */
	uint8_t certificate_sha256[32];

	unsigned requests;
	uint8_t renewed; /* once a connection */
	uint8_t closing; /* after the answer */
	enum offer_state offer_state;
	struct sessions_offer offer;
	uint32_t rights;

	size_t in_size, out_size, out_sent;
	uint8_t in[REQUEST_SIZE_MAX];
	uint8_t out[REQUEST_SIZE_MAX];
};

struct key_server {
	struct key_server_config settings; /* its `config` is not used after the start */
	pthread_t thread;
	int epoll_fd, event_fd, listen_fd;
	uint16_t port;
	uint64_t server_check_ns; /* when to look at the server's certificate next */

	pthread_mutex_t lock; /* guards fresh */
	struct control_config fresh;
	struct control_config config; /* the thread's own copy of it */

	struct limiter limiter;
	struct connection *table[INTERNAL_CONNECTIONS_MAX];
	unsigned count;

	/* Written by the thread, read by key_server_counts and key_server_stop's caller: numbers
	 * of their own, relaxed; `stop` is stored before the eventfd is written and read after it
	 * was read, which orders them. */
#define INTERNAL_COUNTER(name, text) _Atomic uint64_t name;
	KEY_SERVER_COUNTERS(INTERNAL_COUNTER)
#undef INTERNAL_COUNTER
	_Atomic uint64_t open;
	_Atomic uint8_t listening, stop;
};

/* Pairs with the relaxed loads in key_server_counts: a number of its own, nothing is ordered. */
#define INTERNAL_COUNT(server, name)                                                               \
	atomic_fetch_add_explicit(&(server)->name, 1, memory_order_relaxed)

uint64_t internal_now_ns(void);

/* keys.address and keys.port (0: any) to a bound socket that does not listen yet, and its port. 0
 * or -errno with message. */
SLUICE_MUST_USE int listen_bind(const struct control_config *config, int *fd, uint16_t *port,
    char *message, size_t message_size);
/* The peer's address as text; empty when it has none. */
void listen_address(const struct sockaddr_storage *peer, char *out, size_t size);

/* Takes the fd. NULL: no memory or no authority; the fd is the caller's then. */
struct connection *connection_new(
    struct key_server *server, int fd, const char *address, uint64_t now_ns);
/* Goes as far as it can without waiting. 1: keep it, its `events` say for what; 0: free it. */
int connection_turn(struct key_server *server, struct connection *connection, uint64_t now_ns);
/* Closes; what was reserved or not answered is taken back. */
void connection_free(struct key_server *server, struct connection *connection);

/* After the handshake: role of this deployment. 0 or the refusal. */
unsigned serve_peer(struct key_server *server, struct connection *connection);
/* A whole request: leaves WAIT or ANSWER. */
void serve_request(struct key_server *server, struct connection *connection,
    const struct request *request, uint64_t now_ns);
/* In WAIT: looks whether the data plane has the session; leaves ANSWER when it is time. */
void serve_wait(struct key_server *server, struct connection *connection, uint64_t now_ns);
/* Puts REFUSED into `out` and closes behind it. */
void serve_refuse(struct key_server *server, struct connection *connection, unsigned code);
/* Takes back what the connection's terminal has not been told of. */
void serve_undo(struct key_server *server, struct connection *connection);

#endif
