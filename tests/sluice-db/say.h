/* SPDX-License-Identifier: Apache-2.0 */
/* What sluice-db says, as a person and as JSON. */
#ifndef SLUICE_TESTS_SLUICE_DB_SAY_H
#define SLUICE_TESTS_SLUICE_DB_SAY_H

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "tests/test.h"

/* `sluice-db` with these arguments; its exit status, and what it said to people. */
__attribute__((format(printf, 2, 3))) static inline int say_run(
    char said[1024], const char *format, ...)
{
	char arguments[700], command[1000];
	va_list list;
	FILE *stream;
	size_t got;
	int status;

	va_start(list, format);
	vsnprintf(arguments, sizeof(arguments), format, list);
	va_end(list);
	assert_non_null(getenv("SLUICE_DB")); /* meson sets it */
	snprintf(command, sizeof(command), "'%s' %s 2>&1", getenv("SLUICE_DB"), arguments);
	stream = popen(command, "r");
	assert_non_null(stream);
	got = fread(said, 1, 1023, stream);
	said[got] = '\0';
	while (fgetc(stream) != EOF)
		;
	status = pclose(stream);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static inline const char *text_of(json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text == NULL ? "" : text;
}

#endif
