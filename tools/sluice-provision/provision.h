/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verbs of sluice-provision. Each takes the arguments behind its name and returns the exit status.
 */
#ifndef SLUICE_TOOLS_PROVISION_H
#define SLUICE_TOOLS_PROVISION_H

#include "wire/admin/admin_client.h"

enum exit_status {
	EXIT_DONE = 0,
	EXIT_REFUSED = 1,
	EXIT_USAGE = 2,
	EXIT_UNREACHABLE = 3,
};

struct provision {
	const char *root; /* SLUICE_ROOT or --root */
	int json;
};

int provision_sessions(const struct provision *provision, int argc, char **argv);
int provision_install(const struct provision *provision, int argc, char **argv);
int provision_markets(const struct provision *provision, int argc, char **argv);
int provision_accounts(const struct provision *provision, int argc, char **argv);
int provision_rules(const struct provision *provision, int argc, char **argv);
int provision_open(const struct provision *provision, int argc, char **argv);
int provision_status(const struct provision *provision, int argc, char **argv);
int provision_wait(const struct provision *provision, int argc, char **argv);
int provision_stop(const struct provision *provision, int argc, char **argv);

/* Connects to the root's admin socket. EXIT_DONE, or the exit status with the reason printed. */
SLUICE_MUST_USE int provision_connect(
    const struct provision *provision, struct admin_client *admin);
/* Prints admin->message and gives the exit status that fits the error. */
int provision_failed(const struct admin_client *admin, int error);
/* Status of the data plane; EXIT_DONE or the exit status with the reason printed. */
SLUICE_MUST_USE int provision_query(struct admin_client *admin, struct admin_client_status *status);
/* Unsigned number of an option within range, decimal; 0 or EXIT_USAGE with the reason printed. */
SLUICE_MUST_USE int provision_number(
    const char *option, const char *text, uint64_t minimum, uint64_t maximum, uint64_t *value);
/* One line on the result: text for a person, or {"schema":...,"ok":true,NAME:value} with --json. */
void provision_done(
    const struct provision *provision, const char *text, const char *name, uint64_t value);

#endif
