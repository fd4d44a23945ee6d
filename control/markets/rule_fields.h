/* SPDX-License-Identifier: Apache-2.0 */
/* Rules by the names of their fields: what operators may set, and files of it. */
#ifndef SLUICE_CONTROL_RULE_FIELDS_H
#define SLUICE_CONTROL_RULE_FIELDS_H

#include <stddef.h>
#include <stdint.h>

#include "dataplane/risk/risk_extra.h"
#include "wire/assert.h"

/* A version of the rules, whole. */
struct rule_set {
	struct risk_rules rules;
	struct risk_rules_extra extra;
};
void rule_set_default(struct rule_set *set); /* version 1 */
/* 0; -EINVAL with *field. */
SLUICE_MUST_USE int rule_set_check(const struct rule_set *set, const char **field);

/*
 * `extra`: of the risk states, only to be set while the field "factors" is 1; that one set to 0
 * takes all of them away, set to 1 it gives them their defaults.
 */
struct rule_field {
	const char *name, *unit, *help;
	size_t offset, size;
	int extra;
};
extern const struct rule_field rule_fields[];
extern const size_t rule_fields_count;
int64_t rule_field_get(const struct rule_set *set, const struct rule_field *field);
/* 0 or -ERANGE when the field is too narrow. */
SLUICE_MUST_USE int rule_field_set(
    struct rule_set *set, const struct rule_field *field, int64_t value);
/*
 * One setting, checked with all others: `value` is a number, or a word where a field has words
 * (model_state: off, shadow, active). 0 with `set` changed; -EINVAL with `message`, which begins
 * with the name and says what was expected.
 */
SLUICE_MUST_USE int rule_setting_apply(struct rule_set *set, const char *name, size_t length,
    const char *value, char *message, size_t message_size);
/*
 * What shards take and yet nobody means: refused from a score on that does not alert yet; an
 * alert_score of 101 (never) is meant. `before` (may be NULL) had the same: it is not this change.
 * 0; -EINVAL with `message`. Asked of a whole change: its settings may come in any order.
 */
SLUICE_MUST_USE int rule_scores_check(
    const struct rule_set *before, const struct rule_set *set, char *message, size_t message_size);
/* By the first `length` characters of a name; NULL. */
const struct rule_field *rule_field_find(const char *name, size_t length);
/* What the checks take for a field beside the others of `set`, which are good. */
void rule_field_range(
    const struct rule_set *set, const struct rule_field *field, int64_t *lowest, int64_t *highest);
/*
 * Amounts in other currencies: "currency.840.large_amount", 1 to 8 of them with any amount above 0.
 * rule_amount_set: 0; -ENOENT no such name; -ERANGE; -ENOSPC too many; -ENODEV without factors.
 */
#define RULE_AMOUNTS 7
extern const char *const rule_amount_names[RULE_AMOUNTS];
int64_t rule_amount_get(const struct risk_amounts *amounts, unsigned which);
SLUICE_MUST_USE int rule_amount_set(
    struct rule_set *set, const char *name, size_t length, int64_t value);
#define RULE_AMOUNT_PREFIX "currency."

/* Applies a file: lines "key: value", "#" begins a comment; a key once. 0; -EINVAL with `message`
 * naming the line. */
SLUICE_MUST_USE int rules_file_apply(
    const char *text, struct rule_set *set, char *message, size_t message_size);
/* A file of all rules, as rules_file_apply takes it, each with its help. The caller's to free();
 * NULL. */
char *rules_file_text(const struct rule_set *set);

#endif
