/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the registry: slots, their lists, heap of due times, index by terminal. */
#ifndef SLUICE_CONTROL_SESSIONS_TABLE_H
#define SLUICE_CONTROL_SESSIONS_TABLE_H

#include <pthread.h>

#include "control/sessions/sessions.h"

#define GENERATION_MAX ((1u << (32 - LIMIT_SESSION_SLOT_BITS)) - 1)
/* Hash chains by terminal. */
#define TERMINAL_CHAINS (1u << 16)
#define STRAYS_MAX      256u

enum slot_state {
	SLOT_FREE,
	SLOT_RESERVED,
	SLOT_PENDING,
	SLOT_LIVE,
	SLOT_KEYLESS,
	SLOT_ENDING,
	SLOT_STATE_COUNT,
};

/* Queues a slot can wait in, one at a time. */
enum slot_queue {
	QUEUE_NONE,
	QUEUE_FREE,     /* longest free first */
	QUEUE_WORN,     /* free, but its generations are used up until the next boot id */
	QUEUE_ENDS,     /* revoked, ended by an operator */
	QUEUE_REPLACED, /* replaced, expired */
	QUEUE_INSTALLS,
	QUEUE_COUNT,
};

/* Slot numbers serve as links; 0 is no slot. */
struct slot_list {
	uint32_t head, tail, count;
};

struct slot {
	uint32_t session_id; /* the last one given out, 0: none yet */
	uint8_t state;       /* slot_state */
	uint8_t queue;       /* slot_queue */
	uint8_t in_flight;   /* session_work_kind handed out and not answered, 0: none */
	uint8_t told;        /* the data plane of this boot id may know it */
	uint8_t installed;   /* the data plane of this boot id has answered an install */
	uint8_t unrecorded;  /* ended, and the database does not know it yet */
	uint8_t failures;    /* answers in a row that were refusals */
	uint16_t epoch;      /* wanted; the installed one once LIVE */
	uint16_t epoch_installed;
	uint32_t version, flight_version; /* wanted; of the install in flight */
	uint64_t serial;                  /* order of establishment; 0: from the database */
	uint64_t terminal_id;
	uint64_t terminal_version; /* of the row that rights and rates are from */
	uint32_t rights, rate_per_s, rate_burst;
	uint32_t previous, next;             /* in its queue */
	uint32_t epoch_previous, epoch_next; /* in the list of epochs, oldest first */
	uint32_t terminal_next;              /* in its hash chain */
	uint32_t unrecorded_next;
	uint32_t heap_place; /* from 1; 0: not in the heap */
	uint64_t established_ns, expires_ns;
	uint64_t epoch_since_ns;      /* 0: not in the list of epochs */
	uint64_t rotate_ns, retry_ns; /* UINT64_MAX: never */
	uint64_t due_ns;              /* its key in the heap */
	uint64_t free_since_ns;
};

struct sessions {
	/* Held around every database write: an older record must not overtake a newer one. Taken
	 * before `mutex`. */
	pthread_mutex_t write_mutex;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	struct database *database;
	struct sessions_settings settings;
	struct slot *slots; /* LIMIT_SESSION_SLOTS of address space; memory follows use */
	uint8_t (*roots)[KEYS_ROOT_SIZE];
	uint32_t slot_highest; /* the highest ever used */
	struct slot_list queues[QUEUE_COUNT];
	struct slot_list epochs;
	uint32_t unrecorded_head;
	uint32_t *heap; /* slot numbers, places from 1 */
	uint32_t heap_count;
	uint32_t *terminals; /* heads of hash chains */
	uint32_t strays[STRAYS_MAX];
	uint32_t stray_count;
	uint64_t boot_id;          /* 0: no data plane yet */
	uint64_t boot_id_recorded; /* in the database */
	uint64_t serial_last;
	uint64_t jitter_state;
	uint32_t state_counts[SLOT_STATE_COUNT];
	struct sessions_counts counts; /* the counters of it */
};

static inline uint32_t slot_of(uint32_t session_id)
{
	return session_id & (LIMIT_SESSION_SLOTS - 1);
}

static inline uint32_t generation_of(uint32_t session_id)
{
	return session_id >> LIMIT_SESSION_SLOT_BITS;
}

/* All of these with the mutex held. */
void slot_state_set(struct sessions *sessions, uint32_t number, enum slot_state state);
void slot_enqueue(struct sessions *sessions, uint32_t number, enum slot_queue queue);
void slot_dequeue(struct sessions *sessions, uint32_t number);
/* Puts the slot where its times say it belongs in the heap, or takes it out. */
void slot_schedule(struct sessions *sessions, uint32_t number);
void slot_index(struct sessions *sessions, uint32_t number);
/* First slot of a terminal, next one behind `number`; 0: no more. */
uint32_t slot_of_terminal(const struct sessions *sessions, uint64_t terminal_id);
uint32_t slot_of_terminal_next(const struct sessions *sessions, uint32_t number);
/* An epoch is in use since `now_ns`. */
void slot_epoch_begin(struct sessions *sessions, uint32_t number, uint64_t now_ns);
/* The slot with exactly this session, not FREE; 0: none. */
uint32_t slot_find(const struct sessions *sessions, uint32_t session_id);
/* Over: the root is wiped, waiters are told, the slot rests. */
void slot_release(struct sessions *sessions, uint32_t number);
/* Ends it: by the data plane if that may know it, else at once. */
void slot_end(struct sessions *sessions, uint32_t number, enum slot_queue queue);
/* What it was told, or could not be, did not come off. */
void slot_failed(struct sessions *sessions, uint32_t number, uint64_t now_ns);
/* The next slot to give out, taken out of its queue; 0: none. */
uint32_t slot_take(struct sessions *sessions, uint64_t now_ns);

/* Writes `number`'s record (0: none), some ended ones and the boot id, in one transaction. With
 * write_mutex held and mutex not. On failure all stays to be written; only who gives out an id must
 * know. */
int sessions_record(struct sessions *sessions, uint32_t number);
/* Reads the slots and the boot id. */
SLUICE_MUST_USE int sessions_load(struct sessions *sessions);

#endif
