/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking an event apart: record, fixed body, sections. Structure only; what the values mean and
 * whether they fit the type is event_check's (dataplane/ledger).
 */
#ifndef SLUICE_LMDB_SCHEMA_EVENT_SECTIONS_H
#define SLUICE_LMDB_SCHEMA_EVENT_SECTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "lmdb-schema/event.h"
#include "lmdb-schema/object.h"
#include "wire/assert.h"
#include "wire/codes.h"

struct event_view_line {
	uint64_t account_id, prev_lsn;
	int64_t amount, balance;
};

struct event_view {
	struct event_record record;
	const uint8_t *body; /* of body_size bytes, inside the event */
	size_t body_size;
	/* Sections inside the event; NULL: not there. Each has its struct's size. */
	const uint8_t *factor_rules, *risk, *limit, *currencies[LIMIT_RULES_CURRENCIES_MAX];
	unsigned line_count, object_count, currency_count;
	struct event_view_line lines[EVENT_LINES_MAX];
	struct object_bytes objects[EVENT_OBJECTS_MAX]; /* lsn = the event's; body filled with 0 */
};

/* Bytes of the fixed body of a record's type (leg_count taken into account). -EBADMSG for an
 * unknown type or too many legs or ids. */
SLUICE_MUST_USE int event_body_size(const struct event_record *record);

/*
 * Any bytes whatever: lengths, kinds and sizes of sections, their number, reserved bytes, and that
 * an object's body holds no more than its kind's. The view points into `event`. 0 or -EBADMSG.
 */
SLUICE_MUST_USE int event_view_read(const uint8_t *event, size_t room, struct event_view *view);

/* A view without any section: for who has just made one and knows. */
static inline void event_view_bare(struct event_view *view)
{
	view->line_count = view->object_count = view->currency_count = 0;
	view->factor_rules = view->risk = view->limit = NULL;
}

/* The bucket of whoever would be asked for what an event did: account, else ticket, else terminal.
 */
uint32_t event_bucket(const struct event_record *record);

/* "place_bet"; NULL for an unknown number. */
const char *event_type_name(unsigned type);
/* 1 when an event of this type and code moves money and changes rows besides chains. */
static inline int event_moves(unsigned type, unsigned code)
{
	return code == WIRE_CODE_OK || code == WIRE_CODE_PENDING || type == EVENT_TRANSFER_DONE;
}

#endif
