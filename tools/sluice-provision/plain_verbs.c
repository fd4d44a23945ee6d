/* SPDX-License-Identifier: Apache-2.0 */
/* open, status, wait, stop. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/sluice-provision/provision.h"

#define WAIT_SECONDS_DEFAULT 30
#define WAIT_STEP_NS         50000000l

/* 0 when there are no arguments behind the verb. */
static int no_arguments(int argc, char **argv)
{
	if (argc == 1)
		return 0;
	fprintf(stderr, "%s takes no arguments.\n", argv[0]);
	return EXIT_USAGE;
}

static int plain_call(const struct provision *provision, const char *command, json_t **answer)
{
	struct admin_client admin;
	int result = provision_connect(provision, &admin);
	int error;

	if (result != EXIT_DONE)
		return result;
	error = admin_client_call(&admin, json_pack("{s:s}", "cmd", command), answer);
	if (error != 0)
		result = provision_failed(&admin, error);
	admin_client_close(&admin);
	return result;
}

int provision_open(const struct provision *provision, int argc, char **argv)
{
	int result = no_arguments(argc, argv);

	if (result == 0)
		result = plain_call(provision, "open", NULL);
	if (result == EXIT_DONE)
		provision_done(provision, "Ports open", "open", 1);
	return result;
}

int provision_stop(const struct provision *provision, int argc, char **argv)
{
	int result = no_arguments(argc, argv);

	if (result == 0)
		result = plain_call(provision, "stop", NULL);
	if (result == EXIT_DONE)
		provision_done(provision, "Stopping", "stopping", 1);
	return result;
}

static long long shard_figure(const json_t *shard, const char *name)
{
	return (long long)json_integer_value(json_object_get(shard, name));
}

static void status_print(const json_t *status)
{
	const char *boot_id = json_string_value(json_object_get(status, "boot_id"));
	const json_t *shard;
	size_t index;

	printf("boot id %s, epoch %lld, ports %s\n", boot_id != NULL ? boot_id : "?",
	    (long long)json_integer_value(json_object_get(status, "epoch")),
	    json_is_true(json_object_get(status, "open")) ? "open" : "closed");
	printf("%5s %14s %14s %14s %12s %12s %12s\n", "shard", "durable LSN", "committed LSN",
	    "checkpoint LSN", "accounts", "bets", "sequence");
	json_array_foreach(json_object_get(status, "shards"), index, shard)
	    printf("%5zu %14lld %14lld %14lld %12lld %12lld %12lld\n", index,
	        shard_figure(shard, "durable_lsn"), shard_figure(shard, "committed_lsn"),
	        shard_figure(shard, "checkpoint_lsn"), shard_figure(shard, "accounts"),
	        shard_figure(shard, "bets"), shard_figure(shard, "control_sequence"));
}

int provision_status(const struct provision *provision, int argc, char **argv)
{
	struct provision local = *provision;
	json_t *answer = NULL;
	int result;

	if (argc == 2 && strcmp(argv[1], "--json") == 0) {
		local.json = 1;
		argc--;
	}
	result = no_arguments(argc, argv);
	if (result == 0)
		result = plain_call(&local, "status", &answer);
	if (result != EXIT_DONE)
		return result;
	if (local.json) {
		json_dumpf(answer, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		status_print(answer);
	}
	json_decref(answer);
	return EXIT_DONE;
}

int provision_wait(const struct provision *provision, int argc, char **argv)
{
	static const struct option options[] = { { "seconds", required_argument, NULL, 's' },
		{ 0 } };
	struct timespec step = { .tv_nsec = WAIT_STEP_NS };
	uint64_t seconds = WAIT_SECONDS_DEFAULT;
	char path[4096];
	time_t end;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (option != 's' || provision_number("--seconds", optarg, 1, 86400, &seconds) != 0)
			return EXIT_USAGE;
	if (optind != argc || admin_client_path(provision->root, path, sizeof(path)) != 0)
		return EXIT_USAGE;
	end = time(NULL) + (time_t)seconds;
	for (;;) {
		struct admin_client admin;
		json_t *answer = NULL;
		int result = admin_client_open(&admin, path, 5);

		if (result == 0)
			result =
			    admin_client_call(&admin, json_pack("{s:s}", "cmd", "status"), &answer);
		json_decref(answer);
		if (result != 0 && time(NULL) >= end)
			fprintf(stderr, "%s\n", admin.message);
		admin_client_close(&admin);
		if (result == 0)
			break;
		if (time(NULL) >= end)
			return EXIT_UNREACHABLE;
		nanosleep(&step, NULL);
	}
	provision_done(provision, "Data plane answers", "answers", 1);
	return EXIT_DONE;
}
