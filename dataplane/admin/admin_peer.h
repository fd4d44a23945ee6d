/* SPDX-License-Identifier: Apache-2.0 */
/* Private to dataplane/admin: one connection of the socket, its lines in and answers out. */
#ifndef SLUICE_ADMIN_PEER_H
#define SLUICE_ADMIN_PEER_H

#include <poll.h>

#include "dataplane/admin/admin_job.h"

struct admin_peer {
	int fd;      /* -1: free */
	uint8_t eof; /* it sends no more: closed when all it sent is answered */
	uint32_t in_size;
	uint32_t out_size, out_sent;
	char *in;
	char *out;
	/* A command under way: its answer comes before the next line is looked at. */
	struct admin_job *job; /* NULL: none */
};

/* Closes and wipes. A command under way goes on without its client. */
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
 * What to wait for. No input while a command is under way or the input has ended. POLLHUP cannot be
 * masked: the peer has closed both ways (not after shutdown(SHUT_WR) alone), and the caller closes.
 */
struct pollfd admin_peer_poll(const struct admin_peer *client);

#endif
