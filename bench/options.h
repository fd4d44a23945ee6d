/* SPDX-License-Identifier: Apache-2.0 */
/* Command line of sluice-bench. */
#ifndef SLUICE_BENCH_OPTIONS_H
#define SLUICE_BENCH_OPTIONS_H

#include <stdint.h>

#include "bench/io.h"
#include "bench/load.h"

struct bench_options {
	struct io_config io;
	const char *sessions, *admin, *disk;
	const char *markets; /* "ID:SELECTION:ODDS,..."; NULL: asked over the wire */
	uint64_t account_first;
	uint32_t account_count;
	uint32_t in_flight; /* 0: open loop at `rate` */
	uint64_t rate;
	uint64_t requests;      /* the run ends when so many were sent; 0: by time */
	uint64_t settle_market; /* settled in the middle of the run; 0: none */
	uint32_t settle_selections;
	uint64_t seed;
	uint32_t seconds, warmup_s, drain_s;
	uint32_t stake_min, stake_max;
	unsigned messages_per_datagram;
	uint16_t currency;
	uint16_t deposit_permille;
	uint16_t hot_permille;
	uint8_t workload; /* enum workload */
	double zipf;      /* exponent; 0: all accounts alike */
	uint32_t hold;
	int shed;
	int poll;
	enum flood_kind flood;
	uint64_t flood_rate;
	const char *intervals; /* file for a JSON line every interval_s; NULL: none */
	uint32_t interval_s;
	int json;
};

enum options_result {
	OPTIONS_RUN = 0,
	OPTIONS_DONE = 1,  /* help or version was printed */
	OPTIONS_USAGE = 2, /* the reason was printed */
};

enum options_result options_parse(struct bench_options *options, int argc, char **argv);

/* "ID:SELECTION:ODDS,..." (odds in 1/1000) to choices. Their count, or -EINVAL. */
SLUICE_MUST_USE int options_markets(const char *text, struct bet_choice *choices, unsigned max);
/* "A.B.C.D:PORT" to host order. 0 or -EINVAL. */
SLUICE_MUST_USE int options_address(const char *text, uint32_t *ipv4, uint16_t *port);

#endif
