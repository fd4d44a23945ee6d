/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/config/config.h"
#include "control/log/log.h"
#include "tests/test.h"
#include "wire/keying/keying.h"

static int parse(const char *text, struct control_config *out, char *message, size_t size)
{
	return control_config_parse(
	    (const uint8_t *)text, strlen(text), "control.yaml", out, message, size);
}

TEST(one_line_is_a_configuration_with_defaults)
{
	struct control_config config, defaults;
	char message[512];

	control_config_default(&defaults);
	assert_int_equal(parse("deployment: demo\n", &config, message, sizeof(message)), 0);
	assert_string_equal(config.deployment, "demo");
	memcpy(defaults.deployment, config.deployment, sizeof(defaults.deployment));
	assert_memory_equal(&config, &defaults, sizeof(config));
	assert_int_equal(config.keys.port, KEYING_TCP_PORT);
	assert_string_equal(config.replication.connection, "");
	assert_int_equal(log_level_parse(config.log.level), LOG_INFO);
}

TEST(all_sections_are_read)
{
	struct control_config config;
	char message[512];
	int error = parse("deployment: \"seoul-1\" # ours\n"
	                  "keys: {address: 198.51.100.1, port: 7500, switch_address: 198.18.0.1}\n"
	                  "terminals:\n"
	                  "  session_rate_per_s: 7\n"
	                  "replication:\n"
	                  "  connection: host=/run/postgresql dbname=sluice\n"
	                  "  password_file: '/etc/sluice/pgpass'\n"
	                  "metrics: {directory: /srv/textfile, interval_ms: 500}\n"
	                  "access: {operator_group: sluice-operators, clients_max: 3}\n"
	                  "log: {level: debug}\n",
	    &config, message, sizeof(message));

	if (error != 0)
		fail_msg("%s", message);
	assert_string_equal(config.deployment, "seoul-1");
	assert_string_equal(config.keys.address, "198.51.100.1");
	assert_int_equal(config.keys.port, 7500);
	assert_int_equal(config.keys.session_hours, 24);
	assert_int_equal(config.terminals.session_rate_per_s, 7);
	assert_string_equal(config.replication.connection, "host=/run/postgresql dbname=sluice");
	assert_string_equal(config.replication.password_file, "/etc/sluice/pgpass");
	assert_string_equal(config.metrics.directory, "/srv/textfile");
	assert_int_equal(config.metrics.interval_ms, 500);
	assert_string_equal(config.access.operator_group, "sluice-operators");
	assert_int_equal(config.access.clients_max, 3);
	assert_string_equal(config.log.level, "debug");
}

#define D "deployment: demo\n"

/* The whole message is compared: it is what the operator has. */
static const struct {
	const char *text, *says;
} bad[] = {
	{ D "keys:\n  port: abc\n",
	    "control.yaml:3: key \"keys.port\": expected a whole number from "
	    "1 to 65535, found \"abc\"" },
	{ D "keys:\n  port: 0\n",
	    "control.yaml:3: key \"keys.port\": expected a whole number from 1 "
	    "to 65535, found \"0\"" },
	{ D "keys: {port: 65536}\n",
	    "control.yaml:2: key \"keys.port\": expected a whole number from "
	    "1 to 65535, found \"65536\"" },
	{ D "keys: {handshake_timeout_ms: 5}", "control.yaml:2: key \"keys.handshake_timeout_ms\": "
	                                       "expected a whole number from 100 to 60000 (ms), "
	                                       "found \"5\"" },
	{ D "keys: {port: -1}\n", "found \"-1\"" },
	{ D "keys: {port: 010}\n", "found \"010\"" },
	{ D "keys: {port: 0x10}\n", "found \"0x10\"" },
	{ D "keys: {port: 74.5}\n", "found \"74.5\"" },
	{ D "keys: {port: 7400x}\n", "found \"7400x\"" },
	{ D "keys: {port: 99999999999999999999999}\n", "found \"99999999999999999999999\"" },
	{ D "keys:\n  port:\n",
	    "control.yaml:3: key \"keys.port\": expected a whole number from 1 to "
	    "65535, found \"\"" },
	{ D "keys: {port: [1]}\n",
	    "control.yaml:2: key \"keys.port\": expected one value, found a list" },
	{ D "log: {level: {a: b}}\n",
	    "control.yaml:2: key \"log.level\": expected one value, found a mapping" },
	{ D "keys: 3\n", "control.yaml:2: key \"keys\": expected keys under it, indented, found a "
	                 "value; remove the line if there are none" },
	{ D "keys:\n", "control.yaml:2: key \"keys\": expected keys under it, indented, found "
	               "nothing; remove the line if there are none" },
	{ D "keys: [a]\n", "control.yaml:2: key \"keys\": expected keys under it, found a list" },
	{ D "keys:\n  prot: 3\n",
	    "control.yaml:3: key \"keys.prot\": there is no such key; did you "
	    "mean \"keys.port\"?" },
	{ D "port: 3\n", "control.yaml:2: key \"port\": there is no such key; did you mean "
	                 "\"keys.port\"?" },
	{ D "key: {port: 3}\n",
	    "control.yaml:2: key \"key\": there is no such key; did you mean \"keys\"?" },
	{ D "deploiment: x\n", "control.yaml:2: key \"deploiment\": there is no such key; did you "
	                       "mean \"deployment\"?" },
	{ D "surprise: x\n", "control.yaml:2: key \"surprise\": there is no such key; "
	                     "control/config/README.md lists them all" },
	{ "keys: {port: 3}\n",
	    "control.yaml: key \"deployment\": missing; add \"deployment: NAME\" "
	    "with the name in the data plane's file" },
	{ "deployment:\n",
	    "control.yaml:1: key \"deployment\": expected a name of letters, digits, "
	    "dots, hyphens and underscores, found \"\"" },
	{ "deployment: a b\n", "found \"a b\"" },
	{ D "deployment: again\n",
	    "control.yaml:2: key \"deployment\": given twice, first in line 1; "
	    "remove one" },
	{ D "keys: {port: 1,\n port: 2}\n",
	    "control.yaml:3: key \"keys.port\": given twice, first in line 2; remove one" },
	{ D "keys: {port: 1}\nkeys: {port: 2}\n",
	    "control.yaml:3: key \"keys\": given twice; put all "
	    "its keys under one \"keys:\"" },
	{ D "log: {level: loud}\n",
	    "control.yaml:2: key \"log.level\": expected one of debug, info, "
	    "warning, error, found \"loud\"" },
	{ D "log: {level: \"in\\nfo\"}\n",
	    "control.yaml:2: key \"log.level\": expected one line of "
	    "text, found control character 0x0a" },
	{ D "log: {level: warnings}\n",
	    "control.yaml:2: key \"log.level\": expected at most 7 bytes, "
	    "found 8" },
	{ D "metrics: {directory: ~}\n",
	    "control.yaml:2: key \"metrics.directory\": expected text, "
	    "found nothing (~); remove the line for the default, or "
	    "write \"\"" },
	{ D "metrics: {directory: files}\n",
	    "expected a path from the root, as in /srv/sluice/pgpass"
	    ", found \"files\"" },
	{ D "keys: {switch_address: 198.18.0.256}\n",
	    "expected an IPv4 address as in 198.51.100.7, "
	    "found \"198.18.0.256\"" },
	{ D "keys: {address: localhost}\n", "found \"localhost\"" },
	{ D "access: {admin_group: \"a group\"}\n", "found \"a group\"" },
	{ D "keys: {epoch_minutes: 120, session_hours: 1}\n",
	    "control.yaml:2: key \"keys.epoch_minutes\": expected at most keys.session_hours (60 "
	    "minutes), found 120" },
	{ D "keys: {authority_days: 30}\n", "control.yaml: key \"keys.terminal_certificate_days\": "
	                                    "expected at most keys.authority_days (30), found 90" },
	{ D "keys: {switch_udp_port: 65535,\n switch_udp_port_count: 2}\n",
	    "control.yaml:3: key \"keys.switch_udp_port_count\": expected ports up to 65535, found "
	    "2 "
	    "from 65535 on" },
	{ "", "control.yaml: empty; write at least \"deployment: NAME\"" },
	{ "# nothing\n", "control.yaml: empty; write at least \"deployment: NAME\"" },
	{ "---\n", "control.yaml:2:1: expected keys as in \"deployment: demo\"" },
	{ "demo\n", "control.yaml:1:1: expected keys as in \"deployment: demo\"" },
	{ "- demo\n", "control.yaml:1:1: expected keys as in \"deployment: demo\", found a list" },
	{ D "log: {\n", "control.yaml:3:1: not YAML: " },
	{ D "keys:\n  port: 3\n address: x\n",
	    "control.yaml:4:2: not YAML: did not find expected key; "
	    "look at indentation, quotes and colons there" },
	{ D "keys:\n\tport: 3\n", "control.yaml:3:1: not YAML: a tab; indent with spaces" },
	{ D "log: {level: \"info}\n",
	    "control.yaml:3:1: not YAML: found unexpected end of stream" },
	{ "deployment: &a demo\nlog: {level: *a}\n",
	    "control.yaml:2:14: aliases (*name) are not taken; write the value out" },
	{ D "---\ndeployment: two\n", "control.yaml:2:1: a second document begins" },
	{ D "? [a]\n: b\n", "control.yaml:2:3: a key must be a plain word" },
	{ "deployment: d\xff\n", "control.yaml:1:14: not UTF-8 (invalid leading UTF-8 octet); save "
	                         "the file as UTF-8 text" },
	{ D "log: {level: \xed\xa0\x80}\n", "control.yaml:2:14: not UTF-8" },
	{ "\xff\xfe"
	  "d",
	    "control.yaml:1:1: not UTF-8" },
	{ D "# \x01\n", "control.yaml:2:3: control character 0x01; is it the right file?" },
};

TEST(every_mistake_is_named_with_its_place)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct control_config config;
		char message[512] = "";

		memset(&config, 0x5a, sizeof(config));
		if (parse(bad[i].text, &config, message, sizeof(message)) != -EINVAL)
			fail_msg("case %zu was accepted: %s", i, bad[i].text);
		if (strstr(message, bad[i].says) == NULL)
			fail_msg("case %zu:\n says \"%s\"\n want \"%s\"", i, message, bad[i].says);
		for (size_t at = 0; at < sizeof(config); at++)
			assert_int_equal(((uint8_t *)&config)[at], 0x5a);
	}
}

/* Neither accepted nor repeated in the message, which ends in logs and on screens. */
TEST(passwords_are_refused_in_every_spelling)
{
	static const char *const connections[] = {
		"host=db password=hunter2",
		"host=db password = 'hunter2'",
		"postgresql://sluice:hunter2@db/sluice",
		"postgres://db/sluice?user=a&password=hunter2",
		"host=db sslkey=/k sslpassword=hunter2",
	};

	for (size_t i = 0; i < sizeof(connections) / sizeof(connections[0]); i++) {
		struct control_config config;
		char text[256], message[512];

		snprintf(
		    text, sizeof(text), D "replication:\n  connection: \"%s\"\n", connections[i]);
		assert_int_equal(parse(text, &config, message, sizeof(message)), -EINVAL);
		if (strstr(message, "control.yaml:3: key \"replication.connection\"") == NULL ||
		    strstr(message, "replication.password_file") == NULL ||
		    strstr(message, "hunter2") != NULL)
			fail_msg("case %zu: %s", i, message);
	}
}

TEST(broken_connections_are_refused_without_their_secrets)
{
	static const char *const connections[] = { "host=db password hunter2 x=y",
		"postgresql://a:hunter2@[::1/x", "host=db nonsense=1" };

	for (size_t i = 0; i < sizeof(connections) / sizeof(connections[0]); i++) {
		struct control_config config;
		char text[256], message[512];

		snprintf(
		    text, sizeof(text), D "replication:\n  connection: \"%s\"\n", connections[i]);
		assert_int_equal(parse(text, &config, message, sizeof(message)), -EINVAL);
		if (strstr(message, "expected a libpq connection string") == NULL ||
		    strstr(message, "hunter2") != NULL)
			fail_msg("case %zu: %s", i, message);
	}
}

TEST(an_unknown_key_of_any_length_is_named_and_bounded)
{
	struct control_config config;
	char *text = malloc(100001), message[512];

	memset(text, 'x', 1000);
	memcpy(text + 1000, ": 1\n", 5);
	assert_int_equal(parse(text, &config, message, sizeof(message)), -EINVAL);
	assert_non_null(strstr(message, "xxx...\": there is no such key"));
	memset(text, '[', 100000);
	text[100000] = '\0';
	assert_int_equal(parse(text, &config, message, sizeof(message)), -EINVAL);
	free(text);
}

/* ---- Files ---- */

static void file_write(char *path, const char *text, size_t size)
{
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, size), size);
	close(fd);
}

TEST(files_are_read_and_named)
{
	char path[] = "/tmp/sluice-config-XXXXXX", message[512], *large;
	struct control_config config;

	file_write(path, D "log: {levels: info}\n", strlen(D "log: {levels: info}\n"));
	assert_int_equal(control_config_load(path, &config, message, sizeof(message)), -EINVAL);
	assert_int_equal(strncmp(message, path, strlen(path)), 0);
	assert_non_null(strstr(message, ":2: key \"log.levels\""));
	unlink(path);
	assert_int_equal(control_config_load(path, &config, message, sizeof(message)), -ENOENT);
	assert_non_null(strstr(message, "No such file"));
	assert_int_equal(control_config_load("/tmp", &config, message, sizeof(message)), -EISDIR);
	assert_non_null(strstr(message, "/tmp: Is a directory"));

	large = malloc((1u << 20) + 1);
	memset(large, '\n', (1u << 20) + 1);
	memcpy(large, D, strlen(D));
	memcpy(path + strlen(path) - 6, "XXXXXX", 6);
	file_write(path, large, 1u << 20);
	assert_int_equal(control_config_load(path, &config, message, sizeof(message)), 0);
	unlink(path);
	memcpy(path + strlen(path) - 6, "XXXXXX", 6);
	file_write(path, large, (1u << 20) + 1);
	assert_int_equal(control_config_load(path, &config, message, sizeof(message)), -EFBIG);
	assert_non_null(strstr(message, "larger than 1 MiB"));
	unlink(path);
	free(large);
}

/* ---- What is made of the table ---- */

TEST(show_lists_every_key_with_its_value_and_default)
{
	static char reference[32768];
	struct control_config config;
	char message[512];
	json_t *list, *row;
	size_t index, lines = 0;
	int ports = 0;

	assert_int_equal(parse(D "keys: {port: 7500}\n", &config, message, sizeof(message)), 0);
	list = control_config_show(&config);
	/* The reference has two lines above the keys. */
	control_config_reference(reference, sizeof(reference));
	for (const char *at = reference; (at = strchr(at, '\n')) != NULL; at++)
		lines++;
	assert_true(lines > 30);
	assert_int_equal(json_array_size(list), lines - 2);
	json_array_foreach(list, index, row)
	{
		const char *change = json_string_value(json_object_get(row, "change"));

		assert_int_equal(json_object_size(row), 6);
		assert_true(strcmp(change, "restart") == 0 || strcmp(change, "reload") == 0);
		assert_true(strlen(json_string_value(json_object_get(row, "help"))) > 5);
		if (strcmp(json_string_value(json_object_get(row, "key")), "keys.port") != 0)
			continue;
		ports++;
		assert_int_equal(json_integer_value(json_object_get(row, "value")), 7500);
		assert_int_equal(json_integer_value(json_object_get(row, "default")), 7402);
		assert_string_equal(change, "restart");
	}
	assert_int_equal(ports, 1);
	json_decref(list);
}

TEST(reload_takes_what_it_may_and_names_the_rest)
{
	struct control_config current, fresh;
	char message[512], keys[128], few[8];

	assert_int_equal(parse(D "log: {level: info}\n", &current, message, sizeof(message)), 0);
	assert_int_equal(
	    parse("deployment: other\nlog: {level: debug}\nkeys: {port: 1, session_hours: 3}\n"
	          "replication: {connection: dbname=x}\n",
	        &fresh, message, sizeof(message)),
	    0);
	assert_int_equal(control_config_reload(&current, &fresh, keys, sizeof(keys)), 2);
	assert_string_equal(keys, "deployment,keys.port,replication.connection");
	assert_string_equal(current.log.level, "debug");
	assert_int_equal(current.keys.session_hours, 3);
	assert_int_equal(current.keys.port, 7402);
	assert_string_equal(current.deployment, "demo");
	assert_string_equal(current.replication.connection, "");
	/* Again: nothing new, the same keys wait for a restart; a short room is not passed. */
	assert_int_equal(control_config_reload(&current, &fresh, few, sizeof(few)), 0);
	assert_string_equal(few, "deploym");
	assert_int_equal(control_config_reload(&current, &current, keys, sizeof(keys)), 0);
	assert_string_equal(keys, "");
}

TEST(readme_holds_the_reference)
{
	static char reference[32768], readme[65536];
	FILE *file = fopen(SOURCE_ROOT "/control/config/README.md", "rb");
	char little[10];

	control_config_reference(reference, sizeof(reference));
	assert_true(strlen(reference) < sizeof(reference) - 1);
	assert_non_null(file);
	readme[fread(readme, 1, sizeof(readme) - 1, file)] = '\0';
	fclose(file);
	if (strstr(readme, reference) == NULL)
		fail_msg("control/config/README.md must hold:\n%s", reference);
	control_config_reference(little, sizeof(little));
	assert_int_equal(strlen(little), 9);
}

TEST_MAIN()
