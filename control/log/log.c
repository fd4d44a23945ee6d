/* SPDX-License-Identifier: Apache-2.0 */
#include "control/log/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A pipe takes a line up to PIPE_BUF (4,096) whole, so lines of threads do not mix. */
#define LINE_SIZE_MAX    4096
#define MESSAGE_SIZE_MAX 1536
#define WORD_SIZE_MAX    64

static const char *const names[] = {
	[LOG_DEBUG] = "debug",
	[LOG_INFO] = "info",
	[LOG_WARNING] = "warning",
	[LOG_ERROR] = "error",
};

/* Relaxed: it publishes nothing but itself. */
static _Atomic int lowest = LOG_INFO;

void log_level_set(enum log_level level)
{
	atomic_store_explicit(&lowest, (int)level, memory_order_relaxed);
}

enum log_level log_level_get(void)
{
	return (enum log_level)atomic_load_explicit(&lowest, memory_order_relaxed);
}

const char *log_level_name(enum log_level level)
{
	return names[level];
}

int log_level_parse(const char *text)
{
	for (int level = LOG_DEBUG; level <= LOG_ERROR; level++)
		if (strcmp(text, names[level]) == 0)
			return level;
	return -1;
}

struct line {
	char text[LINE_SIZE_MAX];
	size_t used;
};

/* Never fills the line: the room is for what is fixed, see log_event. */
__attribute__((format(printf, 2, 3))) static void line_add(
    struct line *line, const char *format, ...)
{
	va_list arguments;
	int written;

	va_start(arguments, format);
	written =
	    vsnprintf(line->text + line->used, sizeof(line->text) - line->used, format, arguments);
	va_end(arguments);
	if (written > 0 && (size_t)written < sizeof(line->text) - line->used)
		line->used += (size_t)written;
}

/* Length of the well-formed UTF-8 character at `text` (RFC 3629), 0 when there is none. */
static size_t utf8_length(const unsigned char *text, size_t size)
{
	unsigned char first = text[0], second_low = 0x80, second_high = 0xbf;
	size_t length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;

	if (first < 0x80)
		return 1;
	if (first < 0xc2 || first > 0xf4 || length > size)
		return 0;
	if (first == 0xe0)
		second_low = 0xa0;
	else if (first == 0xf0)
		second_low = 0x90;
	else if (first == 0xed)
		second_high = 0x9f;
	else if (first == 0xf4)
		second_high = 0x8f;
	if (text[1] < second_low || text[1] > second_high)
		return 0;
	for (size_t i = 2; i < length; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	return length;
}

/* A JSON string (RFC 8259 7); bytes that are not UTF-8 become U+FFFD. */
static void line_add_text(struct line *line, const char *name, const char *value, size_t size_max)
{
	const unsigned char *at = (const unsigned char *)value;
	size_t left = strnlen(value, size_max), length;

	line_add(line, ",\"%s\":\"", name);
	while (left > 0 && line->used + 8 < sizeof(line->text) - 8) {
		length = utf8_length(at, left);
		if (length == 0)
			line_add(line, "\xef\xbf\xbd");
		else if (*at == '"' || *at == '\\')
			line_add(line, "\\%c", *at);
		else if (*at == '\n')
			line_add(line, "\\n");
		else if (*at < 0x20 || *at == 0x7f)
			line_add(line, "\\u%04x", *at);
		else
			line_add(line, "%.*s", (int)length, (const char *)at);
		length += length == 0;
		at += length;
		left -= length;
	}
	line_add(line, "\"");
}

static void line_add_ids(struct line *line, const struct log_ids *ids)
{
	if (ids->terminal != 0)
		line_add(line, ",\"terminal\":%" PRIu64, ids->terminal);
	if (ids->account != 0)
		line_add(line, ",\"account\":%" PRIu64, ids->account);
	if (ids->session != 0)
		line_add(line, ",\"session\":%" PRIu64, ids->session);
	if (ids->command != 0)
		line_add(line, ",\"command\":%" PRIu64, ids->command);
	if (ids->shard_plus_1 != 0)
		line_add(line, ",\"shard\":%" PRIu64, ids->shard_plus_1 - 1);
}

static void line_begin(struct line *line, enum log_level level)
{
	struct timespec now;
	struct tm utc;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	line_add(line, "{\"time\":\"%04d-%02d-%02dT%02d:%02d:%02d.%09ldZ\",\"level\":\"%s\"",
	    utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
	    now.tv_nsec, names[level]);
}

void log_event(enum log_level level, const char *component, const char *event,
    const struct log_ids *ids, const char *format, ...)
{
	char message[MESSAGE_SIZE_MAX];
	struct line line = { .used = 0 };
	va_list arguments;
	int saved = errno;
	ssize_t written;

	if ((int)level < atomic_load_explicit(&lowest, memory_order_relaxed))
		return;
	va_start(arguments, format);
	if (vsnprintf(message, sizeof(message), format, arguments) < 0)
		message[0] = '\0';
	va_end(arguments);
	line_begin(&line, level);
	line_add_text(&line, "component", component, WORD_SIZE_MAX);
	line_add_text(&line, "event", event, WORD_SIZE_MAX);
	if (ids != NULL)
		line_add_ids(&line, ids);
	line_add_text(&line, "message", message, sizeof(message));
	line_add(&line, "}\n");
	/* A log that cannot be written must not stop control: nothing else can be done here. */
	do {
		written = write(STDERR_FILENO, line.text, line.used);
	} while (written < 0 && errno == EINTR);
	errno = saved;
}
