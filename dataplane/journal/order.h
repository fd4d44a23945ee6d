/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of batches: closed -> submitted -> complete (in any order) -> durable (in LSN order).
 * Tickets count from 0. Pure bookkeeping, so that every order of completions can be tested.
 *
 * A failed write stops the line: nothing at or behind it is ever reported durable.
 */
#ifndef SLUICE_JOURNAL_ORDER_H
#define SLUICE_JOURNAL_ORDER_H

#include <stdint.h>
#include <stdlib.h>

#include "wire/assert.h"

enum journal_order_state {
	JOURNAL_ORDER_FREE = 0,
	JOURNAL_ORDER_CLOSED,
	JOURNAL_ORDER_SUBMITTED,
	JOURNAL_ORDER_COMPLETE,
	JOURNAL_ORDER_FAILED,
};

struct journal_order {
	uint64_t durable; /* tickets below are durable */
	uint64_t submit;  /* the next to be submitted */
	uint64_t tail;    /* the next to be given out */
	uint32_t writing; /* submitted and not complete */
	uint32_t mask;
	uint8_t *state;
};

/* `count`: a power of two, the most batches between closed and durable. 0 or -1 (no memory). */
static inline int journal_order_init(struct journal_order *order, uint32_t count)
{
	SLUICE_REQUIRE(count != 0 && (count & (count - 1)) == 0);
	*order = (struct journal_order){ .mask = count - 1, .state = calloc(count, 1) };
	return order->state == NULL ? -1 : 0;
}

static inline uint64_t journal_order_close(struct journal_order *order)
{
	SLUICE_REQUIRE(order->tail - order->durable <= order->mask);
	order->state[order->tail & order->mask] = JOURNAL_ORDER_CLOSED;
	return order->tail++;
}

/* 1 and the ticket to submit now, or 0: none closed, or `depth` already being written. */
static inline int journal_order_submit(
    struct journal_order *order, unsigned depth, uint64_t *ticket)
{
	if (order->submit == order->tail || order->writing >= depth)
		return 0;
	order->state[order->submit & order->mask] = JOURNAL_ORDER_SUBMITTED;
	order->writing++;
	*ticket = order->submit++;
	return 1;
}

static inline void journal_order_complete(struct journal_order *order, uint64_t ticket, int ok)
{
	SLUICE_REQUIRE(ticket >= order->durable && ticket < order->submit);
	SLUICE_REQUIRE(order->state[ticket & order->mask] == JOURNAL_ORDER_SUBMITTED);
	order->state[ticket & order->mask] = ok ? JOURNAL_ORDER_COMPLETE : JOURNAL_ORDER_FAILED;
	order->writing--;
}

/* 1 and the ticket that became durable now, or 0. Each ticket once, in order. */
static inline int journal_order_durable(struct journal_order *order, uint64_t *ticket)
{
	if (order->durable == order->submit ||
	    order->state[order->durable & order->mask] != JOURNAL_ORDER_COMPLETE)
		return 0;
	order->state[order->durable & order->mask] = JOURNAL_ORDER_FREE;
	*ticket = order->durable++;
	return 1;
}

/* Closed and not complete: the figure group commit goes by. */
static inline uint32_t journal_order_in_flight(const struct journal_order *order)
{
	return (uint32_t)(order->tail - order->submit) + order->writing;
}

#endif
