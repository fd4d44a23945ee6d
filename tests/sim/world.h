/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run of the simulator: a switch of production code (world_process.c) on a simulated machine
 * (sim.h), terminals (terminal*.c) that reach it over a simulated network (network.c), control that
 * commands it (control*.c), and an oracle that remembers what anybody was told and holds it against
 * the logs (oracle*.c). world.c decides by the seed whose turn it is. README.md has the fault model
 * and the names of the invariants.
 */
#ifndef SLUICE_TESTS_SIM_WORLD_H
#define SLUICE_TESTS_SIM_WORLD_H

#include "dataplane/switch.h"
#include "tests/sim/sim.h"
#include "tests/sim/trace.h"
#include "tools/sluice-db/derive.h"

#define SECOND_NS        1000000000ull
#define MILLISECOND_NS   1000000ull
#define WORLD_SHARDS_MAX 4
#define WORLD_TERMINALS  6
#define WORLD_ACCOUNTS   40 /* ids 1 .. 40 */
#define WORLD_MARKETS    24 /* ids 1 .. 24 */
#define WORLD_SELECTIONS 3
#define WORLD_PARTNERS   3
#define WORLD_KEPT       64 /* ids of a kind that are remembered */
#define WORLD_FLIGHT_MAX 32 /* requests of a terminal not answered yet */
#define CURRENCY_MAIN    410
#define CURRENCY_OTHER   840
#define NO_DEADLINE      UINT64_MAX
#define WORLD_MODEL      7 /* version of the only learned model */
#define SELECTION_MAX    60000
#define MARKET_MAX       100000
#define PARTNER_MAX      150000
#define WORLD_TRACE_TAIL 200

/* ---- What a seed chooses ---- */

struct world_plan {
	uint32_t shards, operations;
	uint32_t crashes;         /* power cuts and kills on the way */
	uint32_t edges;           /* kills while a journal goes over into its next segment */
	uint32_t loss, duplicate; /* of datagrams, in a million */
	uint64_t delay_ns;        /* most datagrams take up to this long */
	uint32_t delay_long;      /* in a million: up to 2 s */
	uint32_t again;           /* in a million: an answered request is sent again */
	uint32_t stalls;          /* in a million, each store turn: it stands still for a while */
	uint32_t leaps;           /* in a million, each step: time goes on by seconds or hours */
	uint32_t commands;        /* in a million, each step of control: another command */
	uint32_t store_failures;  /* in a million, each store turn: its next commit fails */
	uint8_t limits_fixed;     /* no rollbacks, no lowered limits: exposure is checked too */
	uint8_t damage;           /* a journal is damaged now and then while the switch is down */
	uint8_t marked;           /* shards.made is there, and tells of starts */
	uint8_t archive;          /* full segments are archived, and not used again before */
	uint32_t checkpoint_ms;
	uint32_t depth;                /* journal writes in flight */
	uint32_t log_rotate, log_keep; /* in 4 KiB; keep 0: no log is put away */
	struct sim_disk_faults disk;
};

/* ---- Terminals ---- */

/* What an answer says for good. */
struct answer {
	uint64_t lsn, object_id;
	int64_t balance, payout;
	uint16_t code, template_id;
	uint8_t shard, score;
	uint8_t ticket[TICKET_SIZE];
};

enum op_state {
	OP_FREE,    /* the id was never used */
	OP_ASKED,   /* waits for its answer */
	OP_DONE,    /* has it */
	OP_DROPPED, /* refused as malformed or not allowed: nobody waits for it any more */
};

/* One request of a terminal, by its id. */
struct op {
	struct wire_request request;
	uint64_t due_ns, asked_ns; /* sent again then; first sent */
	uint8_t state;             /* op_state */
	uint8_t mutates;
	uint8_t group;      /* members of its linked group from here on, 0 none; only the first */
	uint8_t group_back; /* distance to the first member */
	uint8_t never;      /* somebody was told that it never was and never will be carried out */
	uint8_t checked;    /* the answer was found in the log */
	uint8_t late;       /* the id was passed over at first */
	uint16_t sent;
	struct answer answer;
	/* From the logs (oracle.c): the event of its outcome, and the one that opened it. */
	uint64_t event_lsn, open_lsn, event_object;
	int64_t event_balance, event_payout;
	uint16_t event_code, event_type;
	uint8_t event_shard, events;
};

struct terminal {
	uint64_t id;
	uint32_t home;
	uint32_t session_id, generation;
	uint16_t epoch;
	uint8_t installed; /* the session of this life of the switch is known */
	uint8_t installing;
	uint64_t packet_number;
	uint64_t opened_number; /* highest of the switch's packets, for nothing but the trace */
	struct session_install install;
	struct aead_key to_switch, to_terminal;
	int keyed;
	struct op *ops; /* by request id */
	uint32_t ops_room, next_id;
	uint32_t flight[WORLD_FLIGHT_MAX]; /* ids that wait */
	uint32_t flight_count;
	uint64_t again_ns; /* not before: an answered request again */
};

struct kept_ids {
	uint64_t ids[WORLD_KEPT];
	uint32_t count;
};

/* A bet with its ticket code, as a terminal printed it. */
struct kept_ticket {
	uint64_t bet_id;
	uint8_t ticket[TICKET_SIZE];
};

/* ---- Control ---- */

#define CONTROL_COMMANDS_MAX 4096

enum control_stage {
	CONTROL_IDLE,
	CONTROL_CHECKING,
	CONTROL_DOING,
};

struct control {
	struct shard_command *commands; /* by number - 1 */
	uint32_t count;
	uint32_t next; /* number being worked on, 1.. */
	uint32_t done; /* every number up to here was reported done */
	uint32_t shards_left;
	int32_t error, refused;
	uint8_t stage;
	uint64_t ticket, wait_until_ns;
	uint64_t version, terminal_version, partner_version;
	uint32_t rules_version;
	uint64_t market_first, market_last;
	uint64_t acknowledged[WORLD_SHARDS_MAX]; /* a shard said "done" to this number */
	struct {
		uint64_t ticket;
		uint32_t terminal;
	} installs[64];
};

/* ---- Oracle ---- */

struct oracle_account {
	uint64_t id;
	uint32_t first, last; /* in history; 0 none */
};

struct oracle_point {
	uint64_t lsn;
	int64_t balance;
	uint32_t next;
};

enum read_kind {
	READ_BALANCE,
	READ_BET,
	READ_ROW, /* of a statement */
	READ_STATUS,
	READ_OBJECT,
};

/* What a question was answered. */
struct oracle_read {
	uint64_t lsn, id; /* account, bet or object */
	int64_t balance;
	uint64_t terminal_id, request_id;
	uint16_t code;
	uint8_t shard, kind, state;
};

struct oracle_shard {
	struct derive derive;
	struct damage damage;
	struct ledger *shadow; /* the same log applied from nothing */
	uint64_t audited;      /* LSN: durable, never to change */
	uint64_t first_lsn;    /* of the oldest log that is kept */
	uint8_t (*hashes)[8];  /* of each event */
	uint8_t *types;        /* of each event; and of the bet it changed, its state after it */
	uint8_t *states;
	uint64_t *objects;
	uint64_t room;
	struct table accounts; /* oracle_account */
	struct oracle_point *points;
	uint32_t point_count, point_room;
	uint64_t market_seen[WORLD_MARKETS + 1]; /* highest version shown */
};

struct oracle {
	struct oracle_shard shards[WORLD_SHARDS_MAX];
	struct oracle_read *reads;
	uint32_t read_count, read_room;
};

/* ---- All of it ---- */

struct world_counts {
	uint64_t seeds, operations, steps, crashes, kills, restarts, clean_stops, answers, resends,
	    events;
	uint64_t commands, leases, detected, harmless, reads, write_errors, store_failures,
	    refused_starts, logs_retired, outcomes_unknown;
};

struct world {
	uint64_t seed;
	struct world_plan plan;
	struct switch_process process;
	struct dataplane_config config;
	uint8_t running;    /* the process is up */
	uint8_t ending;     /* faults are off */
	uint8_t recovering; /* the switch is being started */
	uint8_t damaged;    /* something on the disk is, and no start has said anything to it yet */
	uint8_t stop_wanted; /* why it must be started again: 1 journal, 2 store */
	/* Of each shard, when it was up last: highest LSN anybody can have heard of, and of the
	 * store's last commit. */
	uint64_t durable_lsn[WORLD_SHARDS_MAX], committed_lsn[WORLD_SHARDS_MAX];
	uint64_t started_ns;
	uint64_t stall_ns[WORLD_SHARDS_MAX], reader_stall_ns, worker_stall_ns[WORLD_SHARDS_MAX];
	uint32_t operations; /* begun */
	uint32_t crashes_left, edges_left;
	uint64_t unnamed;  /* of sim_disk_counts(), as far as crash_at_edge has seen it */
	uint64_t crash_at; /* operation */
	uint32_t idle;     /* steps that moved nothing */
	uint64_t step;
	struct terminal terminals[WORLD_TERMINALS];
	struct kept_ids bets, tokens, withdrawals;
	struct kept_ticket tickets[WORLD_KEPT];
	uint32_t ticket_count;
	uint64_t transactions;
	struct control control;
	struct oracle oracle;
	struct world_counts counts;
	char message[1024]; /* why the last start was refused */
};

/* world.c: runs one seed. 0; does not return after a violation. */
void world_run(struct world *world, uint64_t seed, uint32_t operations, uint32_t shards);
/* Something must hold and does not: says so, with the end of the trace, and ends the program. */
__attribute__((format(printf, 3, 4), noreturn)) void world_violation(
    const struct world *world, const char *name, const char *format, ...);
uint64_t world_now(void); /* switch time: CLOCK_REALTIME */
uint32_t world_shard_of(const struct world *world, uint64_t key);
static inline uint16_t world_currency(uint64_t account_id)
{
	return account_id % 5 == 0 ? CURRENCY_OTHER : CURRENCY_MAIN;
}
static inline uint16_t world_partner(uint64_t account_id)
{
	return (uint16_t)(account_id % (WORLD_PARTNERS + 1));
}

/* world_process.c */
struct rte_mempool;
void process_prepare(struct rte_mempool *pool);
/* Starts by the production path. 0 running; 1 refused (world->message); 2 the power went. */
int process_start(struct world *world);
/* It dies: `kill_only` or with the machine. */
void process_crash(struct world *world, int kill_only);
/* An orderly stop: 0, or 2 the power went. */
int process_stop(struct world *world);
/* One turn each; 1 when something moved. */
int process_worker(struct world *world, uint32_t shard);
int process_store(struct world *world, uint32_t shard);
int process_reader(struct world *world);
int process_sealer(struct world *world, uint32_t shard);
/* 1: nothing is left to do or to write. */
int process_quiet(const struct world *world);

/* damage.c */
void damage_reset(void);
/* The switch is down: something may happen to one of its journals (world->damaged). */
void damage_make(struct world *world);
/* It has started, and all that was told is there; it was refused: this names the damage, and what
 * was there before is put back. */
void damage_accepted(struct world *world);
void damage_refused(struct world *world);
/* Every successful start, before its first turn. */
void damage_started(struct world *world);

/* network.c */
void network_reset(struct world *world);
void network_to_switch(struct world *world, uint32_t terminal, const uint8_t *bytes, size_t size);
/* Delivers what is due; 1 when something was. */
int network_step(struct world *world);
uint64_t network_next_ns(void);
/* What lies in the switch's buffers is gone with it. */
void network_crash(void);

/* terminal.c, terminal_requests.c, terminal_reply.c */
void terminals_make(struct world *world);
void terminals_free(struct world *world);
/* 1 when something was sent. */
int terminal_step(struct world *world, uint32_t number);
uint64_t terminal_next_ns(const struct terminal *terminal);
/* The moment a datagram leaves the switch: opened, and the oracle holds it to what it says, whether
 * it arrives or not. Its plaintext; 0: nothing in it. */
size_t terminal_told(
    struct world *world, uint32_t number, uint8_t *datagram, size_t size, uint8_t **text);
/* The plaintext of a datagram has arrived. */
void terminal_receive(struct world *world, uint32_t number, const uint8_t *text, size_t size);
void terminal_switch_gone(struct terminal *terminal);
/* Keys of a session that control has installed. */
void terminal_keys(struct terminal *terminal);
struct op *terminal_op(struct terminal *terminal, uint64_t request_id);
void terminal_answered(struct terminal *terminal, uint64_t request_id);
/* An id that has its answer is asked again, until it is answered again. */
void terminal_wait_again(struct terminal *terminal, uint32_t id);
void request_make(struct world *world, struct terminal *terminal, struct wire_request *request);
uint64_t kept_pick(const struct kept_ids *ids);
void kept_add(struct kept_ids *ids, uint64_t id);

/* control.c, control_commands.c */
void control_make(struct world *world);
void control_free(struct world *world);
int control_step(struct world *world);
void control_switch_up(struct world *world);
/* 1: every command is done on all shards, every session installed. */
int control_quiet(const struct world *world);
void control_world_make(struct world *world);
void control_command_make(struct world *world);
struct shard_command *control_add(struct world *world);

/* oracle.c: what was said. oracle_log.c: what the logs hold. oracle_state.c: rows and limits. */
void oracle_make(struct world *world);
void oracle_free(struct world *world);
void oracle_answer(
    struct world *world, struct terminal *terminal, struct op *op, const struct wire_reply *reply);
void oracle_read_answer(
    struct world *world, struct terminal *terminal, struct op *op, const struct wire_reply *reply);
/* Reads on in all logs, up to what the stores have committed; `whole` also again, here and there,
 * what was read before. After a start
 * (`recovered`) everything anybody was told must be there. */
void oracle_audit(struct world *world, int recovered, int whole);
/* Reads what a store has committed, before logs of it may be put away. */
void oracle_follow(struct world *world, uint32_t shard);
/* OUTCOME_UNKNOWN was said: only of what lies in no log any more. */
void oracle_unknown(
    struct world *world, struct terminal *terminal, struct op *op, const struct wire_reply *reply);
/* Right after a start: ledgers are what the logs make. */
void oracle_check_start(struct world *world);
/* Nothing is on its way: workers, followers and logs agree, transit pairs too. */
void oracle_check_quiet(struct world *world);
void oracle_check_limits(struct world *world);
void oracle_check_sums(struct world *world);
int64_t oracle_balance(
    const struct oracle_shard *shard, uint64_t account_id, uint64_t lsn, int *found);

#endif
