/* SPDX-License-Identifier: Apache-2.0 */
/* Target: config_parse. The input is a configuration file. */
#include <string.h>

#include "dataplane/config.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dataplane_config *config = NULL;
	char message[512];
	int result;

	memset(message, 'x', sizeof(message));
	result = config_parse(data, size, &config, message, sizeof(message));
	if (result == 0) {
		SLUICE_REQUIRE(config != NULL);
		SLUICE_REQUIRE(config->shards >= 1 && config->shards <= LIMIT_SHARDS);
		SLUICE_REQUIRE(config->lcores.workers_count == config->shards);
		SLUICE_REQUIRE(config->ports_count >= 1 && config->ports_count <= LIMIT_PORTS);
		config_free(config);
	} else {
		/* A refusal always says something, within its room. */
		SLUICE_REQUIRE(config == NULL);
		SLUICE_REQUIRE(message[0] != '\0' && memchr(message, '\0', sizeof(message)));
	}
	return 0;
}
