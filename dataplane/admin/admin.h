/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Admin socket of the data plane: a UNIX stream socket, one JSON object per line in, one per line
 * out, in order. Served by the main lcore, which reaches shards only through their command rings
 * and reads only their counters.
 *
 * {"cmd":"status"} · {"cmd":"session_install",...} · {"cmd":"session_end","session_id":n} ·
 * {"cmd":"command","sequence":n,"type":...} · {"cmd":"open"} · {"cmd":"stop"}
 * Answers: {"ok":true,...} or {"ok":false,"error":"what, and what to do"}.
 */
#ifndef SLUICE_ADMIN_H
#define SLUICE_ADMIN_H

#include <jansson.h>
#include <stdint.h>

#include "dataplane/config.h"
#include "dataplane/shard/worker.h"
#include "dataplane/store/store.h"

#define ADMIN_CLIENTS_MAX   16
#define ADMIN_LINE_SIZE_MAX 65536
#define ADMIN_OUT_SIZE_MAX  (1u << 20)
/* Between two looks for a shard's result: about a fifth of a synced write. */
#define ADMIN_RESULT_WAIT_NS 20000

/* What the admin side may see of the process. Everything stays the caller's. */
struct admin_context {
	const struct dataplane_config *config;
	struct switch_shared *shared;
	struct worker **workers;
	struct store **stores;
	uint64_t recovered_ns;     /* time recovery took */
	int journal_interrupt_cpu; /* -1 unknown */
};

struct admin;

/* Binds the socket (mode 0600; a stale one of a dead process is replaced). 0, or -errno with
 * message. */
SLUICE_MUST_USE int admin_create(struct admin **out, const struct admin_context *context,
    const char *path, char *message, size_t message_size);
/* One turn: accepts, reads, answers; waits at most timeout_ms. */
void admin_work(struct admin *admin, int timeout_ms);
void admin_free(struct admin *admin);

/* ---- Private to dataplane/admin ---- */

/* What one line turned into. */
struct admin_request {
	enum {
		ADMIN_ANSWER, /* *answer is ready */
		ADMIN_ONE_SHARD,
		ADMIN_ALL_SHARDS,
	} kind;
	uint32_t shard;
	struct shard_command command;
};

/*
 * Parses one line. Total on hostile bytes. For ADMIN_ANSWER *answer is a new reference. The
 * command's ticket is left 0.
 */
void admin_parse(const struct admin_context *context, const char *line, size_t size,
    struct admin_request *request, json_t **answer);
json_t *admin_status(const struct admin_context *context);
json_t *admin_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
