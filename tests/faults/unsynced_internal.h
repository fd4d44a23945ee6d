/* SPDX-License-Identifier: Apache-2.0 */
/* Between unsynced.c (files) and unsynced_names.c (directories). */
#ifndef SLUICE_FAULTS_UNSYNCED_INTERNAL_H
#define SLUICE_FAULTS_UNSYNCED_INTERNAL_H

#include <pthread.h>

#include "tests/faults/unsynced.h"

struct chance {
	uint64_t state;
};

extern pthread_mutex_t unsynced_lock;
extern uint64_t unsynced_tickets; /* the last one given */

/* A number below `below`. */
uint64_t unsynced_chance(struct chance *chance, uint64_t below);

/* All of these with the lock held. */
int unsynced_alive_locked(void);
uint64_t unsynced_names_count(void);
int unsynced_names_cut(struct chance *chance, struct cut_report *report);

#endif
