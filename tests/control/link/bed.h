/* SPDX-License-Identifier: Apache-2.0 */
/* A real link, registry and database in a folder of their own, and a fake data plane beside them.
 */
#ifndef SLUICE_TESTS_CONTROL_BED_H
#define SLUICE_TESTS_CONTROL_BED_H

#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/commands/commands.h"
#include "control/link/link.h"
#include "control/log/log.h"
#include "tests/control/link/fake.h"
#include "tests/test.h"

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

static inline void on_session(void *context, const json_t *session)
{
	struct bed *bed = context;

	(void)session;
	pthread_mutex_lock(&bed->fake->mutex);
	bed->listed++;
	pthread_mutex_unlock(&bed->fake->mutex);
}

/* `long_path`: a root that a UNIX socket's name cannot hold. */
static inline struct bed *bed_make(int long_path)
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

static inline void bed_link(struct bed *bed)
{
	struct link_config config = { .root = bed->root,
		.database = bed->database,
		.sessions = bed->sessions,
		.on_session = on_session,
		.context = bed };

	assert_int_equal(link_start(&bed->link, &config), 0);
}

static inline void bed_unlink(struct bed *bed)
{
	link_stop(bed->link);
	bed->link = NULL;
}

/* `stopped`: the fake was stopped by the test. */
static inline void bed_release(struct bed *bed, int stopped)
{
	char command[128];

	link_stop(bed->link);
	if (bed->fake != NULL) {
		if (!stopped)
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

static inline void bed_free(struct bed *bed)
{
	bed_release(bed, 0);
}

static inline void bed_free_stopped(struct bed *bed)
{
	bed_release(bed, 1);
}

static inline int append_body(struct db_txn *txn, void *context)
{
	void **arguments = context;

	return commands_append(txn, arguments[0], arguments[1]);
}

/* Commits a command whose mark is its number, as a handler does. */
static inline uint64_t command_commit(struct bed *bed, const char *type)
{
	uint64_t last, sequence;
	json_t *command;
	void *arguments[2];
	int error = -EAGAIN;

	assert_int_equal(commands_last(bed->database, &last), 0);
	command = json_pack("{s:s, s:I}", "type", type, "mark", (json_int_t)last + 1);
	arguments[0] = command;
	arguments[1] = &sequence;
	/* The link may not have compared the numbers yet. */
	for (unsigned i = 0; i < WAIT_MS; i++) {
		error = database_write(bed->database, append_body, arguments);
		if (error != -EAGAIN || bed->link == NULL)
			break;
		usleep(1000);
	}
	assert_int_equal(error, 0);
	json_decref(command);
	assert_int_equal(sequence, last + 1);
	return sequence;
}

static inline uint32_t establish(struct bed *bed, uint64_t terminal_id)
{
	struct sessions_offer offer;
	uint8_t root[KEYS_ROOT_SIZE];

	assert_int_equal(sessions_reserve(bed->sessions, terminal_id, 1, &offer), 0);
	memset(root, (int)terminal_id, sizeof(root));
	memcpy(root, &offer.session_id, sizeof(offer.session_id));
	assert_int_equal(sessions_establish(bed->sessions, &offer, root, 7, 0, 0), 0);
	return offer.session_id;
}

/* Waits, within bounds, until the link is in this state. */
static inline void state_await(struct bed *bed, enum link_state state)
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

static inline void command_await(struct bed *bed, uint64_t sequence, int expected)
{
	char message[512] = "";
	int result = link_command_wait(bed->link, sequence, WAIT_MS, message, sizeof(message));

	if (result != expected)
		fail_msg("command %llu: %d, %s", (unsigned long long)sequence, result, message);
}

/* Every shard did 1..last exactly once, in order; `skipped` marks count as 0. */
static inline void journals_check(struct bed *bed, uint64_t last, uint64_t skipped)
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

static inline const char *state_of(struct bed *bed, uint64_t sequence, char text[16])
{
	json_t *list = commands_list(bed->database, sequence + 1, 1);

	snprintf(
	    text, 16, "%s", json_string_value(json_object_get(json_array_get(list, 0), "state")));
	json_decref(list);
	return text;
}

#endif
