/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Double entry written down a second time, for verify and dump: every account an event changes,
 * from its record, its lines and the rules of lmdb-schema/event.h. Nothing of the ledger is used.
 */
#ifndef SLUICE_TOOLS_POSTINGS_H
#define SLUICE_TOOLS_POSTINGS_H

#include "lmdb-schema/event_sections.h"

enum own_account {
	OWN_FUNDING = 1,
	OWN_CASH = 2, /* part: terminal */
	OWN_STAKES = 3,
	OWN_HOUSE = 4,
	OWN_PARTNER = 5, /* part: partner */
	OWN_PAYABLE = 6,
	OWN_RECEIVABLE = 7,
	OWN_SUSPENSE = 8,
	OWN_TRANSIT = 9, /* part: peer */
	OWN_POTS = 10,
	OWN_ADJUSTMENT = 11,
};
#define OWN_ACCOUNT_MAX OWN_ADJUSTMENT

uint64_t own_account_id(enum own_account kind, uint16_t currency, uint64_t part);
/* 1 for the id of a system account of a known kind; the others split such an id. */
int own_account_is(uint64_t id);
enum own_account own_account_kind(uint64_t id);
uint16_t own_account_currency(uint64_t id);
uint32_t own_account_part(uint64_t id);
/* "CASH"; "customer" for a customer's. */
const char *own_account_name(uint64_t id);

enum posting_source {
	POSTING_RECORD,  /* the record's own amount */
	POSTING_LINE,    /* a line section */
	POSTING_IMPLIED, /* STAKES by a bet's change of state, or the counter account */
};

struct posting {
	uint64_t account_id;
	int64_t amount;
	int64_t balance;   /* customers: as the event says it is afterwards */
	uint64_t prev_lsn; /* customers */
	uint64_t owner;    /* RECEIVABLE: the customer whose debt it is */
	enum posting_source source;
};
#define POSTINGS_MAX (EVENT_LINES_MAX + 3)

/* 1 when the event moves money. */
int postings_moves(const struct event_view *view);
/* What a PLACE_BET stakes. */
int64_t postings_stake(const struct event_view *view);
/*
 * All postings of an event; they come to zero. Their number, 0 when nothing moves; -EBADMSG: the
 * lines leave a rest and the type has no account for it, or a line is of another currency.
 */
SLUICE_MUST_USE int postings_make(
    const struct event_view *view, struct posting postings[POSTINGS_MAX]);

#endif
