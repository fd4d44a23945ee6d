/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/client/identity_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "wire/client/identity.h"

#define NAME_SIZE 40

static const struct {
	const char *name;
	mode_t mode;
} kinds[IDENTITY_FILE_COUNT] = {
	[IDENTITY_TRUST] = { CLIENT_IDENTITY_TRUST, 0644 },
	[IDENTITY_KEY] = { CLIENT_IDENTITY_KEY, 0600 },
	[IDENTITY_CERTIFICATE] = { CLIENT_IDENTITY_CERTIFICATE, 0644 },
};

static const char *name_make(unsigned file, const char *suffix, char name[NAME_SIZE])
{
	snprintf(name, NAME_SIZE, "%s%s", kinds[file].name, suffix);
	return name;
}

int identity_text_copy(struct identity_text *text, const char *bytes, size_t size)
{
	char *copy = malloc(size + 1);

	if (copy == NULL)
		return -ENOMEM;
	memcpy(copy, bytes, size);
	copy[size] = '\0';
	*text = (struct identity_text){ copy, size };
	return 0;
}

void identity_texts_free(struct identity_text texts[IDENTITY_FILE_COUNT])
{
	for (unsigned i = 0; i < IDENTITY_FILE_COUNT; i++) {
		if (texts[i].bytes != NULL)
			explicit_bzero(texts[i].bytes, texts[i].size);
		free(texts[i].bytes);
		texts[i] = (struct identity_text){ NULL, 0 };
	}
}

int identity_files_open(const char *directory, int make, struct identity_files *files,
    char *message, size_t message_size)
{
	int fd, error;

	if (make && mkdir(directory, 0700) < 0 && errno != EEXIST) {
		error = errno;
		identity_say(
		    message, message_size, "cannot make %s: %s", directory, strerror(error));
		return -error;
	}
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		error = errno;
		identity_say(
		    message, message_size, "cannot open %s: %s", directory, strerror(error));
		return -error;
	}
	/*
	 * One process at a time: to another, a change under way looks like one a crash cut short.
	 * Held for the time of a few file operations. A file system without locks is used as it is.
	 */
	while (flock(fd, LOCK_EX) < 0 && errno == EINTR)
		;
	*files = (struct identity_files){ .fd = fd, .directory = directory };
	return 0;
}

void identity_files_close(struct identity_files *files)
{
	if (files->fd >= 0)
		close(files->fd);
	files->fd = -1;
}

static int write_all(int fd, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t done = write(fd, bytes, size);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		bytes += done;
		size -= (size_t)done;
	}
	return 0;
}

/* Durable under `name` only once it is complete: written as a hidden file, then renamed. */
static int file_put(const struct identity_files *files, const char *name, mode_t mode,
    const char *bytes, size_t size)
{
	char temporary[NAME_SIZE + 8];
	int fd, rc;

	snprintf(temporary, sizeof(temporary), ".%s.tmp", name);
	if (unlinkat(files->fd, temporary, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(
	    files->fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return -errno;
	rc = write_all(fd, bytes, size);
	if (rc == 0 && fsync(fd) < 0)
		rc = -errno;
	if (close(fd) < 0 && rc == 0)
		rc = -errno;
	if (rc == 0 && renameat(files->fd, temporary, files->fd, name) < 0)
		rc = -errno;
	if (rc < 0)
		(void)unlinkat(files->fd, temporary, 0);
	return rc;
}

static int directory_sync(const struct identity_files *files)
{
	return fsync(files->fd) < 0 ? -errno : 0;
}

static int failed(const struct identity_files *files, const char *what, int rc, char *message,
    size_t message_size)
{
	identity_say(
	    message, message_size, "cannot %s %s: %s", what, files->directory, strerror(-rc));
	return rc;
}

int identity_files_create(struct identity_files *files, const char *key, size_t key_size,
    const char *request, size_t request_size, char *message, size_t message_size)
{
	struct stat found;
	int rc;

	if (fstatat(files->fd, CLIENT_IDENTITY_KEY, &found, AT_SYMLINK_NOFOLLOW) == 0) {
		identity_say(message, message_size,
		    "%s has a %s already; choose another directory, or use the request beside it",
		    files->directory, CLIENT_IDENTITY_KEY);
		return -EEXIST;
	}
	/* The key last: while it is missing, making it again is allowed. */
	rc = file_put(files, CLIENT_IDENTITY_REQUEST, 0644, request, request_size);
	if (rc == 0)
		rc = file_put(files, CLIENT_IDENTITY_KEY, 0600, key, key_size);
	if (rc == 0)
		rc = directory_sync(files);
	return rc < 0 ? failed(files, "write to", rc, message, message_size) : 0;
}

static int exists(const struct identity_files *files, const char *name)
{
	struct stat found;

	return fstatat(files->fd, name, &found, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Renames every *.next that is there, the certificate last. */
static int next_finish(const struct identity_files *files)
{
	char next[NAME_SIZE];

	for (unsigned i = 0; i < IDENTITY_FILE_COUNT; i++) {
		if (renameat(files->fd, name_make(i, ".next", next), files->fd, kinds[i].name) <
		        0 &&
		    errno != ENOENT)
			return -errno;
		/* In this order on the disk too: the certificate's name is what says "not yet". */
		if (directory_sync(files) < 0)
			return -errno;
	}
	return 0;
}

int identity_files_recover(struct identity_files *files, char *message, size_t message_size)
{
	char next[NAME_SIZE];
	int rc = 0;

	if (exists(files, name_make(IDENTITY_CERTIFICATE, ".next", next))) {
		rc = next_finish(files);
		return rc < 0 ? failed(files, "finish the renewal in", rc, message, message_size)
		              : 0;
	}
	/* A read-only directory is fine as long as there is nothing to remove. */
	for (unsigned i = 0; i < IDENTITY_CERTIFICATE; i++)
		(void)unlinkat(files->fd, name_make(i, ".next", next), 0);
	return rc;
}

/* One whole file. 0 or -errno; -EPERM when it is the key and others may read it. */
static int file_read(const struct identity_files *files, unsigned file, struct identity_text *text)
{
	int fd = openat(files->fd, kinds[file].name, O_RDONLY | O_CLOEXEC), rc = 0;
	struct stat found;
	size_t used = 0;
	char *bytes = NULL;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &found) < 0)
		rc = -errno;
	else if (!S_ISREG(found.st_mode) || found.st_size > (off_t)CLIENT_IDENTITY_FILE_MAX)
		rc = -EBADMSG;
	else if (file == IDENTITY_KEY && (found.st_mode & 077) != 0)
		rc = -EPERM;
	if (rc == 0 && (bytes = calloc(1, (size_t)found.st_size + 1)) == NULL)
		rc = -ENOMEM;
	while (rc == 0 && used < (size_t)found.st_size) {
		ssize_t size = read(fd, bytes + used, (size_t)found.st_size - used);

		if (size == 0)
			break;
		if (size < 0 && errno != EINTR)
			rc = -errno;
		used += size > 0 ? (size_t)size : 0;
	}
	close(fd);
	if (rc == 0)
		*text = (struct identity_text){ bytes, used };
	else
		free(bytes);
	return rc;
}

int identity_files_read(struct identity_files *files,
    struct identity_text texts[IDENTITY_FILE_COUNT], char *message, size_t message_size)
{
	for (unsigned i = 0; i < IDENTITY_FILE_COUNT; i++) {
		int rc = file_read(files, i, &texts[i]);

		if (rc == -ENOENT)
			identity_say(message, message_size,
			    i == IDENTITY_KEY
			        ? "%s has no %s: make one with \"sluice-terminal "
			          "identity\""
			        : "%s has no %s: have the operator enrol the terminal "
			          "(sluicectl terminal enroll) and put the file there",
			    files->directory, kinds[i].name);
		else if (rc == -EPERM)
			identity_say(message, message_size,
			    "others may read %s/%s. Run: chmod 600 %s/%s", files->directory,
			    kinds[i].name, files->directory, kinds[i].name);
		else if (rc < 0)
			identity_say(message, message_size, "cannot read %s/%s: %s",
			    files->directory, kinds[i].name, strerror(-rc));
		if (rc < 0) {
			identity_texts_free(texts);
			return rc;
		}
	}
	return 0;
}

/* The present files under another name as well. */
static int previous_keep(const struct identity_files *files)
{
	char previous[NAME_SIZE];

	for (unsigned i = 0; i < IDENTITY_FILE_COUNT; i++) {
		name_make(i, ".previous", previous);
		if (unlinkat(files->fd, previous, 0) < 0 && errno != ENOENT)
			return -errno;
		if (linkat(files->fd, kinds[i].name, files->fd, previous, 0) < 0 && errno != ENOENT)
			return -errno;
	}
	return 0;
}

int identity_files_commit(struct identity_files *files,
    const struct identity_text texts[IDENTITY_FILE_COUNT], char *message, size_t message_size)
{
	char next[NAME_SIZE];
	int rc = previous_keep(files);

	for (unsigned i = 0; rc == 0 && i < IDENTITY_FILE_COUNT; i++) {
		rc = file_put(files, name_make(i, ".next", next), kinds[i].mode, texts[i].bytes,
		    texts[i].size);
		if (rc == 0)
			rc = directory_sync(files);
	}
	if (rc < 0) {
		for (unsigned i = IDENTITY_FILE_COUNT; i-- > 0;)
			(void)unlinkat(files->fd, name_make(i, ".next", next), 0);
		return failed(files, "write to", rc, message, message_size);
	}
	/* From here on the change is made; who opens the directory next would finish it. */
	rc = next_finish(files);
	return rc < 0 ? failed(files, "finish the renewal in", rc, message, message_size) : 0;
}

int identity_files_request(struct identity_files *files, const char *request, size_t size)
{
	int rc = file_put(files, CLIENT_IDENTITY_REQUEST, 0644, request, size);

	return rc == 0 ? directory_sync(files) : rc;
}

void identity_files_forget(struct identity_files *files)
{
	char previous[NAME_SIZE];

	for (unsigned i = 0; i < IDENTITY_FILE_COUNT; i++)
		(void)unlinkat(files->fd, name_make(i, ".previous", previous), 0);
}
