/* SPDX-License-Identifier: Apache-2.0 */
/* Targets: control_config_parse, yaml_walk. The input is a configuration file of control. */
#include <string.h>

#include "control/config/config.h"
#include "tests/fuzz/fuzz.h"

static int is_text(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

/* What the rest of control relies on without looking again. */
static void check(const struct control_config *config)
{
	SLUICE_REQUIRE(config->deployment[0] != '\0');
	SLUICE_REQUIRE(is_text(config->deployment, sizeof(config->deployment)));
	SLUICE_REQUIRE(is_text(config->keys.address, sizeof(config->keys.address)));
	SLUICE_REQUIRE(
	    is_text(config->replication.connection, sizeof(config->replication.connection)));
	SLUICE_REQUIRE(config->keys.port >= 1 && config->keys.port <= 65535);
	SLUICE_REQUIRE(config->keys.epoch_minutes >= 1);
	SLUICE_REQUIRE(config->keys.epoch_minutes <= config->keys.session_hours * 60);
	SLUICE_REQUIRE(config->terminals.silent_intervals >= 1);
	SLUICE_REQUIRE(config->replication.batch_events_max >= 1);
	SLUICE_REQUIRE(config->metrics.interval_ms >= 100);
	SLUICE_REQUIRE(config->metrics.directory[0] == '\0' || config->metrics.directory[0] == '/');
	SLUICE_REQUIRE(config->access.clients_max >= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct control_config config, untouched, current;
	char message[512], keys[64];
	json_t *list;

	memset(&config, 0x5a, sizeof(config));
	untouched = config;
	memset(message, 'x', sizeof(message));
	if (control_config_parse(data, size, "f", &config, message, sizeof(message)) != 0) {
		/* A refusal says something, within its room, on one line, and changes nothing. */
		SLUICE_REQUIRE(is_text(message, sizeof(message)) && message[0] == 'f');
		SLUICE_REQUIRE(strchr(message, '\n') == NULL);
		SLUICE_REQUIRE(memcmp(&config, &untouched, sizeof(config)) == 0);
		return 0;
	}
	check(&config);
	control_config_default(&current);
	(void)control_config_reload(&current, &config, keys, sizeof(keys));
	/* The deployment of `current` is empty, so at least that one waits for a restart. */
	SLUICE_REQUIRE(strncmp(keys, "deployment", 10) == 0);
	list = control_config_show(&config);
	SLUICE_REQUIRE(list != NULL && json_array_size(list) > 0);
	json_decref(list);
	return 0;
}
