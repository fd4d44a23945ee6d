/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The load generator: greets (HELLO, markets), then keeps N requests in flight (closed loop) or
 * sends at a fixed rate whatever the answers do (open loop). In the open loop a request's latency
 * counts from the time the schedule intended for it, so a stall of switch or generator is charged
 * in full.
 */
#ifndef SLUICE_BENCH_LOAD_H
#define SLUICE_BENCH_LOAD_H

#include <stdatomic.h>
#include <stdint.h>

#include "bench/flood.h"
#include "bench/histogram.h"
#include "bench/interval.h"
#include "bench/io.h"
#include "bench/settle.h"
#include "bench/terminal.h"

#define LOAD_RESEND_NS    200000000ull
#define LOAD_CODES        65536
#define LOAD_CHOICES_MAX  4096
#define LOAD_MESSAGE_SIZE 256

struct load_counts {
	uint64_t offered;     /* requests due in the measured time */
	uint64_t acked;       /* outcomes received in the measured time */
	uint64_t accepted;    /* of these with code OK */
	uint64_t acked_total; /* over the whole run, warm-up and drain included */
	uint64_t asked_total; /* of these, questions that change nothing: not in the log */
	uint64_t lost;        /* sent, never answered until the end of the drain */
	uint64_t unsent;      /* open loop: due, never sent */
	uint64_t duplicated;  /* ids with a second outcome, or answered twice without a resend */
	uint64_t answers_repeated; /* the same outcome again after a resend: normal */
	uint64_t due_total;        /* open loop: requests due over the whole run */
	uint64_t left_in_ring;     /* --shed: due while the switch's receive ring was full */
	uint64_t no_terminal;      /* --shed: due while no terminal had room */
	uint64_t resent, busy, in_progress, resets, bad_answers, failed;
	uint64_t turns, turn_ns_max;
};

struct load {
	struct io *io;
	struct bench_terminal *terminals;
	/* Terminal of a slot of a session id, -1 none. */
	int32_t *terminal_of_slot;
	uint32_t terminal_count;
	uint32_t *ready; /* ring of terminals with room, terminal_count entries */
	uint32_t ready_first, ready_count;
	uint32_t scan_next;
	struct bet_plan plan;
	struct bet_choice choices[LOAD_CHOICES_MAX];
	unsigned messages_per_datagram;
	uint32_t in_flight_max; /* closed loop; 0: open loop */
	uint64_t requests_max;  /* the run ends when so many were sent; 0: by time */
	uint64_t rate;          /* open loop: requests a second */
	/* Open loop as a network does it: what finds the receive ring full is gone, BUSY is not
	 * asked again. */
	int shed;
	int polls;               /* never sleeps: every other thread of its CPU goes first */
	uint64_t switch_time_ns; /* of the last HELLO answer */
	uint32_t in_flight;
	uint64_t scheduled; /* requests sent or due so far */
	uint64_t start_ns, measure_ns, end_ns, drain_ns;
	uint64_t blocked_ns;  /* end of the last block of the loop */
	uint64_t finished_ns; /* when nothing was in flight any more, or the drain ended */
	struct load_counts counts;
	struct histogram latency;
	struct histogram latency_during; /* of those that met the settlement; not in latency */
	struct histogram latency_before; /* of those answered before it; in latency too */
	struct settle settle;
	struct flood flood;
	struct interval interval;
	uint64_t codes[LOAD_CODES]; /* outcomes and failures by code, whole run */
	/* Outcomes by kind of request, and of these with code OK, whole run. */
	uint64_t kinds_acked[REQUEST_KINDS], kinds_accepted[REQUEST_KINDS];
};

uint64_t load_clock_ns(void); /* CLOCK_MONOTONIC */

/* Takes the sessions; entries must outlive the load. 0, -ENOMEM, -EIO, -ENOTSUP, -EEXIST. */
SLUICE_MUST_USE int load_create(
    struct load *load, const struct session_list *sessions, uint64_t boot_id, uint16_t epoch);
void load_free(struct load *load);

/*
 * HELLO for every session, following RESETs to the boot id. 0; -ETIMEDOUT with message after 10 s
 * without progress.
 */
SLUICE_MUST_USE int load_greet(struct load *load, char message[LOAD_MESSAGE_SIZE]);
/* Asks the switch for its open markets. 0, -ETIMEDOUT, -ENOENT with message. */
SLUICE_MUST_USE int load_markets(struct load *load, char message[LOAD_MESSAGE_SIZE]);

/* Runs warm-up, measured time and drain; *stop ends it early. Fills counts, codes and latency. */
void load_run(struct load *load, const atomic_int *stop);

/* Terminal that a datagram of the switch names, or NULL. */
struct bench_terminal *load_terminal(struct load *load, const struct io_packet *packet);

/* Takes one received datagram. For tests; load_run calls it. */
void load_accept(struct load *load, const struct io_packet *packet, uint64_t now_ns);

#endif
