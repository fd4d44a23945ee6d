/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the members of one line. The first error sticks, later reads give 0; it names the field
 * and what was expected. Private to dataplane/admin.
 */
#ifndef SLUICE_ADMIN_FIELDS_H
#define SLUICE_ADMIN_FIELDS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

struct ledger_command;

struct admin_fields {
	json_t *object;
	json_t *error;
	const char *kind; /* of the error; NULL: malformed */
};

uint64_t admin_field_number(
    struct admin_fields *fields, const char *name, uint64_t lowest, uint64_t highest);
/* `otherwise` when it is not there. */
uint64_t admin_field_optional(
    struct admin_fields *fields, const char *name, uint64_t highest, uint64_t otherwise);
int64_t admin_field_signed(
    struct admin_fields *fields, const char *name, int64_t lowest, int64_t highest);
int admin_field_bool(struct admin_fields *fields, const char *name);
void admin_field_hex(struct admin_fields *fields, const char *name, uint8_t *out, size_t size);
/* Any 64 bits but 0: a number, or its digits in a string. */
uint64_t admin_field_id(struct admin_fields *fields, const char *name);
/* Unix ns in the same forms; 0 when it is not there. All ones: for ever. */
uint64_t admin_field_time(struct admin_fields *fields, const char *name);

/* admin_risk.c: what the rules have beyond struct risk_rules; flags of lists; judged cases. */
struct risk_rules_extra;
void admin_rules_extra_parse(struct admin_fields *rules, struct risk_rules_extra *extra);
void admin_account_flags_parse(struct admin_fields *fields, struct ledger_command *command);
void admin_feedback_parse(struct admin_fields *fields, struct ledger_command *command);

/* admin_ledger.c: the command of one type; command->control_sequence is set. */
void admin_ledger_parse(
    struct admin_fields *fields, const char *type, struct ledger_command *command);

#endif
