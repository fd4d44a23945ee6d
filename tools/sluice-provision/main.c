/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/sluice-provision/provision.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROVISION_TIMEOUT_S 120

static const struct {
	const char *name;
	int (*run)(const struct provision *provision, int argc, char **argv);
} verbs[] = {
	{ "sessions", provision_sessions },
	{ "install", provision_install },
	{ "markets", provision_markets },
	{ "accounts", provision_accounts },
	{ "rules", provision_rules },
	{ "open", provision_open },
	{ "status", provision_status },
	{ "wait", provision_wait },
	{ "stop", provision_stop },
};

static void usage(FILE *out)
{
	fputs(
	    "Usage: sluice-provision [--root DIR] [--json] VERB ...\n"
	    "\n"
	    "Puts sessions, markets, accounts and rules into a running data plane through its "
	    "admin\n"
	    "socket. A stand-in for the control plane in tests and benchmarks: it keeps no state, "
	    "no\n"
	    "audit log and no access rules. Do not use it where real money is.\n"
	    "\n"
	    "  sessions make --first-terminal T --count N --out FILE [--rights HEX]\n"
	    "                     write N new sessions with random roots (file mode 0600)\n"
	    "  install --sessions FILE [--rate N] [--burst N]\n"
	    "                     derive the keys of the data plane's boot id and install them;\n"
	    "                     messages a second and at once per session, else its defaults\n"
	    "  markets --file SEASON.csv [--start YYYY-MM-DDTHH:MM:SSZ]\n"
	    "                     load matches as events 1.. with 1X2 (event*10+1) and over/under "
	    "2.5\n"
	    "                     (event*10+2) markets, open; the season begins at --start, else "
	    "in\n"
	    "                     one day\n"
	    "  accounts --first A --count N --currency C --opening-balance M\n"
	    "                     open N accounts; C is an ISO 4217 number, M in minor units\n"
	    "  rules [--set KEY=VALUE ...] [--factors]\n"
	    "                     the default rules with these changes (--list shows the keys);\n"
	    "                     --factors: with all risk factors at their defaults\n"
	    "  open               open the ports\n"
	    "  status             the data plane's status\n"
	    "  wait [--seconds N] until the admin socket answers (30)\n"
	    "  stop               stop the data plane in order\n"
	    "\n"
	    "  --root DIR         root of the instance (SLUICE_ROOT, else build/sluice)\n"
	    "  --json             one JSON object on standard output\n"
	    "  --help, --version\n"
	    "\n"
	    "Exit status: 0 done, 1 refused, 2 usage, 3 data plane unreachable or file missing.\n",
	    out);
}

int provision_connect(const struct provision *provision, struct admin_client *admin)
{
	char path[4096];
	int result;

	if (admin_client_path(provision->root, path, sizeof(path)) != 0) {
		fprintf(stderr, "The root path is too long. Use a shorter one.\n");
		return EXIT_USAGE;
	}
	result = admin_client_open(admin, path, PROVISION_TIMEOUT_S);
	if (result == 0)
		return EXIT_DONE;
	result = provision_failed(admin, result);
	admin_client_close(admin);
	return result;
}

int provision_failed(const struct admin_client *admin, int error)
{
	fprintf(stderr, "%s\n", admin->message);
	return error == -EPERM || error == -EPROTO ? EXIT_REFUSED : EXIT_UNREACHABLE;
}

int provision_query(struct admin_client *admin, struct admin_client_status *status)
{
	json_t *answer = NULL;
	int result = admin_client_call(admin, json_pack("{s:s}", "cmd", "status"), &answer);

	if (result == 0)
		result = admin_client_status_parse(admin, answer, status);
	json_decref(answer);
	return result == 0 ? EXIT_DONE : provision_failed(admin, result);
}

int provision_number(
    const char *option, const char *text, uint64_t minimum, uint64_t maximum, uint64_t *value)
{
	unsigned long long number;
	char *end;

	errno = 0;
	number = strtoull(text, &end, 10);
	if (errno != 0 || text[0] < '0' || text[0] > '9' || *end != '\0' || number < minimum ||
	    number > maximum) {
		fprintf(stderr, "%s: give a number from %" PRIu64 " to %" PRIu64 ".\n", option,
		    minimum, maximum);
		return EXIT_USAGE;
	}
	*value = number;
	return 0;
}

void provision_done(
    const struct provision *provision, const char *text, const char *name, uint64_t value)
{
	if (provision->json)
		printf("{\"schema\":\"sluice-provision/1\",\"ok\":true,\"%s\":%" PRIu64 "}\n", name,
		    value);
	else
		printf("%s: %" PRIu64 "\n", text, value);
}

int main(int argc, char **argv)
{
	struct provision provision = { .root = getenv("SLUICE_ROOT") };
	int next = 1;

	if (provision.root == NULL)
		provision.root = "build/sluice";
	for (; next < argc && argv[next][0] == '-'; next++) {
		if (strcmp(argv[next], "--help") == 0) {
			usage(stdout);
			return EXIT_DONE;
		}
		if (strcmp(argv[next], "--version") == 0) {
			puts("sluice-provision " SLUICE_VERSION);
			return EXIT_DONE;
		}
		if (strcmp(argv[next], "--json") == 0) {
			provision.json = 1;
		} else if (strcmp(argv[next], "--root") == 0 && next + 1 < argc) {
			provision.root = argv[++next];
		} else {
			fprintf(stderr, "Unknown option %s. See sluice-provision --help.\n",
			    argv[next]);
			return EXIT_USAGE;
		}
	}
	if (next == argc) {
		usage(stderr);
		return EXIT_USAGE;
	}
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(verbs); i++)
		if (strcmp(argv[next], verbs[i].name) == 0)
			return verbs[i].run(&provision, argc - next, argv + next);
	fprintf(stderr, "Unknown verb %s. See sluice-provision --help.\n", argv[next]);
	return EXIT_USAGE;
}
