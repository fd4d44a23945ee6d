/* SPDX-License-Identifier: Apache-2.0 */
/* Forms of text values. */
#include <arpa/inet.h>
#include <ctype.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>

#include "control/config/config_internal.h"

static const struct {
	const char *name;     /* for the reference */
	const char *expected; /* for messages */
} forms[CONFIG_FORM_COUNT] = {
	[CONFIG_FORM_NUMBER] = { "number", "a whole number" },
	[CONFIG_FORM_NAME] = { "1 to 64 of a-z A-Z 0-9 . _ -",
	    "a name of letters, digits, dots, hyphens and underscores" },
	[CONFIG_FORM_HOST] = { "IPv4 or IPv6 address",
	    "an IPv4 or IPv6 address of this machine (0.0.0.0: all of them)" },
	[CONFIG_FORM_IPV4] = { "IPv4 address", "an IPv4 address as in 198.51.100.7" },
	[CONFIG_FORM_PATH] = { "absolute path", "a path from the root, as in /srv/sluice/pgpass" },
	[CONFIG_FORM_CONNECTION] = { "conninfo or URI",
	    "a libpq connection string, as in \"host=db.example dbname=sluice user=sluice\"" },
	[CONFIG_FORM_GROUP] = { "group name",
	    "the name of a system group: small letters, digits, hyphens and underscores" },
	[CONFIG_FORM_LEVEL] = { "debug, info, warning, error",
	    "one of debug, info, warning, error" },
};

const char *config_form_name(enum config_form form)
{
	return forms[form].name;
}

static int all_of(const char *text, const char *also)
{
	for (; *text != '\0'; text++)
		if (!isalnum((unsigned char)*text) && strchr(also, *text) == NULL)
			return 0;
	return 1;
}

static int is_group(const char *text)
{
	if (!islower((unsigned char)text[0]) && text[0] != '_')
		return 0;
	for (; *text != '\0'; text++)
		if (!islower((unsigned char)*text) && !isdigit((unsigned char)*text) &&
		    strchr("_-", *text) == NULL)
			return 0;
	return 1;
}

static int is_address(const char *text, int six_too)
{
	struct in6_addr address;

	return inet_pton(AF_INET, text, &address) == 1 ||
	       (six_too && inet_pton(AF_INET6, text, &address) == 1);
}

/* libpq takes the string apart, so that no spelling of a password gets by. */
static const char *connection_check(const char *text, char *buffer, size_t size, int *quotable)
{
	PQconninfoOption *options;
	char *error = NULL;
	const char *problem = NULL;

	options = PQconninfoParse(text, &error);
	*quotable = 0;
	if (options == NULL) {
		/* libpq's words quote the text: not where it may hold a password. */
		int show = error != NULL && strcasestr(text, "pass") == NULL &&
		           strstr(text, "://") == NULL;

		snprintf(buffer, size, "%s%s%s", forms[CONFIG_FORM_CONNECTION].expected,
		    show ? "; libpq says: " : "", show ? error : "");
		buffer[strcspn(buffer, "\n")] = '\0';
		PQfreemem(error);
		return buffer;
	}
	for (const PQconninfoOption *option = options; option->keyword != NULL; option++) {
		if (option->val == NULL || option->val[0] == '\0')
			continue;
		if (strcmp(option->keyword, "password") == 0 ||
		    strcmp(option->keyword, "sslpassword") == 0)
			problem = "a connection without a password, found one; put it into a file "
			          "of mode 0600 (host:port:database:user:password) and name that "
			          "file in replication.password_file";
		else if (strcmp(option->keyword, "passfile") == 0)
			problem = "a connection without passfile; name the file in "
			          "replication.password_file";
	}
	PQconninfoFree(options);
	return problem;
}

const char *config_text_check(
    enum config_form form, const char *text, char *buffer, size_t size, int *quotable)
{
	int good = 1;

	*quotable = 1;
	switch (form) {
	case CONFIG_FORM_NAME:
		good = text[0] != '\0' && all_of(text, "._-");
		break;
	case CONFIG_FORM_HOST:
		good = is_address(text, 1);
		break;
	case CONFIG_FORM_IPV4:
		good = text[0] == '\0' || is_address(text, 0);
		break;
	case CONFIG_FORM_PATH:
		good = text[0] == '\0' || text[0] == '/';
		break;
	case CONFIG_FORM_GROUP:
		good = text[0] == '\0' || is_group(text);
		break;
	case CONFIG_FORM_LEVEL:
		good = strcmp(text, "debug") == 0 || strcmp(text, "info") == 0 ||
		       strcmp(text, "warning") == 0 || strcmp(text, "error") == 0;
		break;
	case CONFIG_FORM_CONNECTION:
		return text[0] == '\0' ? NULL : connection_check(text, buffer, size, quotable);
	case CONFIG_FORM_NUMBER:
	case CONFIG_FORM_COUNT:
		break;
	}
	return good ? NULL : forms[form].expected;
}
