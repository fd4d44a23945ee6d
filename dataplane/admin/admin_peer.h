/* SPDX-License-Identifier: Apache-2.0 */
/* Private to dataplane/admin: one connection of the socket, its lines in and answers out. */
#ifndef SLUICE_ADMIN_PEER_H
#define SLUICE_ADMIN_PEER_H

#include <poll.h>

#include "dataplane/admin/admin.h"

struct admin_peer {
	int fd;      /* -1: free, once no ticket is left */
	uint8_t eof; /* it sends no more: closed when all it sent is answered */
	uint32_t in_size;
	uint32_t out_size, out_sent;
	char *in;
	char *out;
	/* A command under way: its answer comes before the next line is looked at. */
	uint64_t ticket;
	uint32_t shards_left;
	int32_t error;
	uint8_t already;
	struct admin_request request;
};

/* Closes and wipes; a ticket stays, and with it the place. */
void admin_peer_close(struct admin_peer *client);
/* Sends what the kernel takes of `out`. */
void admin_peer_flush(struct admin_peer *client);
/* Takes the reference of `answer`; NULL (out of memory) closes. */
void admin_peer_answer(struct admin_peer *client, json_t *answer);
/* Reads what is there. */
void admin_peer_read(struct admin_peer *client);
/* 1 when a whole line waits: it could not be sent on, so it is tried again without sleeping. */
int admin_peer_has_line(const struct admin_peer *client);
/*
 * What to wait for. Nothing while a command is under way or its input has ended: then it is left
 * out, or a peer that has gone (POLLHUP cannot be masked) would keep the loop from sleeping. That
 * it has gone shows when its answer is sent.
 */
struct pollfd admin_peer_poll(const struct admin_peer *client);

#endif
