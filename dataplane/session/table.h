/* SPDX-License-Identifier: Apache-2.0 */
/* The session table's inside, shared by table.c and session.c only. */
#ifndef SLUICE_SESSION_TABLE_H
#define SLUICE_SESSION_TABLE_H

#include "dataplane/session/session.h"
#include "dataplane/session/source.h"

struct session_table {
	/* Ids of the live sessions by slot, apart from the arena: a lookup of a slot that was never
	 * used (anyone can name one) touches 4 bytes here and no page of the arena. */
	uint32_t *ids;
	struct session *arena; /* mmap, no reservation */
	size_t arena_size;
	uint32_t slots_max;
	uint32_t count;
	uint8_t lane;
	struct source_table sources;
};

static inline uint32_t session_slot(uint32_t session_id)
{
	return session_id & (LIMIT_SESSION_SLOTS - 1);
}

/* The entry that holds this epoch's keys, or NULL. */
static inline struct session_epoch *session_epoch_find(struct session *session, uint16_t epoch)
{
	for (unsigned i = 0; i < LIMIT_EPOCHS_HELD; i++) {
		if (session->epochs[i].held && session->epochs[i].epoch == epoch)
			return &session->epochs[i];
	}
	return NULL;
}

#endif
