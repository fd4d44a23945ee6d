/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the link: shared state, connection, and what one turn of the thread is made of. */
#ifndef SLUICE_CONTROL_LINK_INSIDE_H
#define SLUICE_CONTROL_LINK_INSIDE_H

#include <pthread.h>

#include "control/link/link.h"
#include "lmdb-schema/control_rows.h"
#include "wire/admin/admin_client.h"

#define LINK_QUESTIONS_MAX 64u
/* The data plane hangs up on a line of 64 KiB without an end. */
#define LINK_LINE_SIZE_MAX    65534u
#define LINK_MESSAGE_SIZE     512u
#define LINK_REFUSALS_KEPT    64u
#define LINK_ANSWER_S         10u
#define LINK_COMPARE_WAIT_MS  3000u
#define LINK_STATUS_NS        1000000000ull
#define LINK_HISTOGRAMS_NS    5000000000ull
#define LINK_LIST_NS          5000000000ull
#define LINK_LIST_PAGE_NS     50000000ull /* 256 sessions each: 5,000 sessions/s at most */
#define LINK_COMMAND_PAUSE_NS 1000000000ull

struct question {
	struct question *next;
	json_t *request; /* NULL once taken */
	json_t *answer;
	int result;
	uint8_t done;
	uint8_t abandoned; /* the asker has gone; the link frees it */
	char message[ADMIN_CLIENT_MESSAGE_SIZE];
};

struct refusal {
	uint64_t sequence;
	char message[LINK_MESSAGE_SIZE];
};

/* May control give out numbers? */
enum numbers_state {
	NUMBERS_UNKNOWN, /* not compared with a data plane since the start or an adoption */
	NUMBERS_GOOD,
	NUMBERS_AHEAD, /* a shard had numbers control never gave out; until an adoption */
	NUMBERS_LOST,  /* a shard has no more what it had done; until an adoption or another boot */
};

/* Of each shard's journal, the highest durable LSN control knows of; incarnation 0: of none. */
struct link_seen {
	struct {
		uint64_t incarnation, lsn;
	} shards[LIMIT_SHARDS];
};

/* In table `meta` under "journals"; not replicated. */
struct record_control_seen {
	struct record_header header;
	struct {
		struct le64 incarnation; /* 0: none, lsn is 0 too */
		struct le64 lsn;
	} shards[LIMIT_SHARDS];
};
ASSERT_SIZE(struct record_control_seen, 8 + 16 * LIMIT_SHARDS);

struct link {
	pthread_mutex_t mutex;
	pthread_cond_t changed; /* report, questions, stop */
	pthread_t thread;
	int wake_fd;
	char *root;
	struct link_config config;

	/* Under the mutex. */
	uint8_t stop;
	int fd; /* of the connection, for link_stop to break; -1 none */
	struct link_report report;
	uint64_t status_mono_ns; /* 0: none yet */
	json_t *status, *histograms;
	struct question *questions, **questions_end;
	unsigned question_count;
	struct refusal refusals[LINK_REFUSALS_KEPT];
	unsigned refusal_next;
	uint8_t tried; /* the first attempt to connect is over */
	enum numbers_state numbers;
	unsigned adoptions;
	uint64_t ahead_last; /* control's number when a shard was found ahead */
	uint64_t ahead_max;  /* that shard's, and which it is */
	unsigned ahead_shard;
	uint8_t is_lost;       /* by the first status of this boot */
	uint8_t lost_is_lsn;   /* by its journal's end, not by its commands */
	uint8_t seen_given_up; /* by an adoption: lower LSNs are taken, once */
	unsigned lost_shard;
	uint64_t lost_has, lost_done; /* the command (LSN) it is at, and the one it was at */
	uint64_t refused_above; /* these numbers were given out too late; UINT64_MAX: none were */

	/* The thread's own. */
	struct admin_client admin;
	uint64_t shard_min, shard_max; /* numbers of the last status */
	unsigned shard_highest;        /* the shard that has shard_max */
	uint64_t next_sequence;        /* to be sent next */
	uint64_t unmarked_first;       /* all below are DONE or REFUSED in the database */
	uint64_t over_last;            /* all up to this are over: marked, or to be marked */
	uint64_t command_retry_ns;     /* no command before this; 0: none failed */
	char pause_message[LINK_MESSAGE_SIZE]; /* why commands wait; empty: they do not */
	uint64_t status_due_ns, histograms_due_ns, list_due_ns, list_begun_ns;
	uint32_t list_slot;
	uint8_t list_unsupported;
	struct link_seen seen, seen_kept; /* kept: as it is written down */
	uint64_t seen_due_ns;
};

uint64_t link_mono_ns(void);
int link_stopping(struct link *link);
void link_message_set(struct link *link, const char *message);
void link_state_set(struct link *link, enum link_state state, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- connection.c: 0, or -errno with link->admin.message; then the connection is of no use ----
 */

int link_connect(struct link *link);
void link_disconnect(struct link *link);
/* Sends one line, which is at most LINK_LINE_SIZE_MAX long and without its end. */
int link_send(struct link *link, const char *text, size_t size);
/* Sends and releases. -EMSGSIZE: too long, nothing was sent and the connection is still good. */
int link_send_json(struct link *link, json_t *request);
/* The next answer, also one with "ok":false. */
int link_receive(struct link *link, json_t **answer);
int link_call(struct link *link, json_t *request, json_t **answer);
int link_answer_ok(const json_t *answer);
const char *link_answer_error(const json_t *answer);
/* Sleeps until woken, `until_ns` or something comes over the connection: then -ECONNRESET. */
int link_wait(struct link *link, uint64_t until_ns);

/* ---- turns of the thread: 0 or as above; *busy is set when there was something to do ---- */

int link_sessions_turn(struct link *link, int ends_only, int *busy);
int link_commands_turn(struct link *link, int *busy);
int link_questions_turn(struct link *link, int *busy);
void link_questions_fail(struct link *link);
/* Compares the numbers too: after it, link_numbers_refused says what came of it. */
int link_status_read(struct link *link);
int link_numbers_refused(struct link *link);
int link_histograms_read(struct link *link);
int link_list_read(struct link *link);
/* Finds the first command that is not marked; marks what all shards have. */
void link_commands_find(struct link *link);
void link_commands_resume(struct link *link);

/* ---- seen.c: how far each journal was ---- */

struct record_control_seen record_control_seen_make(const struct link_seen *seen);
/* 0, or -EBADMSG with nothing written, whatever the bytes. */
SLUICE_MUST_USE int record_control_seen_read(struct db_bytes bytes, struct link_seen *seen);
/* Before the thread runs. Without a record nothing is known. */
void link_seen_load(struct link *link);
/* A journal that ends before where it was is lost, as lost_find says it; with the mutex held. */
void link_seen_compare(struct link *link, const json_t *shards);
/* Writes down how far they are, now and then. To be called while nothing is lost. */
void link_seen_keep(struct link *link, const json_t *shards);

void *link_run(void *link);

#endif
