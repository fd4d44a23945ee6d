/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process: what main.c starts and stops, in this order.
 *
 *   configuration, directories, instance lock -> EAL -> per shard: store, journal recovery, ledger
 *   copies -> windows from history -> ports -> worker lcores, store threads, reader -> admin socket
 */
#ifndef SLUICE_DATAPLANE_SWITCH_H
#define SLUICE_DATAPLANE_SWITCH_H

#include <pthread.h>

#include "dataplane/admin/admin.h"
#include "dataplane/admin/admin_model.h"
#include "dataplane/config.h"
#include "dataplane/disk.h"
#include "dataplane/reader/reader.h"
#include "dataplane/shard/worker.h"
#include "dataplane/store/store.h"

/* Exit statuses of every program of the project. */
enum {
	EXIT_DONE = 0,
	EXIT_REFUSED = 1,
	EXIT_USAGE = 2,
	EXIT_UNREACHABLE = 3,
};

/* One shard's parts outside its worker. */
struct shard_parts {
	struct switch_process *process;
	uint32_t shard;
	char directory[4200], journal_directory[4300];
	struct journal_config journal_config;
	struct journal_report journal_report;
	struct store_config store_config;
	struct ledger *ledger; /* the worker's, until the worker has it */
	struct journal_feed *feed;
	struct journal_keeper *keeper;
	struct journal_reader *journal_reader;
	pthread_t thread;
	int thread_started;
	struct journal_archive_config archive;
	struct disk_limits disk;
	uint64_t disk_looked_ns;   /* store thread */
	uint64_t walking_since_ns; /* store thread: give_way_judge */
	/* Main only: what has been logged of the background work. */
	int64_t keeper_error_said;
	uint64_t store_errors_said, store_waiting_said, disk_said, seals_damaged_said;
	uint64_t seal_errors_said, archive_error_said;
};

struct switch_process {
	struct dataplane_config *config;
	char root[4096];
	int lock_fd;
	struct switch_shared shared;
	struct shard_parts shards[LIMIT_SHARDS];
	struct worker *workers[LIMIT_SHARDS];
	struct store *stores[LIMIT_SHARDS];
	struct log_history *histories[LIMIT_SHARDS];
	struct reader *reader;
	struct log_past *past; /* of a re-sharded switch; the reader's while it runs */
	pthread_t reader_thread;
	int reader_started;
	struct shard_background background[LIMIT_SHARDS];
	pthread_t seal_thread;
	int seal_started;
	/* Main stores release when workers have ended; store threads load acquire (P1). */
	_Atomic uint32_t workers_ended;
	struct admin *admin;
	uint64_t recovered_ns, started_ns; /* started: CLOCK_MONOTONIC */
	int journal_interrupt_cpu;
	int accept_clock;   /* a clock behind the last event is not refused */
	char message[1024]; /* what failed, and the remedy */
};

/* Each returns 0 or an exit status, with process->message set. */
SLUICE_MUST_USE int switch_directories(struct switch_process *process);
/* Reads the key of the ticket codes, or makes it at the first start; beside data only if `anew`. */
SLUICE_MUST_USE int switch_ticket_key(struct switch_process *process, int anew);
SLUICE_MUST_USE int switch_eal(struct switch_process *process, const char *program);
/* Refuses a shard's directory that is missing or empty beside others that hold events, or beside
 * the mark that shards were made. */
SLUICE_MUST_USE int switch_shards_present(struct switch_process *process);
/* Sets that mark, when all shards are there and durable and none has taken anything yet. */
SLUICE_MUST_USE int switch_shards_made(struct switch_process *process);
SLUICE_MUST_USE int switch_recover(struct switch_process *process);
/* memory.populate: 0 if there is memory for all rows of all tables of all shards, in both copies;
 * else EXIT_UNREACHABLE with the message. Without it: 0. (tables.c) */
SLUICE_MUST_USE int switch_tables_fit(struct switch_process *process);
SLUICE_MUST_USE int switch_ports(struct switch_process *process);
SLUICE_MUST_USE int switch_threads(struct switch_process *process);
/* Names the archive of a shard, and makes its directory; none configured: no name. */
SLUICE_MUST_USE int switch_archive_configure(struct switch_process *process, uint32_t shard);
/* The sealer of a shard, behind its keeper. */
SLUICE_MUST_USE int switch_seal_create(struct switch_process *process, uint32_t shard);
SLUICE_MUST_USE int switch_seal_start(struct switch_process *process);
/* Ends the thread and frees all sealers; keepers are still there. */
void switch_seal_stop(struct switch_process *process);
/* Store thread: looks at the shard's disk now and then. */
void switch_disk_look(struct shard_parts *parts, uint64_t now_ns);
/* Main: says what failed beside the workers, once for each new value. */
void switch_background_health(struct switch_process *process);
SLUICE_MUST_USE int switch_make_directory(struct switch_process *process, const char *path);
/* What a turn came to: as store_work and journal_keeper_work say it. */
struct switch_store_turn {
	int work, keeper;
};
/* One turn of a shard's store thread. */
struct switch_store_turn switch_store_turn(struct shard_parts *parts, uint64_t now_ns);
/* Closes all of a shard that was opened; its worker and threads have ended. */
void switch_shard_free(struct switch_process *process, uint32_t shard);
/* Stops workers, lets the stores catch up and checkpoint, closes everything. 0 or an exit status.
 */
int switch_stop(struct switch_process *process);

#endif
