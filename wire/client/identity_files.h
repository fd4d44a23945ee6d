/* SPDX-License-Identifier: Apache-2.0 */
/* The files of an identity (wire/client/identity.h): reading, and changing all of them at once. */
#ifndef SLUICE_WIRE_CLIENT_IDENTITY_FILES_H
#define SLUICE_WIRE_CLIENT_IDENTITY_FILES_H

#include <stddef.h>

#include "wire/assert.h"

/* In the order in which they are written and renamed: the last one commits. */
enum identity_file {
	IDENTITY_TRUST,
	IDENTITY_KEY,
	IDENTITY_CERTIFICATE,
	IDENTITY_FILE_COUNT,
};

struct identity_text {
	char *bytes; /* with a zero behind them */
	size_t size;
};

struct identity_files {
	int fd; /* of the directory */
	const char *directory;
};

/* A sentence for the user; nothing when size is 0. */
__attribute__((format(printf, 3, 4))) void identity_say(
    char *message, size_t size, const char *format, ...);

/* 0 or -ENOMEM. */
SLUICE_MUST_USE int identity_text_copy(struct identity_text *text, const char *bytes, size_t size);
/* Wipes them: one is a key. */
void identity_texts_free(struct identity_text texts[IDENTITY_FILE_COUNT]);

/* `directory` must stay. With `make`, a missing directory is made (0700). Locked until the close. 0
 * or -errno. */
SLUICE_MUST_USE int identity_files_open(const char *directory, int make,
    struct identity_files *files, char *message, size_t message_size);
void identity_files_close(struct identity_files *files);

/* Writes a first key and request. 0, -EEXIST (there is a key) or -errno. */
SLUICE_MUST_USE int identity_files_create(struct identity_files *files, const char *key,
    size_t key_size, const char *request, size_t request_size, char *message, size_t message_size);
/* Finishes a change whose last file was written, or removes what an unfinished one left. */
SLUICE_MUST_USE int identity_files_recover(
    struct identity_files *files, char *message, size_t message_size);
SLUICE_MUST_USE int identity_files_read(struct identity_files *files,
    struct identity_text texts[IDENTITY_FILE_COUNT], char *message, size_t message_size);
/* Changes all files, or none. The old ones stay as *.previous. */
SLUICE_MUST_USE int identity_files_commit(struct identity_files *files,
    const struct identity_text texts[IDENTITY_FILE_COUNT], char *message, size_t message_size);
/* A request for the key that is there now. 0 or -errno. */
SLUICE_MUST_USE int identity_files_request(
    struct identity_files *files, const char *request, size_t size);
/* Removes *.previous. */
void identity_files_forget(struct identity_files *files);

#endif
