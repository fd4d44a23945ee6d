/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replicates ROOT into $SLUICE_TEST_POSTGRES until nothing is missing, or for SECONDS, and prints
 * the rate, the lag every second, and what verify says: stream_for ROOT [SECONDS [VERIFY]].
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/replication/replication.h"

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int main(int argc, char **argv)
{
	struct control_config config = { .deployment = "test",
		.replication = { .batch_events_max = 20000,
		    .batch_delay_ms = 200,
		    .backoff_ms_max = 5000,
		    .months_ahead = 3 } };
	const char *conninfo = getenv("SLUICE_TEST_POSTGRES"), *batch = getenv("BATCH");
	int64_t seconds = argc > 2 ? strtoll(argv[2], NULL, 10) : 0, begun = now_ms(),
	        printed = begun;
	struct replication_report report;
	struct replication *replication;
	struct database *database;
	char path[4200], message[256] = "";
	uint64_t lag_max = 0, lag_ms_max = 0;
	json_t *result = NULL;

	if (argc < 2 || conninfo == NULL)
		return 2;
	if (batch != NULL)
		config.replication.batch_events_max = (uint32_t)strtoul(batch, NULL, 10);
	snprintf(
	    config.replication.connection, sizeof(config.replication.connection), "%s", conninfo);
	snprintf(path, sizeof(path), "%s/var/lib/sluice/control", argv[1]);
	if (database_open(&database, path, "test", message, sizeof(message)) != 0 ||
	    replication_start(&replication, &config, argv[1], database) != 0) {
		fprintf(stderr, "%s\n", message);
		return 1;
	}
	for (;;) {
		nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
		replication_report(replication, &report);
		if (report.state == REPLICATION_FAILED) {
			fprintf(stderr, "failed: %s\n", report.message);
			break;
		}
		if (now_ms() - begun > 3000 && report.lag_ms > lag_ms_max)
			lag_ms_max = report.lag_ms;
		if (report.lag_events > lag_max)
			lag_max = report.lag_events;
		if (now_ms() - printed >= 1000) {
			printed = now_ms();
			printf("%6.1f s  %10" PRIu64 " events  lag %8" PRIu64 " events %6" PRIu64
			       " ms %s\n",
			    (double)(printed - begun) / 1000, report.events, report.lag_events,
			    report.lag_ms, report.message);
		}
		if (seconds == 0 ? report.events > 0 && report.lag_events == 0
		                 : now_ms() - begun > seconds * 1000)
			break;
	}
	printf("%" PRIu64 " events in %" PRIu64 " transactions, %.2f s, %.0f events/s, lag at most "
	       "%" PRIu64 " ms\n",
	    report.events, report.transactions, (double)(now_ms() - begun) / 1000,
	    (double)report.events * 1000 / (double)(now_ms() - begun), lag_ms_max);
	if (argc > 3) {
		if (replication_verify(replication, &result, message, sizeof(message)) == 0) {
			json_dumpf(result, stdout, JSON_COMPACT);
			printf("\n");
		} else {
			printf("verify: %s\n", message);
		}
		json_decref(result);
	}
	replication_stop(replication);
	database_close(database);
	return 0;
}
