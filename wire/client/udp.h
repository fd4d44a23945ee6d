/* SPDX-License-Identifier: Apache-2.0 */
/* Drives a client over a kernel UDP socket: one socket, one client, one thread. */
#ifndef SLUICE_WIRE_CLIENT_UDP_H
#define SLUICE_WIRE_CLIENT_UDP_H

#include "wire/client/client.h"

struct client_udp {
	int fd;
	uint64_t send_errors, receive_errors; /* host unreachable and the like: lost datagrams */
};

struct sockaddr_in;
/* "192.0.2.1:7001", IPv4 numbers only. 0, or -EINVAL. */
SLUICE_MUST_USE int client_udp_address(const char *text, struct sockaddr_in *address);

/*
 * Opens a socket connected to `address` ("192.0.2.1:7001"; IPv4 numbers only) with "do not
 * fragment" set. 0; -EINVAL (not an address with a port), or -errno of the socket calls.
 */
SLUICE_MUST_USE int client_udp_open(const char *address, struct client_udp *udp);
void client_udp_close(struct client_udp *udp);

/* The local clock that every call of the client gets: CLOCK_MONOTONIC in ns. */
uint64_t client_udp_now_ns(void);

/*
 * One turn: sends what is due, waits until something arrives, something is due or `wait_ns` has
 * passed, and takes in what has arrived. Returns the datagrams accepted; -EINTR after a signal
 * (call again, or stop), or the failure of client_poll. Errors of the network count as loss: the
 * timers of the client resend.
 */
SLUICE_MUST_USE int client_udp_turn(
    struct client_udp *udp, struct client *client, uint64_t wait_ns);

#endif
