/* SPDX-License-Identifier: Apache-2.0 */
/* sessions make, install. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/sluice-provision/provision.h"
#include "tools/sluice-provision/sessions.h"

int provision_sessions(const struct provision *provision, int argc, char **argv)
{
	static const struct option options[] = { { "first-terminal", required_argument, NULL, 't' },
		{ "count", required_argument, NULL, 'c' }, { "out", required_argument, NULL, 'o' },
		{ "rights", required_argument, NULL, 'r' }, { 0 } };
	uint64_t first = 0, count = 0;
	uint32_t rights = RIGHT_ALL;
	const char *out = NULL;
	char message[512], *end;
	int option, result = 0;

	if (argc < 2 || strcmp(argv[1], "make") != 0) {
		fprintf(stderr, "Give `sessions make`. See sluice-provision --help.\n");
		return EXIT_USAGE;
	}
	argc--, argv++;
	while (result == 0 && (option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 't') {
			result = provision_number(
			    "--first-terminal", optarg, 1, LIMIT_TERMINAL_ID_MAX, &first);
		} else if (option == 'c') {
			result =
			    provision_number("--count", optarg, 1, LIMIT_SESSION_SLOTS - 1, &count);
		} else if (option == 'o') {
			out = optarg;
		} else if (option == 'r') {
			unsigned long value = strtoul(optarg, &end, 16);

			if (*end != '\0' || end == optarg || (value & ~(unsigned long)RIGHT_ALL)) {
				fprintf(stderr, "--rights: give hex bits from 0 to %x.\n",
				    (unsigned)RIGHT_ALL);
				result = EXIT_USAGE;
			}
			rights = (uint32_t)value;
		} else {
			result = EXIT_USAGE;
		}
	}
	if (result == 0 && (optind != argc || first == 0 || count == 0 || out == NULL)) {
		fprintf(stderr, "Give --first-terminal T --count N --out FILE.\n");
		result = EXIT_USAGE;
	}
	if (result != 0)
		return result;
	result = sessions_make(out, first, (uint32_t)count, rights, message, sizeof(message));
	if (result != 0) {
		fprintf(stderr, "%s\n", message);
		return result == -EINVAL   ? EXIT_USAGE
		       : result == -EEXIST ? EXIT_REFUSED
		                           : EXIT_UNREACHABLE;
	}
	provision_done(provision, "Sessions made", "sessions", count);
	return EXIT_DONE;
}

static void hex_encode(const uint8_t *bytes, size_t size, char *out)
{
	for (size_t i = 0; i < size; i++)
		snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

struct derived_keys {
	uint8_t to_switch_key[AEAD_KEY_SIZE], to_switch_iv[AEAD_IV_SIZE];
	uint8_t to_terminal_key[AEAD_KEY_SIZE], to_terminal_iv[AEAD_IV_SIZE];
	uint8_t reset_key[KEYS_RESET_SIZE];
};

struct install_rate {
	uint64_t per_s, burst; /* 0: the data plane's defaults */
};

/* The session_install command, or NULL when the library fails. */
static json_t *install_request(const struct session_entry *entry,
    const struct admin_client_status *status, const struct install_rate *rate)
{
	struct derived_keys keys;
	char hex[5][2 * AEAD_KEY_SIZE + 1];
	json_t *request = NULL;

	if (keys_derive(entry->root, KEYS_TO_SWITCH, status->epoch, status->boot_id,
	        keys.to_switch_key, keys.to_switch_iv) == 0 &&
	    keys_derive(entry->root, KEYS_TO_TERMINAL, status->epoch, status->boot_id,
	        keys.to_terminal_key, keys.to_terminal_iv) == 0 &&
	    keys_derive_reset(entry->root, keys.reset_key) == 0) {
		hex_encode(keys.to_switch_key, AEAD_KEY_SIZE, hex[0]);
		hex_encode(keys.to_switch_iv, AEAD_IV_SIZE, hex[1]);
		hex_encode(keys.to_terminal_key, AEAD_KEY_SIZE, hex[2]);
		hex_encode(keys.to_terminal_iv, AEAD_IV_SIZE, hex[3]);
		hex_encode(keys.reset_key, KEYS_RESET_SIZE, hex[4]);
		request = json_pack("{s:s,s:I,s:I,s:I,s:I,s:b,s:s,s:s,s:s,s:s,s:s}", "cmd",
		    "session_install", "session_id", (json_int_t)entry->session_id, "terminal_id",
		    (json_int_t)entry->terminal_id, "rights", (json_int_t)entry->rights, "epoch",
		    (json_int_t)status->epoch, "current", 1, "to_switch_key", hex[0],
		    "to_switch_iv", hex[1], "to_terminal_key", hex[2], "to_terminal_iv", hex[3],
		    "reset_key", hex[4]);
	}
	if (request != NULL && rate->per_s != 0)
		json_object_set_new(request, "rate_per_s", json_integer((json_int_t)rate->per_s));
	if (request != NULL && rate->burst != 0)
		json_object_set_new(request, "rate_burst", json_integer((json_int_t)rate->burst));
	explicit_bzero(&keys, sizeof(keys));
	explicit_bzero(hex, sizeof(hex));
	return request;
}

/* Installs all, at most ADMIN_CLIENT_PIPELINE_MAX unanswered. An exit status. */
static int install_all(struct admin_client *admin, const struct session_list *list,
    const struct admin_client_status *status, const struct install_rate *rate)
{
	size_t sent = 0, answered = 0;
	json_t *answer;
	int result;

	while (answered < list->count) {
		if (sent < list->count && sent - answered < ADMIN_CLIENT_PIPELINE_MAX) {
			json_t *request = install_request(&list->entries[sent], status, rate);

			if (request == NULL) {
				fprintf(stderr, "Key derivation failed. Check libcrypto.\n");
				return EXIT_REFUSED;
			}
			result = admin_client_send(admin, request);
			sent++;
		} else {
			result = admin_client_receive(admin, &answer);
			if (result == 0)
				json_decref(answer);
			answered++;
		}
		if (result != 0) {
			fprintf(stderr, "Session %zu of %zu: ", answered, list->count);
			return provision_failed(admin, result);
		}
	}
	return EXIT_DONE;
}

int provision_install(const struct provision *provision, int argc, char **argv)
{
	static const struct option options[] = { { "sessions", required_argument, NULL, 's' },
		{ "rate", required_argument, NULL, 'r' }, { "burst", required_argument, NULL, 'b' },
		{ 0 } };
	struct session_list list = { 0 };
	struct install_rate rate = { 0 };
	struct admin_client_status status;
	struct admin_client admin;
	const char *path = NULL;
	char message[512];
	int option, result = 0;

	while (result == 0 && (option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 's')
			path = optarg;
		else if (option == 'r')
			result = provision_number("--rate", optarg, 1, UINT32_MAX, &rate.per_s);
		else if (option == 'b')
			result = provision_number("--burst", optarg, 1, UINT32_MAX, &rate.burst);
		else
			result = EXIT_USAGE;
	}
	if (result == 0 && (path == NULL || optind != argc)) {
		fprintf(stderr, "Give --sessions FILE.\n");
		result = EXIT_USAGE;
	}
	if (result != 0)
		return result;
	if (sessions_load(path, &list, message, sizeof(message)) != 0) {
		fprintf(stderr, "%s\n", message);
		return EXIT_UNREACHABLE;
	}
	result = provision_connect(provision, &admin);
	if (result == EXIT_DONE) {
		result = provision_query(&admin, &status);
		if (result == EXIT_DONE)
			result = install_all(&admin, &list, &status, &rate);
		admin_client_close(&admin);
	}
	if (result == EXIT_DONE)
		provision_done(provision, "Sessions installed", "sessions", list.count);
	sessions_free(&list);
	return result;
}
