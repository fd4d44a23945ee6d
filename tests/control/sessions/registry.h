/* SPDX-License-Identifier: Apache-2.0 */
/* A registry over a database in a folder of its own. */
#ifndef SLUICE_TESTS_CONTROL_REGISTRY_H
#define SLUICE_TESTS_CONTROL_REGISTRY_H

#include <stdlib.h>
#include <unistd.h>

#include "control/sessions/sessions.h"
#include "tests/test.h"

#define REGISTRY_S_NS      1000000000ull
#define REGISTRY_TERMINALS 8u /* enrolled, active, at version 1 */

struct registry {
	char folder[64];
	struct database *database;
	struct sessions *sessions;
	struct sessions_settings settings;
};

static inline void registry_start(struct registry *registry)
{
	char message[256];

	assert_int_equal(
	    database_open(&registry->database, registry->folder, "test", message, sizeof(message)),
	    0);
	assert_int_equal(
	    sessions_create(&registry->sessions, registry->database, &registry->settings), 0);
}

static inline void registry_stop(struct registry *registry)
{
	sessions_free(registry->sessions);
	database_close(registry->database);
}

static inline int terminal_body(struct db_txn *txn, void *context)
{
	const struct record_control_terminal *row = context;
	struct db_key key = db_key_make(le64_get(row->id));

	return database_put(
	    txn, CONTROL_TABLE_TERMINAL, db_key(&key), (struct db_bytes){ row, sizeof(*row) });
}

/* What control's database knows of a terminal, for the registry's next start. */
static inline void registry_terminal(struct registry *registry, uint64_t id,
    enum control_terminal_state state, uint64_t version, uint64_t void_version)
{
	struct record_control_terminal row = {
		.header = record_control_header(RECORD_CONTROL_TERMINAL, sizeof(row)),
		.id = le64_make(id),
		.version = le64_make(version),
		.sessions_void_version = le64_make(void_version),
		.state = (uint8_t)state,
	};

	assert_int_equal(database_write(registry->database, terminal_body, &row), 0);
}

static inline void registry_restart(struct registry *registry)
{
	registry_stop(registry);
	registry_start(registry);
}

static inline struct registry registry_make(uint32_t slots_max)
{
	struct registry registry = {
		.folder = "/tmp/sluice-test-sessions-XXXXXX",
		.settings = { .slots_max = slots_max,
		    .life_ns = 24 * 3600 * REGISTRY_S_NS,
		    .epoch_ns = 3600 * REGISTRY_S_NS,
		    .rate_per_s = 100,
		    .rate_burst = 200 },
	};

	assert_non_null(mkdtemp(registry.folder));
	registry_start(&registry);
	for (uint64_t id = 1; id <= REGISTRY_TERMINALS; id++)
		registry_terminal(&registry, id, CONTROL_TERMINAL_ACTIVE, 1, 1);
	return registry;
}

static inline void registry_remove(struct registry *registry)
{
	char command[128];

	registry_stop(registry);
	snprintf(command, sizeof(command), "rm -rf '%s'", registry->folder);
	assert_int_equal(system(command), 0);
}

#endif
