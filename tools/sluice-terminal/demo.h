/* SPDX-License-Identifier: Apache-2.0 */
/* State of a demo run, shared by demo.c (the run) and demo_report.c (what it writes). */
#ifndef SLUICE_TERMINAL_DEMO_H
#define SLUICE_TERMINAL_DEMO_H

#include <stdio.h>

#include "tools/sluice-terminal/book.h"
#include "tools/sluice-terminal/terminal.h"

#define DEMO_CODES_MAX 96

/* A request under way: what the outcome is booked against. The cookie is its index. */
struct demo_pending {
	uint64_t account_id;
	int64_t amount;
	uint16_t template_id;
	uint8_t used;
};

struct demo_count {
	uint16_t code;
	uint64_t count;
};

/* Outcomes of one template by code. */
struct demo_outcomes {
	struct demo_count counts[DEMO_CODES_MAX];
	unsigned used;
	uint64_t accepted, answered;
};

struct demo {
	struct connection *connection;
	const struct options *options;
	struct demo_pending pending[CLIENT_REQUESTS_MAX];
	unsigned under_way;
	struct demo_outcomes bets, deposits;
	uint64_t bets_sent, deposits_sent, accumulators_sent;
	int64_t deposit_sum, stake_sum; /* accepted ones */
	uint64_t unknown, expired_unsent, replayed;
	uint32_t *latency_us; /* of answered bets, first send to answer */
	size_t latency_count, latency_room;
	uint64_t random;
	uint64_t started_ns, bets_started_ns, ended_ns;
	uint64_t markets_asked_ns;
	uint8_t markets_pending, markets_more, memory_out;
	uint16_t markets_code;
	FILE *ack_log;
	struct book *book;
};

void demo_outcome_count(struct demo_outcomes *outcomes, uint16_t code);
/* One line per outcome of a mutating request; flushed, so that it survives a kill of the terminal.
 */
void demo_ack_write(
    struct demo *demo, const struct demo_pending *pending, const struct wire_reply *reply);
/* Writes the summary to standard output and --json-out. EXIT_DONE or EXIT_UNREACHABLE. */
int demo_report(struct demo *demo);

#endif
