/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/log.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const char *const level_names[] = { "info", "warning", "error" };

__attribute__((format(printf, 5, 0))) static void write_line(enum log_level level,
    const char *event, const struct log_number *numbers, size_t count, const char *format,
    va_list arguments)
{
	char message[1024], when[40];
	struct timespec now;
	struct tm utc;
	json_t *line;
	char *text;
	size_t used;

	vsnprintf(message, sizeof(message), format, arguments);
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	used = strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(when + used, sizeof(when) - used, ".%03ldZ", now.tv_nsec / 1000000);
	line = json_pack("{s:s, s:s, s:s, s:s, s:s}", "time", when, "level", level_names[level],
	    "component", "dataplane", "event", event, "message", message);
	for (size_t i = 0; i < count; i++)
		json_object_set_new(
		    line, numbers[i].name, json_integer((json_int_t)numbers[i].value));
	text = line == NULL ? NULL : json_dumps(line, JSON_COMPACT);
	fprintf(stderr, "%s\n", text != NULL ? text : message);
	free(text);
	json_decref(line);
}

void log_line(enum log_level level, const char *event, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	write_line(level, event, NULL, 0, format, arguments);
	va_end(arguments);
}

void log_numbers(enum log_level level, const char *event, const struct log_number *numbers,
    size_t count, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	write_line(level, event, numbers, count, format, arguments);
	va_end(arguments);
}
