/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Terminals: who is enrolled, with which rights, limits and certificates, and what is seen of them.
 * Every change is one transaction: row, certificate, command for the shards (terminal_set), audit.
 * The caller wakes the link and ends sessions afterwards.
 */
#ifndef SLUICE_CONTROL_TERMINALS_H
#define SLUICE_CONTROL_TERMINALS_H

#include <jansson.h>
#include <stdint.h>

#include "control/audit/audit.h"
#include "control/database/database.h"

struct terminal_settings {
	const char *name, *location;    /* NULL: keep, "" for a new one */
	int64_t daily_max;              /* -1: keep */
	int64_t rights;                 /* -1: keep; a new one gets RIGHT_ALL */
	int64_t rate_per_s, rate_burst; /* -1: keep */
};

/* The certificate of an enrolment or renewal. */
struct terminal_certificate {
	uint8_t sha256[32];
	uint8_t serial[20];
	uint64_t not_before_s, not_after_s;
};

struct terminal_change {
	struct record_control_terminal row; /* as it is now */
	uint64_t sequence;                  /* of its command, 0: none was needed */
};

/* `who`: uid, user, action and outcome of the audit entry; object, before and after are filled in
 * here. All: 0; -ENOENT unknown terminal; -EINVAL; -errno. */
SLUICE_MUST_USE int terminals_enroll(struct database *database, uint64_t terminal_id,
    const struct terminal_settings *settings, const struct terminal_certificate *certificate,
    const struct audit_entry *who, struct terminal_change *change);
/* `presented`: SHA-256 of the certificate that asks. -EPERM: since it was admitted, the terminal
 * was blocked or revoked, or the certificate revoked (enrolled again); nothing was changed. */
SLUICE_MUST_USE int terminals_renew(struct database *database, uint64_t terminal_id,
    const uint8_t presented[32], const struct terminal_certificate *certificate,
    const struct audit_entry *who);
SLUICE_MUST_USE int terminals_set(struct database *database, uint64_t terminal_id,
    const struct terminal_settings *settings, const struct audit_entry *who,
    struct terminal_change *change);
/* Blocked, unblocked, revoked (all its certificates with it). */
SLUICE_MUST_USE int terminals_state_set(struct database *database, uint64_t terminal_id,
    enum control_terminal_state state, const struct audit_entry *who,
    struct terminal_change *change);

/*
 * May this certificate make a session? 0 with the row; else a keying_refusal number. The first use
 * of a renewed certificate ends its predecessor.
 */
int terminals_admit(struct database *database, uint64_t terminal_id,
    const uint8_t certificate_sha256[32], struct record_control_terminal *row);
SLUICE_MUST_USE int terminals_get(
    const struct database *database, uint64_t terminal_id, struct record_control_terminal *row);
/*
 * Terminals, active or blocked, that hold a certificate issued in or before second `since_s` which
 * could still be used: VALID or REPLACED and not expired. 0 with their number and the last of them
 * as an example (0: none); -errno: then nobody knows.
 */
SLUICE_MUST_USE int terminals_behind_count(
    const struct database *database, uint64_t since_s, unsigned *count, uint64_t *example);
/* Number of terminals in each state. */
SLUICE_MUST_USE int terminals_count(const struct database *database, uint64_t counts[4]);
/* {"terminal","state","name","location","rights":[words],"daily_max","rate_per_s","rate_burst",
 * "version","created_ns","changed_ns","sha256": of its newest certificate}. New reference. */
json_t *terminals_json(const struct record_control_terminal *row);
/* Right bits as a list of words. New reference. */
json_t *terminals_rights_json(uint32_t rights);
/* Rows from `first_id` on, at most `count`. New reference. */
json_t *terminals_list(const struct database *database, uint64_t first_id, unsigned count);
json_t *terminals_certificates(const struct database *database, uint64_t terminal_id);

/* ---- Private to control/terminals ---- */

/* The second half of terminals_admit, with its result: judges anew, then ends what the certificate
 * replaced, unless it was itself replaced or revoked since it was read. */
int terminals_first_use(struct database *database, uint64_t terminal_id,
    const uint8_t certificate_sha256[32], struct record_control_terminal *row);

/* The certificates of one terminal. */

/* 0 with *row; -ENOENT: no (more) of this terminal; -errno. */
SLUICE_MUST_USE int terminals_certificates_first(
    struct db_cursor *cursor, uint64_t terminal_id, struct record_control_certificate *row);
SLUICE_MUST_USE int terminals_certificates_next(
    struct db_cursor *cursor, uint64_t terminal_id, struct record_control_certificate *row);

#endif
