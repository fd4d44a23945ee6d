/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an operator decides about money and partners: adjustments that a second one must approve,
 * partners and their limits. Each change is one transaction of row, command and audit entry.
 *
 *   adjustment   WAITING --another operator--> APPROVED (its command is committed with it)
 *                WAITING --anybody, its proposer too--> REJECTED
 */
#ifndef SLUICE_CONTROL_DESK_H
#define SLUICE_CONTROL_DESK_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "control/audit/audit.h"
#include "control/database/database.h"

/* ---- Adjustments ---- */

struct adjustment {
	uint64_t account_id;
	int64_t amount;
	uint32_t reason;
	uint16_t currency;
	const char *note; /* for people; may be empty */
};

/* The admin socket's command of an adjustment. New reference. */
json_t *adjustment_command(const struct adjustment *adjustment);
/* Notes it for somebody else to approve. 0 with the row; -ENAMETOOLONG, -EILSEQ (the note). */
SLUICE_MUST_USE int adjustments_propose(struct database *database,
    const struct adjustment *adjustment, const struct audit_entry *who,
    struct record_control_adjustment *row);
/* 0 with the row as it is then and the number of its command; -ENOENT; -EALREADY: decided before;
 * -EPERM: who proposed it may not approve it. */
SLUICE_MUST_USE int adjustments_approve(struct database *database, uint64_t number,
    const struct audit_entry *who, uint64_t *sequence, struct record_control_adjustment *row);
/* 0 with the row as it is then; -ENOENT; -EALREADY. */
SLUICE_MUST_USE int adjustments_reject(struct database *database, uint64_t number,
    const struct audit_entry *who, struct record_control_adjustment *row);
SLUICE_MUST_USE int adjustments_get(
    const struct database *database, uint64_t number, struct record_control_adjustment *row);
/* Newest first, at most `count` below `before` (0: the end), of one state (0: any). New reference.
 */
json_t *adjustments_list(const struct database *database, uint64_t before, unsigned count,
    enum control_adjustment_state state);
/* {"adjustment","state","account","amount","currency","reason","note","proposed_by","proposed_ns",
 * "decided_by","decided_ns","command"}. New reference. */
json_t *adjustment_json(const struct record_control_adjustment *row);
/* "waiting" -> CONTROL_ADJUSTMENT_WAITING; 0 for another word. */
enum control_adjustment_state adjustment_state_parse(const char *name);
/* How many of the newest ADJUSTMENTS_LOOK_MAX wait, and since when the oldest of these (0: none).
 * It is asked every second. */
#define ADJUSTMENTS_LOOK_MAX 1000u
SLUICE_MUST_USE int adjustments_waiting(
    const struct database *database, uint64_t *count, uint64_t *oldest_ns);

/* ---- Partners ---- */

/* What is to change; NULL and -1: as it is (a new partner: 1,000,000 keys, no limit, KRW). */
struct partner_settings {
	const char *name;
	int64_t exposure_max, keys_max, currency;
	int blocked; /* 1, 0, -1 */
};

/* Sets a partner, known or new. 0 with the row as it is then and the command's number (0: it was so
 * already); -ENAMETOOLONG, -EILSEQ (the name); -EINVAL; -EPERM: another currency than before;
 * -EDOM: a limit is asked for, and the partner's currency is not the rules', the only one limits
 * hold for. */
SLUICE_MUST_USE int partners_set(struct database *database, uint64_t partner_id,
    const struct partner_settings *settings, uint16_t rules_currency, const struct audit_entry *who,
    uint64_t *sequence, struct record_control_partner *row);
SLUICE_MUST_USE int partners_get(
    const struct database *database, uint64_t partner_id, struct record_control_partner *row);
/* From `first_id` on, at most `count`. New reference. */
json_t *partners_list(const struct database *database, uint64_t first_id, unsigned count);
/* {"partner","name","exposure_max","keys_max","currency","blocked","version","created_ns",
 * "changed_ns"}. New reference. */
json_t *partner_json(const struct record_control_partner *row);

#endif
