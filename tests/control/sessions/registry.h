/* SPDX-License-Identifier: Apache-2.0 */
/* A registry over a database in a folder of its own. */
#ifndef SLUICE_TESTS_CONTROL_REGISTRY_H
#define SLUICE_TESTS_CONTROL_REGISTRY_H

#include <stdlib.h>
#include <unistd.h>

#include "control/sessions/sessions.h"
#include "tests/test.h"

#define REGISTRY_S_NS 1000000000ull

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
