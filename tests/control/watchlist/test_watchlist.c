/* SPDX-License-Identifier: Apache-2.0 */
/* Lists imported and matched; names screened once, and again when a name or a list changes. */
#include "control/watchlist/watchlist.h"

#include <errno.h>
#include <string.h>

#include "control/alerts/alerts.h"
#include "tests/control/temporary.h"

static const struct audit_entry kim = {
	.uid = 1001, .user = "kim (risk)", .action = "watchlist import", .outcome = "done"
};
static const char sdn[] = "ent_num,name,type\n36,AEROCARIBBEAN AIRLINES,entity\n"
                          "535,CIMEX,entity\n900,\"MARTINEZ, Pedro\",individual\n\x1a\n";
static const char alt[] = "36,12,aka,AERO-CARIBBEAN\n535,559,fka,\"CIMEX, S.A.\"\n";

struct bed {
	struct temporary at;
	struct watchlist *watchlist;
	struct screen *screen;
};

static void bed_begin(struct bed *bed)
{
	temporary_begin(&bed->at);
	assert_int_equal(watchlist_open(&bed->watchlist, bed->at.database), 0);
	assert_int_equal(screen_open(&bed->screen, bed->at.database, bed->watchlist), 0);
}

static void bed_end(struct bed *bed)
{
	screen_close(bed->screen);
	watchlist_close(bed->watchlist);
	temporary_end(&bed->at);
}

static int import(struct bed *bed, const char *name, struct watch_files files)
{
	struct record_control_watch_list row;
	char message[256] = "";
	int error = watchlist_import(
	    bed->at.database, name, "2026-03-22", &files, &kim, &row, message, sizeof(message));

	assert_int_equal(error == -EINVAL, message[0] != '\0');
	return error;
}

static void name_set(struct bed *bed, uint64_t account_id, const char *name, const char *country)
{
	const struct subject subject = { CONTROL_SUBJECT_ACCOUNT, account_id };
	struct record_control_subject row;

	assert_int_equal(subjects_set(bed->at.database, &subject,
	                     &(struct subject_settings){ name, country }, &kim, &row),
	    0);
}

/* Until there is nothing to do; the alerts there are then. */
static uint64_t screened(struct bed *bed)
{
	struct alerts_counts counts;
	unsigned turns = 0;
	int left;

	while ((left = screen_turn(bed->screen, 780)) > 0)
		assert_true(++turns < 1000);
	assert_int_equal(left, 0);
	assert_int_equal(alerts_counts(bed->at.database, &counts), 0);
	return counts.raised[CONTROL_ALERT_WATCH_LIST - 1] +
	       counts.raised[CONTROL_ALERT_COUNTRY - 1];
}

TEST(a_list_is_matched_by_all_names_of_its_entries)
{
	struct watch_hit hits[WATCH_HITS_MAX];
	struct bed bed;

	bed_begin(&bed);
	assert_int_equal(watchlist_match(bed.watchlist, "Cimex", 780, hits), 0);
	assert_int_equal(import(&bed, "ofac", (struct watch_files){ .sdn = sdn, .alt = alt }), 0);
	assert_int_equal(watchlist_match(bed.watchlist, "Cimex SA", 780, hits), 1);
	assert_int_equal(hits[0].entry, 535);
	assert_int_equal(hits[0].similarity, 1000);
	assert_string_equal(hits[0].list_name, "ofac");
	assert_int_equal(watchlist_match(bed.watchlist, "Pedro Martinez", 780, hits), 1);
	assert_int_equal(hits[0].entry, 900);
	/* Another version takes the place of the one before. */
	assert_int_equal(
	    import(&bed, "ofac", (struct watch_files){ .names = "\xef\xbb\xbfONE\r\nTWO\n" }), 0);
	assert_int_equal(watchlist_match(bed.watchlist, "Cimex SA", 780, hits), 0);
	assert_int_equal(watchlist_match(bed.watchlist, "one", 780, hits), 1);
	assert_string_equal(hits[0].text, "ONE"); /* without the byte order mark */
	assert_int_equal(watchlist_match(bed.watchlist, "two", 780, hits), 1);
	assert_int_equal(hits[0].entry, 2);
	bed_end(&bed);
}

static int last_body(struct db_txn *txn, void *argument)
{
	return database_last(txn, CONTROL_TABLE_CHANGE, argument);
}

static uint64_t changes(const struct bed *bed)
{
	uint64_t last = 0;

	assert_int_equal(database_read(bed->at.database, last_body, &last), 0);
	return last;
}

TEST(an_import_writes_what_has_changed)
{
	struct watch_hit hits[WATCH_HITS_MAX];
	struct bed bed;
	uint64_t before;

	bed_begin(&bed);
	assert_int_equal(import(&bed, "first", (struct watch_files){ .sdn = "1,ONE\n2,TWO\n" }), 0);
	assert_int_equal(changes(&bed), 4); /* two names, the list, the audit entry */
	assert_int_equal(import(&bed, "second", (struct watch_files){ .sdn = "1,OTHER\n" }), 0);
	before = changes(&bed);
	assert_int_equal(import(&bed, "first", (struct watch_files){ .sdn = "1,ONE\n2,TWO\n" }), 0);
	assert_int_equal(changes(&bed), before + 2);
	assert_int_equal(
	    import(&bed, "first", (struct watch_files){ .sdn = "1,ONE\n3,THREE\n" }), 0);
	assert_int_equal(changes(&bed), before + 2 + 4); /* one more, one less */
	assert_int_equal(watchlist_match(bed.watchlist, "two", 1000, hits), 0);
	assert_int_equal(watchlist_match(bed.watchlist, "three", 1000, hits), 1);
	assert_int_equal(watchlist_match(bed.watchlist, "other", 1000, hits), 1);
	bed_end(&bed);
}

TEST(a_file_that_is_wrong_changes_nothing)
{
	static const struct watch_files wrong[] = {
		{ .sdn = "36,CIMEX\nx,Y\n" },
		{ .sdn = "36\n" },
		{ .sdn = "36,\"CIMEX\n" },
		{ .sdn = "36,\xff\n" },
		{ .sdn = "36,CIMEX\n", .alt = "36,1,aka\n" },
		{ .names = "\n\n" },
	};
	struct watch_hit hits[WATCH_HITS_MAX];
	struct bed bed;

	bed_begin(&bed);
	assert_int_equal(import(&bed, "ofac", (struct watch_files){ .sdn = sdn }), 0);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(wrong); i++)
		assert_int_equal(import(&bed, "ofac", wrong[i]), -EINVAL);
	assert_int_equal(watchlist_match(bed.watchlist, "Cimex", 780, hits), 1);
	bed_end(&bed);
}

TEST(a_name_is_screened_once_and_again_when_it_or_a_list_changes)
{
	struct record_control_alert row;
	struct bed bed;

	bed_begin(&bed);
	name_set(&bed, 1000, "Pedro Martinez", NULL);
	name_set(&bed, 1001, "Somebody Else", NULL);
	assert_int_equal(screened(&bed), 0);
	assert_int_equal(import(&bed, "ofac", (struct watch_files){ .sdn = sdn, .alt = alt }), 0);
	assert_int_equal(screened(&bed), 1);
	assert_int_equal(alerts_get(bed.at.database, 1, &row), 0);
	assert_int_equal(row.reason, CONTROL_ALERT_WATCH_LIST);
	assert_int_equal(row.severity, CONTROL_ALERT_CRITICAL);
	assert_int_equal(le64_get(row.subject_id), 1000);
	assert_int_equal(le64_get(row.entry), 900);
	assert_string_equal((const char *)row.text, "Pedro Martinez ~ ofac: MARTINEZ, Pedro");
	/* The list again, and control again: the same hit is known. */
	assert_int_equal(import(&bed, "ofac", (struct watch_files){ .sdn = sdn, .alt = alt }), 0);
	assert_int_equal(screened(&bed), 1);
	screen_close(bed.screen);
	assert_int_equal(screen_open(&bed.screen, bed.at.database, bed.watchlist), 0);
	assert_int_equal(screened(&bed), 1);
	name_set(&bed, 1001, "Cimex Ltd", NULL);
	assert_int_equal(screened(&bed), 2);
	name_set(&bed, 1000, "Petro Martinez", NULL); /* another name: another hit */
	assert_int_equal(screened(&bed), 3);
	bed_end(&bed);
}

TEST(a_hit_that_was_found_false_is_not_raised_again)
{
	struct record_control_alert row;
	struct alert_step begin = { .state = CONTROL_ALERT_INVESTIGATING };
	struct alert_step close = { .state = CONTROL_ALERT_CLOSED, .verdict = CONTROL_ALERT_FALSE };
	struct bed bed;

	bed_begin(&bed);
	assert_int_equal(import(&bed, "ofac", (struct watch_files){ .sdn = sdn }), 0);
	name_set(&bed, 1000, "Pedro Martinez", NULL);
	assert_int_equal(screened(&bed), 1);
	assert_int_equal(alerts_step(bed.at.database, 1, &begin, &kim, &row), 0);
	assert_int_equal(alerts_step(bed.at.database, 1, &close, &kim, &row), 0);
	assert_int_equal(import(&bed, "ofac", (struct watch_files){ .sdn = sdn, .alt = alt }), 0);
	assert_int_equal(screened(&bed), 1);
	/* The entry's name changed: that is another pair. */
	assert_int_equal(
	    import(&bed, "ofac", (struct watch_files){ .sdn = "900,\"MARTINES, Pedro\"\n" }), 0);
	assert_int_equal(screened(&bed), 2);
	bed_end(&bed);
}

/* What the shards were told of the account last; nothing of it is a label. */
static unsigned told(struct bed *bed, uint64_t account_id)
{
	const struct subject subject = { CONTROL_SUBJECT_ACCOUNT, account_id };
	struct record_control_subject row;
	int known;

	assert_int_equal(subjects_get(bed->at.database, &subject, &row, &known), 0);
	assert_true(known && le32_get(row.confirmed) == 0 && le32_get(row.dismissed) == 0);
	return row.told;
}

TEST(a_verdict_on_a_hit_is_told_to_the_shards_when_given_and_when_taken_back)
{
	static const struct {
		enum control_alert_verdict of_name, of_country; /* 0: open */
		unsigned told;
	} cases[] = {
		{ 0, 0, CONTROL_TOLD_SANCTIONED | CONTROL_TOLD_COUNTRY_RISK },
		{ CONTROL_ALERT_FALSE, 0, CONTROL_TOLD_COUNTRY_RISK },
		{ CONTROL_ALERT_FALSE, CONTROL_ALERT_FALSE, 0 },
		{ 0, CONTROL_ALERT_FALSE, CONTROL_TOLD_SANCTIONED },
		{ CONTROL_ALERT_CONFIRMED, CONTROL_ALERT_CONFIRMED,
		    CONTROL_TOLD_SANCTIONED | CONTROL_TOLD_COUNTRY_RISK },
	};
	struct record_control_country country;
	struct record_control_alert row;
	struct bed bed;

	bed_begin(&bed);
	assert_int_equal(import(&bed, "ofac", (struct watch_files){ .sdn = sdn }), 0);
	assert_int_equal(
	    country_set(bed.at.database, "PRK", CONTROL_COUNTRY_HIGH, &kim, &country), 0);
	name_set(&bed, 1000, "Pedro Martinez", "PRK");
	assert_int_equal(screened(&bed), 2);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		for (uint64_t number = 1; number <= 2; number++) {
			struct alert_step begin = { .state = CONTROL_ALERT_INVESTIGATING };
			struct alert_step close = { .state = CONTROL_ALERT_CLOSED };
			int error = alerts_step(bed.at.database, number, &begin, &kim, &row);

			assert_true(error == 0 || error == -EPERM); /* it is begun already */
			assert_int_equal(alerts_get(bed.at.database, number, &row), 0);
			close.verdict = row.reason == CONTROL_ALERT_COUNTRY ? cases[i].of_country
			                                                    : cases[i].of_name;
			if (close.verdict == 0)
				continue;
			assert_int_equal(
			    alerts_step(bed.at.database, number, &close, &kim, &row), 0);
		}
		assert_int_equal(screened(&bed), 2);
		assert_int_equal(told(&bed, 1000), cases[i].told);
	}
	bed_end(&bed);
}

static int partner_body(struct db_txn *txn, void *argument)
{
	struct record_control_partner row = {
		.header = record_control_header(RECORD_CONTROL_PARTNER, sizeof(row)),
		.id = le64_make(5),
		.currency = le16_make(410),
	};
	struct db_key key = db_key_make(5);

	(void)argument;
	assert_int_equal(database_text(row.name, sizeof(row.name), "CIMEX"), 0);
	return database_put(
	    txn, CONTROL_TABLE_PARTNER, db_key(&key), (struct db_bytes){ &row, sizeof(row) });
}

TEST(partners_are_screened_by_the_name_of_their_row)
{
	struct record_control_alert row;
	struct bed bed;

	bed_begin(&bed);
	assert_int_equal(import(&bed, "ofac", (struct watch_files){ .sdn = sdn }), 0);
	assert_int_equal(database_write(bed.at.database, partner_body, NULL), 0);
	assert_int_equal(screened(&bed), 1);
	assert_int_equal(alerts_get(bed.at.database, 1, &row), 0);
	assert_int_equal(row.subject_kind, CONTROL_SUBJECT_PARTNER);
	assert_int_equal(le32_get(row.partner_id), 5);
	bed_end(&bed);
}

TEST(a_country_on_the_list_is_an_alert)
{
	struct record_control_country country;
	struct record_control_alert row;
	struct bed bed;

	bed_begin(&bed);
	name_set(&bed, 1000, "Somebody", "PRK");
	name_set(&bed, 1001, NULL, "KOR");
	assert_int_equal(screened(&bed), 0);
	assert_int_equal(
	    country_set(bed.at.database, "PRK", CONTROL_COUNTRY_MONITORED, &kim, &country), 0);
	assert_int_equal(screened(&bed), 1);
	assert_int_equal(
	    country_set(bed.at.database, "PRK", CONTROL_COUNTRY_HIGH, &kim, &country), 0);
	assert_int_equal(screened(&bed), 2);
	assert_int_equal(alerts_get(bed.at.database, 2, &row), 0);
	assert_int_equal(row.severity, CONTROL_ALERT_HIGH);
	assert_int_equal(screened(&bed), 2);
	bed_end(&bed);
}

TEST(many_names_are_screened_slice_by_slice)
{
	struct bed bed;

	bed_begin(&bed);
	assert_int_equal(import(&bed, "ofac", (struct watch_files){ .sdn = sdn }), 0);
	for (uint64_t i = 1; i <= 130; i++)
		name_set(&bed, i, i % 10 == 0 ? "Pedro Martinez" : "Nobody At All", NULL);
	assert_int_equal(screened(&bed), 13);
	bed_end(&bed);
}

TEST_MAIN()
