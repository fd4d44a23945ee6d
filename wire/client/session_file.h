/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Session file: what key establishment gives to a terminal, for laboratories. Text, one session per
 * line, '#' starts a comment, fields separated by blanks:
 *
 *   session id   terminal id   rights (hexadecimal)   root (96 hexadecimal digits)
 *
 * It holds secrets: nobody but its owner may have any access (mode 0600 or less).
 */
#ifndef SLUICE_WIRE_CLIENT_SESSION_FILE_H
#define SLUICE_WIRE_CLIENT_SESSION_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "wire/assert.h"
#include "wire/keys.h"

struct session_record {
	uint32_t session_id;
	uint32_t rights;
	uint64_t terminal_id;
	uint8_t root[KEYS_ROOT_SIZE];
};

/*
 * One line without its newline. 1: a session, in *record; 0: blank or comment; -EBADMSG: malformed,
 * *record untouched.
 */
SLUICE_MUST_USE int session_file_parse(const char *line, struct session_record *record);

/*
 * The first session of the file with this session id (0: any) and this terminal id (0: any).
 * 0; -EPERM (others may read the file), -ESRCH (no such session), -EBADMSG (*line_number tells the
 * malformed line; it may be NULL), or -errno of opening and reading.
 */
SLUICE_MUST_USE int session_file_find(const char *path, uint32_t session_id, uint64_t terminal_id,
    struct session_record *record, unsigned *line_number);

#endif
