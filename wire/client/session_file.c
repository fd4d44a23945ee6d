/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/client/session_file.h"
#include "wire/hex.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "wire/limits.h"

#define LINE_SIZE 512

static const char *blanks_skip(const char *text)
{
	while (*text == ' ' || *text == '\t' || *text == '\r')
		text++;
	return text;
}

/* One unsigned number up to `max`, moving *text behind it. 0 or -EBADMSG. */
static int number_take(const char **text, int base, uint64_t max, uint64_t *value)
{
	const char *start = blanks_skip(*text);
	char *end;

	if (!isxdigit((unsigned char)*start)) /* strtoull would take a sign */
		return -EBADMSG;
	errno = 0;
	*value = strtoull(start, &end, base);
	if (end == start || errno != 0 || *value > max || (*end != ' ' && *end != '\t'))
		return -EBADMSG;
	*text = end;
	return 0;
}

int session_file_parse(const char *line, struct session_record *record)
{
	const char *text = blanks_skip(line);
	struct session_record made;
	uint64_t session_id, terminal_id, rights;

	if (*text == '\0' || *text == '#')
		return 0;
	if (number_take(&text, 10, UINT32_MAX, &session_id) < 0 ||
	    number_take(&text, 10, LIMIT_TERMINAL_ID_MAX, &terminal_id) < 0 ||
	    number_take(&text, 16, UINT32_MAX, &rights) < 0)
		return -EBADMSG;
	if (session_id == 0 || terminal_id == 0) /* to session_file_find they are any */
		return -EBADMSG;
	made.session_id = (uint32_t)session_id;
	made.terminal_id = terminal_id;
	made.rights = (uint32_t)rights;
	text = blanks_skip(text);
	if (hex_decode(text, made.root, sizeof(made.root)) != 0)
		return -EBADMSG;
	text = blanks_skip(text + 2 * sizeof(made.root));
	if (*text != '\0' && *text != '#')
		return -EBADMSG;
	*record = made;
	explicit_bzero(&made, sizeof(made));
	return 1;
}

static int stream_find(FILE *stream, uint32_t session_id, uint64_t terminal_id,
    struct session_record *record, unsigned *line_number)
{
	struct session_record read;
	char line[LINE_SIZE];
	int rc = -ESRCH;

	for (unsigned number = 1; fgets(line, sizeof(line), stream) != NULL; number++) {
		size_t length = strlen(line);
		int parsed;

		if (length > 0 && line[length - 1] == '\n')
			line[length - 1] = '\0';
		else if (length == sizeof(line) - 1)
			line[0] = 'x'; /* longer than any valid line */
		parsed = session_file_parse(line, &read);
		if (parsed < 0) {
			if (line_number != NULL)
				*line_number = number;
			rc = -EBADMSG;
			break;
		}
		if (parsed == 1 && (session_id == 0 || read.session_id == session_id) &&
		    (terminal_id == 0 || read.terminal_id == terminal_id)) {
			*record = read;
			rc = 0;
			break;
		}
	}
	if (rc == -ESRCH && ferror(stream))
		rc = -EIO;
	explicit_bzero(line, sizeof(line));
	explicit_bzero(&read, sizeof(read));
	return rc;
}

int session_file_find(const char *path, uint32_t session_id, uint64_t terminal_id,
    struct session_record *record, unsigned *line_number)
{
	FILE *stream = fopen(path, "re");
	struct stat status;
	int rc;

	if (stream == NULL)
		return -errno;
	if (fstat(fileno(stream), &status) < 0)
		rc = -errno;
	else if ((status.st_mode & 077) != 0)
		rc = -EPERM;
	else
		rc = stream_find(stream, session_id, terminal_id, record, line_number);
	fclose(stream);
	return rc;
}
