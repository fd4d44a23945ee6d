/* SPDX-License-Identifier: Apache-2.0 */
/* Rules by the names of their fields: what operators may set, and files of it. */
#ifndef SLUICE_CONTROL_RULE_FIELDS_H
#define SLUICE_CONTROL_RULE_FIELDS_H

#include <stddef.h>
#include <stdint.h>

#include "dataplane/risk/risk.h"
#include "wire/assert.h"

struct rule_field {
	const char *name, *unit, *help;
	size_t offset, size;
};
extern const struct rule_field rule_fields[];
extern const size_t rule_fields_count;
int64_t rule_field_get(const struct risk_rules *rules, const struct rule_field *field);
/* 0 or -ERANGE when the field is too narrow. */
SLUICE_MUST_USE int rule_field_set(
    struct risk_rules *rules, const struct rule_field *field, int64_t value);
/* By the first `length` characters of a name; NULL. */
const struct rule_field *rule_field_find(const char *name, size_t length);
/* What the checks take for a field beside the others of `rules`, which are good. */
void rule_field_range(const struct risk_rules *rules, const struct rule_field *field,
    int64_t *lowest, int64_t *highest);
/* Applies a file: lines "key: value", "#" begins a comment; a key once. 0; -EINVAL with `message`
 * naming the line. */
SLUICE_MUST_USE int rules_file_apply(
    const char *text, struct risk_rules *rules, char *message, size_t message_size);
/* A file of all rules, as rules_file_apply takes it, each with its help. The caller's to free();
 * NULL. */
char *rules_file_text(const struct risk_rules *rules);

#endif
