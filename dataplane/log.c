/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/log.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const char *const level_names[] = { "info", "warning", "error" };

void log_line(enum log_level level, const char *event, const char *format, ...)
{
	char message[1024], when[40];
	struct timespec now;
	struct tm utc;
	va_list arguments;
	json_t *line;
	char *text;
	size_t used;

	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	used = strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(when + used, sizeof(when) - used, ".%03ldZ", now.tv_nsec / 1000000);
	line = json_pack("{s:s, s:s, s:s, s:s, s:s}", "time", when, "level", level_names[level],
	    "component", "dataplane", "event", event, "message", message);
	text = line == NULL ? NULL : json_dumps(line, JSON_COMPACT);
	fprintf(stderr, "%s\n", text != NULL ? text : message);
	free(text);
	json_decref(line);
}
