/* SPDX-License-Identifier: Apache-2.0 */
#include "control/audit/audit.h"

#include <errno.h>
#include <string.h>

#include "tests/control/temporary.h"

static void note(struct temporary *at, const char *action, json_t *after)
{
	struct audit_entry entry = {
		.uid = 7,
		.user = "kim (operator)",
		.action = action,
		.object = "market 12",
		.after = after,
		.outcome = "done",
	};

	assert_int_equal(audit_note(at->database, &entry), 0);
	json_decref(after);
}

static struct audit_report verify(struct temporary *at)
{
	struct audit_report report;

	assert_int_equal(audit_verify(at->database, &report), 0);
	return report;
}

TEST(an_empty_log_is_whole)
{
	struct temporary at;

	temporary_begin(&at);
	assert_int_equal(verify(&at).entries, 0);
	assert_int_equal(verify(&at).first_bad, 0);
	temporary_end(&at);
}

TEST(entries_are_chained_and_listed_newest_first)
{
	struct temporary at;
	json_t *list;

	temporary_begin(&at);
	note(&at, "market suspend", json_pack("{s:s}", "state", "suspended"));
	note(&at, "market open", NULL);
	temporary_again(&at);
	note(&at, "odds set", NULL);
	assert_int_equal(verify(&at).entries, 3);
	assert_int_equal(verify(&at).first_bad, 0);
	list = audit_tail(at.database, 0, 2);
	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(
	    json_string_value(json_object_get(json_array_get(list, 0), "action")), "odds set");
	assert_int_equal(
	    json_integer_value(json_object_get(json_array_get(list, 1), "sequence")), 2);
	json_decref(list);
	list = audit_tail(at.database, 2, 5);
	assert_int_equal(json_array_size(list), 1);
	assert_string_equal(json_string_value(json_object_get(
	                        json_object_get(json_array_get(list, 0), "after"), "state")),
	    "suspended");
	json_decref(list);
	temporary_end(&at);
}

/* What someone with the file in his hands may do. */
enum tampering {
	TEXT_CHANGED,
	TIME_CHANGED,
	ENTRY_REMOVED,
	ENTRY_REWRITTEN_WITH_ITS_HASH,
};

static int tamper_body(struct db_txn *txn, void *argument)
{
	const enum tampering *how = argument;
	struct db_key key = db_key_make(2), other = db_key_make(1);
	struct db_bytes value;
	uint8_t copy[4096];

	if (*how == ENTRY_REMOVED)
		return db_delete(txn, CONTROL_TABLE_AUDIT, db_key(&key));
	if (*how == ENTRY_REWRITTEN_WITH_ITS_HASH)
		key = other;
	if (db_get(txn, CONTROL_TABLE_AUDIT, db_key(&key), &value) != 0 ||
	    value.size > sizeof(copy))
		return -1;
	memcpy(copy, value.data, value.size);
	if (*how == ENTRY_REWRITTEN_WITH_ITS_HASH)
		copy[offsetof(struct record_control_audit, hash)] ^= 1;
	else if (*how == TEXT_CHANGED)
		copy[value.size - 3] ^= 1;
	else
		copy[offsetof(struct record_control_audit, time_ns)] ^= 1;
	return db_put(
	    txn, CONTROL_TABLE_AUDIT, db_key(&key), (struct db_bytes){ copy, value.size });
}

TEST(tampering_is_found_and_placed)
{
	static const struct {
		enum tampering how;
		uint64_t first_bad;
		const char *says;
	} cases[] = {
		{ TEXT_CHANGED, 2, "hash is wrong" },
		{ TIME_CHANGED, 2, "hash is wrong" },
		{ ENTRY_REMOVED, 2, "missing" },
		{ ENTRY_REWRITTEN_WITH_ITS_HASH, 1, "hash is wrong" },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct temporary at;
		struct audit_report report;
		enum tampering how = cases[i].how;

		temporary_begin(&at);
		for (int entry = 0; entry < 4; entry++)
			note(&at, "rules set", NULL);
		assert_int_equal(database_write(at.database, tamper_body, &how), 0);
		report = verify(&at);
		assert_int_equal(report.first_bad, cases[i].first_bad);
		assert_non_null(strstr(report.what, cases[i].says));
		temporary_end(&at);
	}
}

TEST(an_entry_too_large_is_refused_and_leaves_nothing)
{
	struct temporary at;
	char *large = malloc(CONTROL_TEXT_SIZE_MAX + 1);
	struct audit_entry entry = { .action = large, .outcome = "done" };

	assert_non_null(large);
	memset(large, 'x', CONTROL_TEXT_SIZE_MAX);
	large[CONTROL_TEXT_SIZE_MAX] = '\0';
	temporary_begin(&at);
	assert_int_equal(audit_note(at.database, &entry), -EMSGSIZE);
	assert_int_equal(verify(&at).entries, 0);
	temporary_end(&at);
	free(large);
}

TEST_MAIN()
