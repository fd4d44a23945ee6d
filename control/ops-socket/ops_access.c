/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/ops-socket/ops_internal.h"

#define DATABASE_ENTRY_SIZE (1u << 20) /* a group may have many members */

#define ROLE_BIT(role) (1u << (role))

void ops_access_set(struct ops_access *access, const struct control_config *config)
{
	const char *const groups[OPS_ROLE_COUNT] = {
		[VERB_ROLE_VIEWER] = config->access.viewer_group,
		[VERB_ROLE_OPERATOR] = config->access.operator_group,
		[VERB_ROLE_RISK] = config->access.risk_group,
		[VERB_ROLE_ADMIN] = config->access.admin_group,
	};

	*access = (struct ops_access){ .clients_max = config->access.clients_max };
	for (int role = VERB_ROLE_VIEWER; role <= VERB_ROLE_ADMIN; role++)
		snprintf(access->group[role], sizeof(access->group[role]), "%s", groups[role]);
}

/* 0 with the number of a group, or -ENOENT. */
static int group_number(const char *name, gid_t *number)
{
	struct group group, *found = NULL;
	char *buffer = malloc(DATABASE_ENTRY_SIZE);

	if (buffer != NULL && getgrnam_r(name, &group, buffer, DATABASE_ENTRY_SIZE, &found) == 0 &&
	    found != NULL)
		*number = found->gr_gid;
	free(buffer);
	return found != NULL ? 0 : -ENOENT;
}

unsigned ops_access_roles(const struct ops_access *access, const gid_t *groups, size_t count)
{
	unsigned roles = 0;

	for (unsigned role = VERB_ROLE_VIEWER; role <= VERB_ROLE_ADMIN; role++) {
		gid_t number = 0;

		if (access->group[role][0] == '\0' ||
		    group_number(access->group[role], &number) != 0)
			continue;
		for (size_t i = 0; i < count; i++)
			if (groups[i] == number)
				roles |= ROLE_BIT(role);
	}
	return roles;
}

const char *ops_access_unknown_group(const struct ops_access *access)
{
	gid_t number;

	for (int role = VERB_ROLE_VIEWER; role <= VERB_ROLE_ADMIN; role++)
		if (access->group[role][0] != '\0' &&
		    group_number(access->group[role], &number) != 0)
			return access->group[role];
	return NULL;
}

/* Of the user database, not of the process: who is taken out of a group loses the role at once. */
static int peer_roles(
    const struct ops_access *access, const struct ucred *credentials, struct ops_peer *peer)
{
	struct passwd user, *found = NULL;
	int count = OPS_GROUPS_MAX, result = 0;
	char *buffer = malloc(DATABASE_ENTRY_SIZE);
	gid_t *groups = calloc(OPS_GROUPS_MAX, sizeof(*groups));

	if (buffer == NULL || groups == NULL) {
		result = -ENOMEM;
		goto out;
	}
	if (getpwuid_r(credentials->uid, &user, buffer, DATABASE_ENTRY_SIZE, &found) == 0 &&
	    found != NULL) {
		snprintf(peer->name, sizeof(peer->name), "%.40s", user.pw_name);
		/* More groups than fit: the ones that do count. */
		if (getgrouplist(user.pw_name, user.pw_gid, groups, &count) < 0)
			count = OPS_GROUPS_MAX;
	} else {
		snprintf(peer->name, sizeof(peer->name), "uid %u", (unsigned)credentials->uid);
		groups[0] = credentials->gid;
		count = 1;
	}
	peer->roles = ops_access_roles(access, groups, (size_t)count);
	if (credentials->uid == 0 || credentials->uid == geteuid())
		peer->roles |= ROLE_BIT(VERB_ROLE_ADMIN);
out:
	free(groups);
	free(buffer);
	return result;
}

int ops_access_peer(const struct ops_access *access, int fd, struct ops_peer *peer)
{
	struct ucred credentials;
	socklen_t size = sizeof(credentials);

	*peer = (struct ops_peer){ 0 };
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
		return -errno;
	peer->uid = credentials.uid;
	return peer_roles(access, &credentials, peer);
}

enum verb_role ops_access_allows(const struct ops_peer *peer, const struct verb *verb)
{
	/* The lesser role first: that is the one used, and the one the audit log shows. */
	for (unsigned role = VERB_ROLE_VIEWER; role <= VERB_ROLE_ADMIN; role++)
		if (peer->roles & ROLE_BIT(role) && verb_role_may((enum verb_role)role, verb->role))
			return (enum verb_role)role;
	return (enum verb_role)0;
}

void ops_access_refusal(const struct ops_access *access, const struct ops_peer *peer,
    const struct verb *verb, char *message, size_t message_size)
{
	static const char *const nouns[OPS_ROLE_COUNT] = {
		[VERB_ROLE_VIEWER] = "a viewer",
		[VERB_ROLE_OPERATOR] = "an operator",
		[VERB_ROLE_RISK] = "a risk officer",
		[VERB_ROLE_ADMIN] = "an admin",
	};
	enum verb_role needs = verb != NULL ? verb->role : VERB_ROLE_VIEWER;
	const char *name = verb != NULL ? verb->name : "The ops socket";

	if (access->group[needs][0] != '\0')
		snprintf(message, message_size,
		    "%s: user %s is not %s here. Ask an administrator to put %s into the group %s "
		    "(usermod -aG %s %s), or use sudo.",
		    name, peer->name, nouns[needs], peer->name, access->group[needs],
		    access->group[needs], peer->name);
	else
		snprintf(message, message_size,
		    "%s: user %s is not %s here, and no group is. Name one in access.%s_group of "
		    "control.yaml, or use sudo.",
		    name, peer->name, nouns[needs], verb_role_name(needs));
}
