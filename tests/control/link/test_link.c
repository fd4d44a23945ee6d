/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/commands/commands.h"
#include "control/link/link.h"
#include "control/log/log.h"
#include "tests/control/link/fake.h"
#include "tests/test.h"

TEST_MAIN()

#define S_NS    1000000000ull
#define WAIT_MS 30000

struct bed {
	char root[200];
	char top[64];
	struct database *database;
	struct sessions *sessions;
	struct link *link;
	struct fake *fake;
	unsigned listed;
};

static void on_session(void *context, const json_t *session)
{
	struct bed *bed = context;

	(void)session;
	pthread_mutex_lock(&bed->fake->mutex);
	bed->listed++;
	pthread_mutex_unlock(&bed->fake->mutex);
}

/* `long_path`: a root that a UNIX socket's name cannot hold. */
static struct bed *bed_make(int long_path)
{
	struct sessions_settings settings = { 200, 24 * 3600 * S_NS, 3600 * S_NS, 0, 0 };
	struct bed *bed = calloc(1, sizeof(*bed));
	char path[256], message[256];

	log_level_set(LOG_ERROR);
	snprintf(bed->top, sizeof(bed->top), "/tmp/sluice-test-link-XXXXXX");
	assert_non_null(mkdtemp(bed->top));
	snprintf(bed->root, sizeof(bed->root), "%s%s%.*s", bed->top, long_path ? "/" : "",
	    long_path ? 100 : 0,
	    "a-folder-with-a-name-so-long-that-it-alone-nearly-fills-the-address-of-a-unix-socket-"
	    "on-this-machine");
	(void)mkdir(bed->root, 0700);
	snprintf(path, sizeof(path), "%s/run", bed->root);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/run/sluice", bed->root);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/db", bed->top);
	assert_int_equal(database_open(&bed->database, path, "test", message, sizeof(message)), 0);
	assert_int_equal(sessions_create(&bed->sessions, bed->database, &settings), 0);
	return bed;
}

static void bed_link(struct bed *bed)
{
	struct link_config config = { .root = bed->root,
		.database = bed->database,
		.sessions = bed->sessions,
		.on_session = on_session,
		.context = bed };

	assert_int_equal(link_start(&bed->link, &config), 0);
}

static void bed_unlink(struct bed *bed)
{
	link_stop(bed->link);
	bed->link = NULL;
}

static void bed_free(struct bed *bed)
{
	char command[128];

	link_stop(bed->link);
	if (bed->fake != NULL) {
		fake_stop(bed->fake);
		assert_int_equal(bed->fake->violations, 0);
		fake_free(bed->fake);
	}
	sessions_free(bed->sessions);
	database_close(bed->database);
	snprintf(command, sizeof(command), "rm -rf '%s'", bed->top);
	assert_int_equal(system(command), 0);
	free(bed);
}

static int append_body(struct db_txn *txn, void *context)
{
	void **arguments = context;

	return commands_append(txn, arguments[0], arguments[1]);
}

/* Commits a command whose mark is its number, as a handler does. */
static uint64_t command_commit(struct bed *bed, const char *type)
{
	uint64_t last, sequence;
	json_t *command;
	void *arguments[2];

	assert_int_equal(commands_last(bed->database, &last), 0);
	command = json_pack("{s:s, s:I}", "type", type, "mark", (json_int_t)last + 1);
	arguments[0] = command;
	arguments[1] = &sequence;
	assert_int_equal(database_write(bed->database, append_body, arguments), 0);
	json_decref(command);
	assert_int_equal(sequence, last + 1);
	return sequence;
}

static uint32_t establish(struct bed *bed, uint64_t terminal_id)
{
	struct sessions_offer offer;
	uint8_t root[KEYS_ROOT_SIZE];

	assert_int_equal(sessions_reserve(bed->sessions, terminal_id, &offer), 0);
	memset(root, (int)terminal_id, sizeof(root));
	memcpy(root, &offer.session_id, sizeof(offer.session_id));
	assert_int_equal(sessions_establish(bed->sessions, &offer, root, 7, 0, 0), 0);
	return offer.session_id;
}

/* Waits, within bounds, until the link is in this state. */
static void state_await(struct bed *bed, enum link_state state)
{
	struct link_report report;

	for (unsigned i = 0; i < WAIT_MS; i++) {
		link_report(bed->link, &report);
		if (report.state == state)
			return;
		usleep(1000);
	}
	fail_msg("the link is %s, not %s: %s", link_state_name(report.state),
	    link_state_name(state), report.message);
}

static void command_await(struct bed *bed, uint64_t sequence, int expected)
{
	char message[512] = "";
	int result = link_command_wait(bed->link, sequence, WAIT_MS, message, sizeof(message));

	if (result != expected)
		fail_msg("command %llu: %d, %s", (unsigned long long)sequence, result, message);
}

/* Every shard did 1..last exactly once, in order; `skipped` marks count as 0. */
static void journals_check(struct bed *bed, uint64_t last, uint64_t skipped)
{
	pthread_mutex_lock(&bed->fake->mutex);
	assert_int_equal(bed->fake->violations, 0);
	for (unsigned shard = 0; shard < FAKE_SHARDS; shard++) {
		assert_int_equal(bed->fake->last[shard], last);
		for (uint64_t i = 1; i <= last; i++)
			assert_case_equal(
			    i, bed->fake->what[shard][i], i == skipped ? 0 : (int64_t)i);
	}
	pthread_mutex_unlock(&bed->fake->mutex);
}

static const char *state_of(struct bed *bed, uint64_t sequence, char text[16])
{
	json_t *list = commands_list(bed->database, sequence + 1, 1);

	snprintf(
	    text, 16, "%s", json_string_value(json_object_get(json_array_get(list, 0), "state")));
	json_decref(list);
	return text;
}

TEST(commands_and_sessions_are_there_before_the_ports_open)
{
	struct bed *bed = bed_make(0);
	uint32_t id;
	char text[16];

	for (int i = 0; i < 200; i++)
		command_commit(bed, "market_set");
	for (uint64_t terminal = 1; terminal <= 100; terminal++)
		id = establish(bed, terminal);
	bed->fake = fake_start(bed->root, 1);
	bed_link(bed);
	assert_int_equal(sessions_wait(bed->sessions, id, WAIT_MS), 0);
	state_await(bed, LINK_UP);
	pthread_mutex_lock(&bed->fake->mutex);
	assert_int_equal(bed->fake->opens, 1);
	assert_int_equal(bed->fake->last_at_open, 200);
	assert_int_equal(bed->fake->sessions_at_open, 100);
	pthread_mutex_unlock(&bed->fake->mutex);
	journals_check(bed, 200, 0);
	assert_string_equal(state_of(bed, 1, text), "done");
	assert_string_equal(state_of(bed, 200, text), "done");
	command_await(bed, command_commit(bed, "market_set"), 0);
	bed_free(bed);
}

TEST(a_refused_command_is_told_and_the_next_goes_on)
{
	struct bed *bed = bed_make(0);
	char message[512], text[16];
	uint64_t refused;

	bed->fake = fake_start(bed->root, 1);
	bed_link(bed);
	command_commit(bed, "market_set");
	refused = command_commit(bed, "refuse_me");
	command_commit(bed, "market_set");
	assert_int_equal(
	    link_command_wait(bed->link, refused, WAIT_MS, message, sizeof(message)), -EPERM);
	assert_string_equal(message, "there is no such account");
	command_await(bed, 3, 0);
	command_await(bed, 1, 0);
	assert_string_equal(state_of(bed, refused, text), "refused");
	journals_check(bed, 3, refused);
	/* A later life of control reads it from the database. */
	bed_unlink(bed);
	bed_link(bed);
	command_await(bed, refused, -EPERM);
	bed_free(bed);
}

TEST(a_malformed_command_gives_its_number_to_one_that_changes_nothing)
{
	struct bed *bed = bed_make(0);
	uint64_t malformed;
	char text[16];

	bed->fake = fake_start(bed->root, 1);
	for (int i = 0; i < 10; i++)
		command_commit(bed, "market_set");
	malformed = command_commit(bed, "malformed_me");
	for (int i = 0; i < 10; i++)
		command_commit(bed, "market_set");
	bed_link(bed);
	command_await(bed, 21, 0);
	command_await(bed, malformed, -EPERM);
	assert_string_equal(state_of(bed, malformed, text), "refused");
	assert_string_equal(state_of(bed, malformed + 1, text), "done");
	journals_check(bed, 21, malformed);
	bed_free(bed);
}

TEST(a_command_longer_than_a_line_is_refused_without_being_sent)
{
	struct bed *bed = bed_make(0);
	static char type[80000];
	uint64_t sequence;

	memset(type, 'x', sizeof(type) - 1);
	bed->fake = fake_start(bed->root, 1);
	bed_link(bed);
	command_commit(bed, "market_set");
	sequence = command_commit(bed, type);
	command_commit(bed, "market_set");
	command_await(bed, 3, 0);
	command_await(bed, sequence, -EPERM);
	journals_check(bed, 3, sequence);
	bed_free(bed);
}

TEST(a_failed_command_holds_up_later_ones_and_neither_ports_nor_sessions)
{
	struct bed *bed = bed_make(0);
	struct link_report report;
	char message[512];
	uint32_t id = establish(bed, 1);

	bed->fake = fake_start(bed->root, 1);
	bed->fake->fail_left = UINT32_MAX;
	command_commit(bed, "market_set");
	command_commit(bed, "fail_me");
	command_commit(bed, "market_set");
	bed_link(bed);
	assert_int_equal(sessions_wait(bed->sessions, id, WAIT_MS), 0);
	state_await(bed, LINK_UP);
	link_report(bed->link, &report);
	assert_int_equal(report.command_done, 1);
	assert_non_null(strstr(report.message, "Command 2 is not done"));
	assert_int_equal(link_command_wait(bed->link, 3, 1, message, sizeof(message)), -ETIMEDOUT);
	assert_non_null(strstr(message, "a table of the switch is full"));
	pthread_mutex_lock(&bed->fake->mutex);
	bed->fake->fail_left = 0;
	pthread_mutex_unlock(&bed->fake->mutex);
	command_await(bed, 3, 0);
	link_report(bed->link, &report);
	assert_string_equal(report.message, "");
	journals_check(bed, 3, 0);
	bed_free(bed);
}

TEST(a_shard_ahead_of_control_is_refused_until_the_numbers_are_adopted)
{
	struct bed *bed = bed_make(0);
	struct link_report report;

	bed->fake = fake_start(bed->root, 1);
	for (unsigned i = 0; i < FAKE_SHARDS; i++)
		bed->fake->last[i] = 5;
	bed->fake->last[1] = 6;
	command_commit(bed, "market_set");
	bed_link(bed);
	state_await(bed, LINK_REFUSED);
	link_report(bed->link, &report);
	assert_non_null(strstr(report.message, "Shard 1 "));
	assert_non_null(strstr(report.message, "command 6, "));
	assert_non_null(strstr(report.message, "sluicectl command adopt"));
	pthread_mutex_lock(&bed->fake->mutex);
	assert_int_equal(bed->fake->opens, 0);
	pthread_mutex_unlock(&bed->fake->mutex);
	assert_int_equal(commands_adopt(bed->database, 6), 0);
	link_wake(bed->link);
	state_await(bed, LINK_UP);
	command_await(bed, command_commit(bed, "market_set"), 0);
	pthread_mutex_lock(&bed->fake->mutex);
	for (unsigned i = 0; i < FAKE_SHARDS; i++)
		assert_int_equal(bed->fake->what[i][7], 7);
	pthread_mutex_unlock(&bed->fake->mutex);
	bed_free(bed);
}

TEST(a_new_boot_id_gets_all_sessions_and_an_old_one_none)
{
	struct bed *bed = bed_make(0);
	struct sessions_counts counts;
	struct link_report report;

	bed->fake = fake_start(bed->root, 1);
	bed_link(bed);
	for (uint64_t terminal = 1; terminal <= 50; terminal++) {
		uint32_t id = establish(bed, terminal);

		link_wake(bed->link);
		assert_int_equal(sessions_wait(bed->sessions, id, WAIT_MS), 0);
	}
	sessions_counts(bed->sessions, &counts);
	assert_int_equal(counts.installs, 50);
	fake_disconnect(bed->fake);
	for (unsigned i = 0; i < WAIT_MS; i++) {
		link_report(bed->link, &report);
		if (report.connects == 2 && report.state == LINK_UP)
			break;
		usleep(1000);
	}
	assert_int_equal(report.connects, 2);
	assert_int_equal(report.boots, 1);
	sessions_counts(bed->sessions, &counts);
	assert_int_equal(counts.installs, 50);
	fake_reboot(bed->fake);
	for (unsigned i = 0; i < WAIT_MS; i++) {
		link_report(bed->link, &report);
		if (report.boots == 2 && report.state == LINK_UP)
			break;
		usleep(1000);
	}
	sessions_counts(bed->sessions, &counts);
	assert_int_equal(counts.live, 50);
	assert_int_equal(counts.installs, 100);
	assert_int_equal(counts.established, 50);
	pthread_mutex_lock(&bed->fake->mutex);
	assert_int_equal(bed->fake->sessions_at_open, 50);
	pthread_mutex_unlock(&bed->fake->mutex);
	bed_free(bed);
}

TEST(the_list_is_passed_on_rotates_and_finds_strays)
{
	struct bed *bed = bed_make(0);
	struct fake_session *stray, *tired;
	uint32_t ids[7];
	unsigned done = 0;

	bed->fake = fake_start(bed->root, 1);
	for (uint64_t i = 0; i < 7; i++)
		ids[i] = establish(bed, i + 1);
	stray = &bed->fake->sessions[77];
	stray->session_id = 5u << 20 | 77;
	stray->terminal_id = 3;
	stray->live = 1;
	bed_link(bed);
	state_await(bed, LINK_UP);
	tired = &bed->fake->sessions[ids[3] & (FAKE_SLOTS - 1)];
	pthread_mutex_lock(&bed->fake->mutex);
	tired->wants_rotation = 1;
	pthread_mutex_unlock(&bed->fake->mutex);
	for (unsigned i = 0; i < WAIT_MS && !done; i++) {
		usleep(1000);
		pthread_mutex_lock(&bed->fake->mutex);
		done = bed->listed >= 8 && !stray->live && tired->epoch == 2;
		pthread_mutex_unlock(&bed->fake->mutex);
	}
	assert_true(done);
	bed_free(bed);
}

TEST(questions_are_answered_and_fail_without_a_data_plane)
{
	struct bed *bed = bed_make(0);
	char message[512];
	json_t *answer = NULL, *status;

	bed_link(bed);
	assert_int_equal(link_ask(bed->link, json_pack("{s:s}", "cmd", "account_show"), 100,
	                     &answer, message, sizeof(message)),
	    -EHOSTDOWN);
	assert_null(link_status(bed->link));
	bed->fake = fake_start(bed->root, 1);
	state_await(bed, LINK_UP);
	assert_int_equal(
	    link_ask(bed->link, json_pack("{s:s, s:i}", "cmd", "account_show", "account_id", 12),
	        WAIT_MS, &answer, message, sizeof(message)),
	    0);
	assert_int_equal(json_integer_value(json_object_get(answer, "account_id")), 12);
	json_decref(answer);
	assert_int_equal(link_ask(bed->link, json_pack("{s:s}", "cmd", "nonsense"), WAIT_MS,
	                     &answer, message, sizeof(message)),
	    -EPERM);
	assert_string_equal(message, "unknown command");
	status = link_status(bed->link);
	assert_non_null(json_object_get(status, "boot_id"));
	json_decref(status);
	bed_free(bed);
}

TEST(a_root_too_long_for_a_socket_name_is_reached)
{
	struct bed *bed = bed_make(1);

	bed->fake = fake_start(bed->root, 1);
	bed_link(bed);
	state_await(bed, LINK_UP);
	bed_free(bed);
}

/* ---- Random ---- */

struct asker {
	struct bed *bed;
	pthread_t thread;
	unsigned answered, down, wrong;
	int account;
};

static void *asker_run(void *argument)
{
	struct asker *asker = argument;
	char message[512];

	for (unsigned i = 0; i < 100; i++) {
		json_t *answer = NULL;
		int account = asker->account * 1000 + (int)i;
		int result = link_ask(asker->bed->link,
		    json_pack("{s:s, s:i}", "cmd", "account_show", "account_id", account), i % 7,
		    &answer, message, sizeof(message));

		if (result == 0) {
			asker->answered++;
			asker->wrong +=
			    json_integer_value(json_object_get(answer, "account_id")) != account;
			json_decref(answer);
		} else {
			asker->down++;
			asker->wrong += result != -EHOSTDOWN && result != -ETIMEDOUT;
		}
		usleep(500);
	}
	return NULL;
}

static void random_end(struct bed *bed, uint64_t last)
{
	struct sessions_counts counts;

	command_await(bed, last, 0);
	journals_check(bed, last, 0);
	pthread_mutex_lock(&bed->fake->mutex);
	bed->fake->crash_in_32 = 0;
	pthread_mutex_unlock(&bed->fake->mutex);
	for (unsigned i = 0; i < WAIT_MS; i++) {
		sessions_counts(bed->sessions, &counts);
		if (counts.pending == 0 && counts.ending == 0)
			break;
		usleep(1000);
	}
	assert_int_equal(counts.pending, 0);
	assert_int_equal(counts.ending, 0);
	state_await(bed, LINK_UP);
}

TEST(every_command_is_done_once_on_all_shards_through_crashes_of_both)
{
	struct asker askers[3];
	struct bed *bed = bed_make(0);
	uint64_t seed = test_seed(), last = 0;
	unsigned live = 0;
	json_t *list;

	bed->fake = fake_start(bed->root, seed);
	bed->fake->crash_in_32 = 1;
	bed_link(bed);
	for (int i = 0; i < 3; i++) {
		askers[i] = (struct asker){ .bed = bed, .account = i + 1 };
		assert_int_equal(pthread_create(&askers[i].thread, NULL, asker_run, &askers[i]), 0);
	}
	for (unsigned i = 0; i < 150; i++) {
		unsigned count = (unsigned)(test_random(&seed) % 4);

		while (count-- > 0)
			last = command_commit(bed, "market_set");
		if (test_random(&seed) % 4 == 0)
			establish(bed, 1 + test_random(&seed) % 30);
		if (test_random(&seed) % 16 == 0)
			(void)sessions_end_terminal(bed->sessions, 1 + test_random(&seed) % 30);
		link_wake(bed->link);
		if (test_random(&seed) % 16 == 0)
			fake_disconnect(bed->fake);
		usleep((useconds_t)(test_random(&seed) % 3000));
	}
	for (int i = 0; i < 3; i++) {
		pthread_join(askers[i].thread, NULL);
		assert_int_equal(askers[i].wrong, 0);
	}
	/* Control dies too, between any two steps of the link. */
	bed_unlink(bed);
	bed_link(bed);
	last = command_commit(bed, "market_set");
	random_end(bed, last);
	printf("%llu commands in %llu lines, %llu crashes\n", (unsigned long long)last,
	    (unsigned long long)bed->fake->command_lines, (unsigned long long)bed->fake->crashes);
	pthread_mutex_lock(&bed->fake->mutex);
	for (unsigned i = 0; i < FAKE_SLOTS; i++) {
		const struct fake_session *session = &bed->fake->sessions[i];

		if (!session->live)
			continue;
		live++;
		assert_int_equal(sessions_wait(bed->sessions, session->session_id, 1), 0);
	}
	pthread_mutex_unlock(&bed->fake->mutex);
	list = sessions_list(bed->sessions, 0);
	assert_int_equal(json_array_size(list), live);
	json_decref(list);
	bed_free(bed);
}
