/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of the tables, where all of it is taken at the start. */
#include <inttypes.h>
#include <stdio.h>

#include "dataplane/switch.h"

/* What the kernel could give without taking it from anybody; 0 if it does not say. */
static uint64_t bytes_available(void)
{
	FILE *file = fopen("/proc/meminfo", "re");
	uint64_t kib = 0;
	char line[128];

	if (file == NULL)
		return 0;
	while (fgets(line, sizeof(line), file) != NULL && kib == 0)
		if (sscanf(line, "MemAvailable: %" SCNu64, &kib) != 1)
			kib = 0;
	fclose(file);
	return kib << 10;
}

/* Address space only: nothing is touched, so nothing is taken. */
static uint64_t table_bytes(struct ledger_config config)
{
	struct ledger *ledger;
	uint64_t bytes;

	config.populate = 0;
	ledger = ledger_create(&config);
	bytes = ledger == NULL ? UINT64_MAX / LIMIT_SHARDS / 4 : ledger_bytes_populated(ledger);
	ledger_free(ledger);
	return bytes;
}

int switch_tables_fit(struct switch_process *process)
{
	uint64_t needed = 0, available = bytes_available();

	if (!process->config->memory.populate || available == 0)
		return 0;
	for (uint32_t shard = 0; shard < process->shared.shard_count; shard++) {
		const struct ledger_config *config = &process->shards[shard].store_config.ledger;

		needed += table_bytes(*config) + table_bytes(store_ledger_config(config));
	}
	if (needed <= available)
		return 0;
	snprintf(process->message, sizeof(process->message),
	    "the tables of all rows of `capacity` take %" PRIu64 " MiB, and %" PRIu64
	    " MiB are available: lower the capacity, or set memory.populate to "
	    "false, which takes memory when rows are first used",
	    needed >> 20, available >> 20);
	return EXIT_UNREACHABLE;
}
