/* SPDX-License-Identifier: Apache-2.0 */
/* One event for people and for machines. */
#ifndef SLUICE_TOOLS_DUMP_H
#define SLUICE_TOOLS_DUMP_H

#include "lmdb-schema/event_sections.h"
#include "tools/sluice-db/db.h"

/* One line, and an indented one for each posting, object and what else it holds. */
void event_text(uint32_t shard, const struct event_view *view);
/* A new reference. */
json_t *event_json(uint32_t shard, const struct event_view *view);
/* "PLACE_BET". Valid until the next call. */
const char *event_type_text(unsigned type);

/* The fixed body: what changes beyond money and objects (dump_body.c). */
void event_body_text(const struct event_view *view);
void event_body_json(const struct event_view *view, json_t *object);

/* "open", "settled", ...; "unknown". Of bet_state. */
const char *bet_state_text(unsigned state);

#endif
