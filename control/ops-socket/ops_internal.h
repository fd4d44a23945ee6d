/* SPDX-License-Identifier: Apache-2.0 */
/* Private to control/ops-socket: the parts of the server that are tested and fuzzed alone. */
#ifndef SLUICE_CONTROL_OPS_INTERNAL_H
#define SLUICE_CONTROL_OPS_INTERNAL_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "control/config/config.h"
#include "control/ops-socket/verbs.h"
#include "wire/assert.h"

#define OPS_MESSAGE_SIZE 512
#define OPS_OBJECT_SIZE  128
#define OPS_ROLE_COUNT   (VERB_ROLE_ADMIN + 1)
#define OPS_GROUPS_MAX   1024

/* ---- ops_parse.c: one line ---- */

struct ops_parsed {
	const struct verb *verb;
	json_t *arguments; /* an object, our reference */
	int dry_run;
	char object[OPS_OBJECT_SIZE]; /* what the verb is about, for the audit log: "market 12" */
};

/*
 * Reads a line into a verb, its arguments as they are, and dry_run. Total on hostile bytes. 0, or
 * sluicectl's exit status with `message`; out->arguments is NULL then.
 */
SLUICE_MUST_USE int ops_parse_line(
    const char *line, size_t size, struct ops_parsed *out, char *message, size_t message_size);
/* Checks the arguments against the verb's table and fills `object`. 0, or 2 with `message`. */
SLUICE_MUST_USE int ops_parse_arguments(
    struct ops_parsed *parsed, char *message, size_t message_size);

/* ---- ops_access.c: who may what ---- */

/* Copied from the configuration, which may be replaced. */
struct ops_access {
	char group[OPS_ROLE_COUNT][33]; /* by enum verb_role */
	uint32_t clients_max;
};

struct ops_peer {
	uint32_t uid;
	unsigned roles; /* bit by enum verb_role; 0: may not even look */
	char name[48];
};

void ops_access_set(struct ops_access *access, const struct control_config *config);
/*
 * Roles of a connected peer by SO_PEERCRED: root and our own user are admin; others have the roles
 * of the groups the user database puts them in now. 0 or -errno.
 */
SLUICE_MUST_USE int ops_access_peer(const struct ops_access *access, int fd, struct ops_peer *peer);
/* Roles by a list of groups. */
unsigned ops_access_roles(const struct ops_access *access, const gid_t *groups, size_t count);
/* The role that lets the peer do this verb; 0 when none of his does. */
enum verb_role ops_access_allows(const struct ops_peer *peer, const struct verb *verb);
/* "Join the group sluice-operator (...)" for a peer that lacks `needs`. */
void ops_access_refusal(const struct ops_access *access, const struct ops_peer *peer,
    const struct verb *verb, char *message, size_t message_size);
/* The first configured group this system does not know, NULL when all exist. */
const char *ops_access_unknown_group(const struct ops_access *access);

/* ---- ops_stream.c: lines over a socket that may be slow or hostile ---- */

struct ops_stream {
	int fd; /* non-blocking */
	char *buffer;
	size_t size, used, scanned;
	uint32_t idle_timeout_ms; /* without a byte between lines */
	uint32_t line_timeout_ms; /* from a line's first byte to its end; also to take an answer */
};

/*
 * The next line (without its end, inside the buffer until the next call). 1; 0 at the end of the
 * stream; -ETIME idle between lines; -ETIMEDOUT within a line; -EMSGSIZE; -errno.
 */
SLUICE_MUST_USE int ops_stream_read(struct ops_stream *stream, char **line, size_t *size);
SLUICE_MUST_USE int ops_stream_write(struct ops_stream *stream, const char *text, size_t size);
void ops_stream_free(struct ops_stream *stream);

/* ---- ops_socket.c: the listening socket ---- */

/*
 * Binds and listens at `path` (any length; one that nobody serves is replaced), mode 0666: who may
 * what is decided by peer credentials, so that a stranger gets a sentence. The descriptor, or
 * -errno with `message`.
 */
SLUICE_MUST_USE int ops_socket_listen(const char *path, char *message, size_t message_size);
void ops_socket_remove(const char *path);

/* ---- ops_request.c ---- */

struct ops_config;
/* Does what a line asks for. The answer, a new reference, never NULL. */
json_t *ops_request_answer(const struct ops_config *config, const struct ops_access *access,
    const struct ops_peer *peer, const char *line, size_t size);

/* {"ok":false,"error":..,"status":..} */
json_t *ops_answer_refused(int status, const char *message);

#endif
