/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Token buckets by source address, in a table of fixed size: a flood from many addresses costs no
 * memory, at worst the oldest buckets are forgotten. One thread.
 */
#ifndef SLUICE_CONTROL_KEYS_LIMITER_H
#define SLUICE_CONTROL_KEYS_LIMITER_H

#include <stdint.h>
#include <sys/socket.h>

#include "wire/assert.h"

#define LIMITER_SLOTS 4096u

struct limiter {
	uint64_t secret; /* so that nobody can choose addresses that share a place */
	struct limiter_slot {
		uint64_t address; /* 0: empty */
		uint64_t time_ns;
		uint64_t tokens_micro;
	} slots[LIMITER_SLOTS];
};

/* The part of an address that is limited: IPv4 whole, IPv6 its /64. Never 0. */
uint64_t limiter_address(const struct sockaddr_storage *address);
/* 1: allowed and charged; 0: over the rate. `now_ns` monotonic. */
int limiter_take(struct limiter *limiter, uint64_t address, uint64_t now_ns, uint32_t rate_per_s,
    uint32_t burst);

#endif
