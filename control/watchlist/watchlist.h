/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watch lists: imported, kept in control's database, held in memory to be matched against. And
 * screening: the names of accounts' holders, terminals and partners against all lists, again
 * whenever a name or a list changes. A hit is an alert (WATCH_LIST); the verdict on it is the
 * decision, and the same pair of names is not raised again.
 */
#ifndef SLUICE_CONTROL_WATCHLIST_H
#define SLUICE_CONTROL_WATCHLIST_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "control/audit/audit.h"
#include "control/database/database.h"
#include "lmdb-schema/control_alerts.h"

/* ---- Import (lists.c) ---- */

struct watch_files {
	/* Texts with an end, NULL: not given. `sdn` and `alt` as OFAC's SDN.CSV and ALT.CSV:
	 * number, name; number, number of the alias, kind, alias; further columns and a heading
	 * line are passed over. `names`: one a line. */
	const char *sdn, *alt, *names;
};
/* Replaces the list of this name, or makes it. 0 with the row; -EINVAL with `message` naming file
 * and line; -ENAMETOOLONG, -EILSEQ (name, date); -errno. */
SLUICE_MUST_USE int watchlist_import(struct database *database, const char *name, const char *dated,
    const struct watch_files *files, const struct audit_entry *who,
    struct record_control_watch_list *row, char *message, size_t message_size);
json_t *watchlist_json(const struct record_control_watch_list *row);
/* New reference. */
json_t *watchlists_list(const struct database *database);

/* ---- In memory (watchlist.c) ---- */

struct watchlist;

SLUICE_MUST_USE int watchlist_open(struct watchlist **out, struct database *database);
void watchlist_close(struct watchlist *watchlist);

struct watch_hit {
	uint32_t list;
	uint64_t entry, entry_hash;
	uint16_t similarity; /* 1/1000 */
	char text[CONTROL_WATCH_NAME_SIZE_MAX + 1];
	char list_name[32];
};
#define WATCH_HITS_MAX 5
/* The entries at least `threshold` thousandths like this name, each once, the likest first; of the
 * lists as the database has them now. Their number, or -errno. Any thread. */
SLUICE_MUST_USE int watchlist_match(
    struct watchlist *watchlist, const char *name, unsigned threshold, struct watch_hit *hits);
/* Changes with every list. */
SLUICE_MUST_USE int watchlist_stamp(struct watchlist *watchlist, uint64_t *stamp);

/* ---- Screening (screen.c) ---- */

struct screen;

SLUICE_MUST_USE int screen_open(
    struct screen **out, struct database *database, struct watchlist *watchlist);
void screen_close(struct screen *screen);
/* A slice of the work there is. Names screened, 0: nothing to do; -errno. By one thread. */
SLUICE_MUST_USE int screen_turn(struct screen *screen, unsigned threshold);

#endif
