/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Client of the data plane's admin socket: one JSON object per line each way, answers in the order
 * of the requests. Blocking, with a time limit; one owning thread.
 */
#ifndef SLUICE_WIRE_ADMIN_CLIENT_H
#define SLUICE_WIRE_ADMIN_CLIENT_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/assert.h"

/* Requests sent and not yet answered that still fit the socket buffers of both sides. */
#define ADMIN_CLIENT_PIPELINE_MAX 64
#define ADMIN_CLIENT_MESSAGE_SIZE 512

struct admin_client {
	int fd;
	char *buffer;
	size_t size, used, scanned;
	char message[ADMIN_CLIENT_MESSAGE_SIZE]; /* why the last call failed, with the remedy */
};

/* Writes ROOT/run/sluice/admin.sock. 0 or -ENAMETOOLONG. */
SLUICE_MUST_USE int admin_client_path(const char *root, char *out, size_t size);

/*
 * Connects. 0, or -errno with admin->message set. `timeout_s` bounds every later send and receive.
 * admin_client_close releases in either case.
 */
SLUICE_MUST_USE int admin_client_open(
    struct admin_client *admin, const char *path, unsigned timeout_s);
void admin_client_close(struct admin_client *admin);

/* Sends one request; `request` is released here. 0 or -errno with message. */
SLUICE_MUST_USE int admin_client_send(struct admin_client *admin, json_t *request);
/*
 * Receives the next answer. 0 with *answer owned by the caller; -EPERM when the data plane refused
 * (message holds its sentence); -EPROTO for anything but JSON; -ETIMEDOUT; -ECONNRESET.
 */
SLUICE_MUST_USE int admin_client_receive(struct admin_client *admin, json_t **answer);
/*
 * The next answer whatever it says; sets no message. 0 with *line owned by the caller; -EMSGSIZE
 * above 16 MiB; -ENOMEM; -EAGAIN not in time; -ECONNRESET closed; -EPROTO for anything but a JSON
 * object; another -errno of recv(2).
 */
SLUICE_MUST_USE int admin_client_line(struct admin_client *admin, json_t **line);
/* Send and receive; `answer` may be NULL. */
SLUICE_MUST_USE int admin_client_call(struct admin_client *admin, json_t *request, json_t **answer);

/* What the tools need of "status". */
struct admin_client_status {
	uint64_t boot_id;
	uint64_t control_sequence; /* highest over all shards */
	uint16_t epoch;
};
/* 0, or as admin_receive; -EPROTO names the member that is missing. */
SLUICE_MUST_USE int admin_client_status_parse(
    struct admin_client *admin, const json_t *answer, struct admin_client_status *status);

#endif
