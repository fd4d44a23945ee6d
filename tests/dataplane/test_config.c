/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/config.h"
#include "tests/test.h"

static const char good[] =
    "deployment: demo\n"
    "shards: 1\n"
    "lcores: {main: 1, workers: [0], store: 1}\n"
    "polling: adaptive\n"
    "memory: {hugepages: false, megabytes: 256, file_prefix: demo}\n"
    "ports: [{type: af_xdp, interface: eth0, address: 198.18.0.1, udp_port: 7400}]\n"
    "capacity: {accounts: 1000, bets: 1000, markets: 100, terminals: 10, sessions: 10}\n"
    "journal: {segment_mib: 16, depth: 2, segments_ready: 2, segments_max: 8}\n"
    "store: {log_rotate_mib: 64, log_keep_mib: 0, checkpoint_interval_ms: 1000}\n";

/* The good text with one part replaced. */
static size_t varied(const char *from, const char *to, char *out, size_t size)
{
	const char *at = strstr(good, from);

	assert_non_null(at);
	return (size_t)snprintf(
	    out, size, "%.*s%s%s", (int)(at - good), good, to, at + strlen(from));
}

TEST(good_configuration_is_read)
{
	struct dataplane_config *config = NULL;
	char message[512];

	assert_int_equal(config_parse((const uint8_t *)good, sizeof(good) - 1, &config, message,
	                     sizeof(message)),
	    0);
	assert_int_equal(config->shards, 1);
	assert_int_equal(config->lcores.workers[0], 0);
	assert_int_equal(config->polling, CONFIG_POLLING_ADAPTIVE);
	assert_int_equal(config->worker_budget_percent, 0);
	assert_int_equal(config->ports[0].address_ipv4, 198u << 24 | 18u << 16 | 1);
	assert_int_equal(config->ports[0].udp_port, 7400);
	assert_int_equal(config->capacity.objects, 65536);
	config_free(config);
}

/* As many objects as bets, unless the file says otherwise. */
TEST(objects_follow_bets_unless_given)
{
	static const struct {
		const char *to;
		uint32_t objects;
	} cases[] = {
		{ "bets: 200000", 200000 },
		{ "bets: 1000, objects: 20", 20 },
		{ "bets: 200000, objects: 70000", 70000 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct dataplane_config *config = NULL;
		char text[2048], message[512];
		size_t size = varied("bets: 1000", cases[i].to, text, sizeof(text));

		assert_int_equal(
		    config_parse((const uint8_t *)text, size, &config, message, sizeof(message)),
		    0);
		assert_int_equal(config->capacity.objects, cases[i].objects);
		config_free(config);
	}
}

/* Each bad value is refused, the output is untouched and the message names the place. */
TEST(bad_configuration_is_refused_with_the_place)
{
	static const struct {
		const char *from, *to, *says;
	} cases[] = {
		{ "shards: 1", "shards: 0", "shards" },
		{ "shards: 1", "shards: 65", "shards" },
		{ "shards: 1", "shards: 2", "lcores.workers" },
		{ "shards: 1", "shards: many", "shards" },
		{ "segment_mib: 16", "segment_mib: 16x", "segment_mib" },
		{ "accounts: 1000", "accounts: 1e6", "accounts" },
		{ "bets: 1000", "bets: 20_000", "bets" },
		{ "megabytes: 256", "megabytes: 25.6", "megabytes" },
		{ "shards: 1", "shard: 1", "shard" },
		{ "adaptive", "lazy", "polling" },
		{ "polling: adaptive", "polling: adaptive\nworker_budget_percent: 101",
		    "worker_budget_percent" },
		{ "address: 198.18.0.1", "address: 198.18.0.256", "ports[0].address" },
		{ "udp_port: 7400", "udp_port: 0", "ports[0].udp_port" },
		{ "udp_port: 7400", "udp_port: 65536", "udp_port" },
		{ "interface: eth0, ", "", "ports[0].interface" },
		{ "type: af_xdp, interface: eth0", "type: memif", "ports[0].socket" },
		{ "type: af_xdp", "type: carrier_pigeon", "type" },
		{ "accounts: 1000", "accounts: 1", "capacity.accounts" },
		{ "bets: 1000", "bets: 1000, objects: 1", "capacity.objects" },
		{ "depth: 2", "depth: 9", "journal.depth" },
		{ "segments_max: 8", "segments_max: 3", "journal.segments_max" },
		{ "segment_mib: 16", "segment_mib: 0", "journal.segment_mib" },
		{ "megabytes: 256", "megabytes: 8", "memory.megabytes" },
		{ "megabytes: 256", "megabytes: 256, populate: later", "memory.populate" },
		{ "log_rotate_mib: 64", "log_rotate_mib: -1", "log_rotate_mib" },
		{ "deployment: demo\n", "", "deployment" },
		{ "deployment: demo\n", "deployment: [\n", "" },
		{ "deployment: demo\n", "deployment: &a demo\nroot: *a\n", "" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct dataplane_config *config = NULL;
		char text[2048], message[512];
		size_t size = varied(cases[i].from, cases[i].to, text, sizeof(text));

		if (config_parse((const uint8_t *)text, size, &config, message, sizeof(message)) ==
		    0)
			fail_msg("case %zu was accepted: %s", i, cases[i].to);
		assert_null(config);
		if (message[0] == '\0' || strstr(message, cases[i].says) == NULL)
			fail_msg(
			    "case %zu: \"%s\" does not name \"%s\"", i, message, cases[i].says);
	}
}

/* What an operator reads: file, line, key, what was expected and found. */
TEST(messages_name_line_key_and_what_was_expected)
{
	static const struct {
		const char *from, *to, *says;
	} cases[] = {
		{ "shards: 1", "shards: many",
		    "configuration:2: key \"shards\": expected a whole number "
		    "from 1 to 64, found \"many\"" },
		{ "megabytes: 256", "megabytes: 8",
		    "configuration:5: key \"memory.megabytes\": expected "
		    "a whole number from 32 to 1048576 (MiB), found \"8\"" },
		{ "depth: 2", "dept: 2",
		    "configuration:8: key \"journal.dept\": there is no such key; "
		    "did you mean \"journal.depth\"?" },
		{ "adaptive", "adapt", "expected one of busy, adaptive, found \"adapt\"" },
		{ "adaptive", "[busy]",
		    "configuration:4: key \"polling\": expected a value, found a list" },
		{ "hugepages: false", "hugepages: maybe",
		    "key \"memory.hugepages\": expected one of true, false, found \"maybe\"" },
		{ "workers: [0]", "workers: 0",
		    "configuration:3: key \"lcores.workers\": expected a list, found a value" },
		{ "workers: [0]", "workers: [x]",
		    "configuration:3: key \"lcores.workers[0]\": expected a whole number" },
		{ "udp_port: 7400}", "udp_port: 7400}, {type: ring}",
		    "configuration:6: key \"ports[1].address\": missing" },
		{ "address: 198.18.0.1, ", "",
		    "configuration:6: key \"ports[0].address\": missing" },
		{ "udp_port: 7400", "udp_port: 7400, udp_port: 1",
		    "configuration:6: key \"ports[0].udp_port\": given twice, first in line 6" },
		{ "shards: 1\n", "shards: 1\nshards: 1\n",
		    "configuration:3: key \"shards\": given twice, first in line 2; remove one" },
		{ "deployment: demo\n", "", "configuration: key \"deployment\": missing; add it" },
		{ ", depth: 2", "", "configuration: key \"journal.depth\": missing; add it" },
		{ "segments_max: 8", "segments_max: 3",
		    "configuration: key \"journal.segments_max\": "
		    "expected segments_ready + 2 (4) at least" },
		{ "shards: 1\n", "\tshards: 1\n",
		    "configuration:2:1: not YAML: a tab; indent with spaces" },
		{ "depth: 2", "depth: 010", "found \"010\"" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct dataplane_config *config = NULL;
		char text[2048], message[512];
		size_t size = varied(cases[i].from, cases[i].to, text, sizeof(text));

		if (config_parse((const uint8_t *)text, size, &config, message, sizeof(message)) ==
		    0)
			fail_msg("case %zu was accepted", i);
		if (strstr(message, cases[i].says) == NULL)
			fail_msg(
			    "case %zu:\n says \"%s\"\n want \"%s\"", i, message, cases[i].says);
	}
}

TEST(each_port_may_have_every_key)
{
	struct dataplane_config *config = NULL;
	char text[2048], message[512];
	size_t size = varied("udp_port: 7400}",
	    "udp_port: 7400}, {type: memif, socket: /s, address: 198.18.0.2, udp_port: 7500}", text,
	    sizeof(text));

	if (config_parse((const uint8_t *)text, size, &config, message, sizeof(message)) != 0)
		fail_msg("%s", message);
	assert_int_equal(config->ports_count, 2);
	assert_int_equal(config->ports[1].udp_port, 7500);
	config_free(config);
}

TEST(empty_and_binary_input_are_refused)
{
	static const uint8_t binary[] = { 0xff, 0xfe, 0, 1, 2, 3 };
	struct dataplane_config *config = NULL;
	char message[512];

	assert_int_not_equal(
	    config_parse((const uint8_t *)"", 0, &config, message, sizeof(message)), 0);
	assert_int_not_equal(
	    config_parse(binary, sizeof(binary), &config, message, sizeof(message)), 0);
	assert_null(config);
}

TEST_MAIN()
