/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/sluice-provision/sessions.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "wire/limits.h"
#include "wire/hex.h"

#define SESSION_LINE_SIZE 256

static int random_bytes(uint8_t *out, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t got = getrandom(out + done, size - done, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		done += (size_t)got;
	}
	return 0;
}

static int sessions_write(FILE *file, uint64_t terminal_first, uint32_t count, uint32_t rights)
{
	uint8_t root[KEYS_ROOT_SIZE];
	char hex[2 * KEYS_ROOT_SIZE + 1];
	int result = 0;

	fprintf(file, "# session_id terminal_id rights root: secret, for tests only\n");
	for (uint32_t i = 0; i < count && result == 0; i++) {
		result = random_bytes(root, sizeof(root));
		for (size_t byte = 0; byte < sizeof(root); byte++)
			snprintf(hex + 2 * byte, 3, "%02x", root[byte]);
		if (result == 0 && fprintf(file, "%" PRIu32 " %" PRIu64 " %x %s\n",
		                       (i + 1) | (1u << LIMIT_SESSION_SLOT_BITS),
		                       terminal_first + i, rights, hex) < 0)
			result = -errno;
	}
	explicit_bzero(root, sizeof(root));
	explicit_bzero(hex, sizeof(hex));
	return result;
}

int sessions_make(const char *path, uint64_t terminal_first, uint32_t count, uint32_t rights,
    char *message, size_t message_size)
{
	FILE *file;
	int fd, result;

	if (count == 0 || count >= LIMIT_SESSION_SLOTS || terminal_first == 0 ||
	    terminal_first > LIMIT_TERMINAL_ID_MAX - (count - 1)) {
		snprintf(message, message_size,
		    "Give a --count of 1..%u and terminal ids of 1..%llu.", LIMIT_SESSION_SLOTS - 1,
		    LIMIT_TERMINAL_ID_MAX);
		return -EINVAL;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) {
		result = -errno;
		snprintf(message, message_size,
		    "Cannot make %s: %s. Give a new file in a folder you may write to.", path,
		    strerror(-result));
		return result;
	}
	file = fdopen(fd, "w");
	if (file == NULL) {
		result = -errno;
		close(fd);
	} else {
		result = sessions_write(file, terminal_first, count, rights);
		if (fclose(file) != 0 && result == 0)
			result = -errno;
	}
	if (result != 0) {
		unlink(path);
		snprintf(message, message_size,
		    "Cannot write %s: %s. Make room on the disk and try again.", path,
		    strerror(-result));
	}
	return result;
}

/* NULL, or what is wrong with the line. */
static const char *session_line_parse(const char *line, struct session_entry *entry)
{
	char hex[2 * KEYS_ROOT_SIZE + 2];
	const char *wrong = NULL;
	char rest;

	if (sscanf(line, "%" SCNu32 " %" SCNu64 " %" SCNx32 " %97s %c", &entry->session_id,
	        &entry->terminal_id, &entry->rights, hex, &rest) != 4)
		wrong = "not `session_id terminal_id rights_hex root_hex`";
	else if ((entry->session_id & (LIMIT_SESSION_SLOTS - 1)) == 0 ||
	         entry->session_id >> LIMIT_SESSION_SLOT_BITS == 0)
		wrong = "session id has slot 0 or generation 0";
	else if (entry->terminal_id == 0 || entry->terminal_id > LIMIT_TERMINAL_ID_MAX)
		wrong = "terminal id out of range";
	else if (strlen(hex) != 2 * KEYS_ROOT_SIZE)
		wrong = "the root must have 96 hex digits";
	if (wrong == NULL && hex_decode(hex, entry->root, KEYS_ROOT_SIZE) != 0)
		wrong = "the root must have 96 hex digits";
	explicit_bzero(hex, sizeof(hex));
	return wrong;
}

static int sessions_grow(struct session_list *list, size_t *capacity)
{
	size_t wanted = *capacity == 0 ? 1024 : *capacity * 2;
	struct session_entry *entries;

	if (list->count < *capacity)
		return 0;
	entries = calloc(wanted, sizeof(*entries));
	if (entries == NULL)
		return -ENOMEM;
	if (list->count > 0)
		memcpy(entries, list->entries, list->count * sizeof(*entries));
	sessions_free(&(struct session_list){ list->entries, list->count });
	list->entries = entries;
	*capacity = wanted;
	return 0;
}

static int sessions_read(
    FILE *file, const char *path, struct session_list *list, char *message, size_t message_size)
{
	char line[SESSION_LINE_SIZE];
	size_t capacity = 0, number = 0;
	int result = 0;

	while (result == 0 && fgets(line, sizeof(line), file) != NULL) {
		const char *wrong;

		number++;
		if (line[0] == '#' || line[0] == '\n')
			continue;
		result = sessions_grow(list, &capacity);
		if (result != 0) {
			snprintf(message, message_size, "Out of memory.");
			break;
		}
		wrong = session_line_parse(line, &list->entries[list->count]);
		if (wrong != NULL) {
			snprintf(message, message_size,
			    "%s:%zu: %s. Make the file anew with `sessions make`.", path, number,
			    wrong);
			result = -EINVAL;
		} else {
			list->count++;
		}
	}
	explicit_bzero(line, sizeof(line));
	if (result == 0 && list->count == 0) {
		snprintf(message, message_size, "%s holds no session.", path);
		result = -EINVAL;
	}
	return result;
}

int sessions_load(const char *path, struct session_list *list, char *message, size_t message_size)
{
	struct session_list loaded = { 0 };
	struct stat status;
	FILE *file = fopen(path, "re");
	int result;

	if (file == NULL || fstat(fileno(file), &status) != 0) {
		result = -errno;
		snprintf(message, message_size, "Cannot read %s: %s. Make it with `sessions make`.",
		    path, strerror(-result));
		if (file != NULL)
			fclose(file);
		return result;
	}
	if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
		snprintf(message, message_size,
		    "%s holds secrets and others may read it. Run `chmod 600 %s`.", path, path);
		fclose(file);
		return -EACCES;
	}
	result = sessions_read(file, path, &loaded, message, message_size);
	fclose(file);
	if (result != 0)
		sessions_free(&loaded);
	else
		*list = loaded;
	return result;
}

void sessions_free(struct session_list *list)
{
	if (list->entries != NULL)
		explicit_bzero(list->entries, list->count * sizeof(list->entries[0]));
	free(list->entries);
	*list = (struct session_list){ 0 };
}
