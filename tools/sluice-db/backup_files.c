/* SPDX-License-Identifier: Apache-2.0 */
/* Files and directories: copied, hashed, synced, removed. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/sluice-db/backup.h"

#define PIECE (1u << 20)

int directory_is_filled(const char *path)
{
	DIR *directory = opendir(path);
	struct dirent *entry;
	int filled = 0;

	while (directory != NULL && (entry = readdir(directory)) != NULL)
		filled |= strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	if (directory != NULL)
		closedir(directory);
	return filled;
}

static int parent_sync(const char *path)
{
	char parent[PATH_MAX];
	char *slash;

	snprintf(parent, sizeof(parent), "%s", path);
	slash = strrchr(parent, '/');
	if (slash == NULL)
		return path_sync(".");
	slash[slash == parent] = '\0';
	return path_sync(parent);
}

int directories_make(const char *path)
{
	char part[PATH_MAX];

	if ((size_t)snprintf(part, sizeof(part), "%s", path) >= sizeof(part) || part[0] == '\0')
		return -ENAMETOOLONG;
	for (char *slash = part + 1;; slash++) {
		char kept = *slash;

		if (kept != '/' && kept != '\0')
			continue;
		*slash = '\0';
		if (mkdir(part, 0755) != 0) {
			if (errno != EEXIST)
				return -errno;
		} else {
			int error = parent_sync(part);

			if (error != 0)
				return error;
		}
		*slash = kept;
		if (kept == '\0')
			return 0;
	}
}

int file_sha256(const char *path, char text[SHA256_TEXT], uint64_t *size)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned digest_size = 0;
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	uint8_t *piece = malloc(PIECE);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), error = fd < 0 ? -errno : 0;
	uint64_t total = 0;
	ssize_t got = 0;

	if (error == 0 && (context == NULL || piece == NULL ||
	                      EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1))
		error = -ENOMEM;
	while (error == 0 && (got = read(fd, piece, PIECE)) > 0) {
		total += (uint64_t)got;
		if (EVP_DigestUpdate(context, piece, (size_t)got) != 1)
			error = -ENOMEM;
	}
	if (error == 0 && got < 0)
		error = -errno;
	if (error == 0 && EVP_DigestFinal_ex(context, digest, &digest_size) != 1)
		error = -ENOMEM;
	for (unsigned i = 0; error == 0 && i < digest_size && i < 32; i++)
		snprintf(text + (size_t)2 * i, 3, "%02x", digest[i]);
	if (error == 0)
		*size = total;
	if (fd >= 0)
		close(fd);
	EVP_MD_CTX_free(context);
	free(piece);
	return error;
}

static int bytes_copy(int from, int to)
{
	uint8_t *piece = malloc(PIECE);
	int error = piece == NULL ? -ENOMEM : 0;

	while (error == 0) {
		ssize_t got = read(from, piece, PIECE), put = 0;

		if (got <= 0) {
			error = got < 0 ? -errno : 0;
			break;
		}
		while (error == 0 && put < got) {
			ssize_t now = write(to, piece + put, (size_t)(got - put));

			if (now < 0 && errno != EINTR)
				error = -errno;
			else if (now > 0)
				put += now;
		}
	}
	free(piece);
	return error;
}

int file_copy(const char *from, const char *to)
{
	int in = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), out = -1, error = 0;
	struct stat status;

	if (in < 0)
		return -errno;
	if (fstat(in, &status) != 0)
		error = -errno;
	if (error == 0) {
		out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, status.st_mode & 0777);
		if (out < 0)
			error = -errno;
	}
	if (error == 0)
		error = bytes_copy(in, out);
	/* The owner is kept where we may; the umask must not take from the mode. */
	if (error == 0 && fchown(out, status.st_uid, status.st_gid) != 0 && errno != EPERM)
		error = -errno;
	if (error == 0 && (fchmod(out, status.st_mode & 0777) != 0 || fsync(out) != 0))
		error = -errno;
	if (out >= 0 && close(out) != 0 && error == 0)
		error = -errno;
	close(in);
	return error;
}

/* nftw gives no context. One copy runs at a time in this program. */
static struct {
	const char *from, *to;
	struct links *links;
	int error;
} copying;

static int file_refuse(struct links *links, const char *path)
{
	if (links != NULL)
		snprintf(links->refused, sizeof(links->refused), "%s", path);
	return -ELOOP;
}

int file_take(const char *from, const char *to, struct links *links)
{
	char target[PATH_MAX];
	struct stat status;

	if (lstat(from, &status) != 0)
		return -errno;
	if (S_ISREG(status.st_mode))
		return file_copy(from, to);
	if (!S_ISLNK(status.st_mode) || links == NULL || realpath(from, target) == NULL ||
	    lstat(target, &status) != 0 || !S_ISREG(status.st_mode))
		return file_refuse(links, from);
	json_object_set_new(links->followed, from, json_string(target));
	return file_copy(target, to);
}

static int entry_copy(const char *path, const struct stat *status, int kind, struct FTW *place)
{
	char to[PATH_MAX];

	(void)place;
	if ((size_t)snprintf(to, sizeof(to), "%s%s", copying.to, path + strlen(copying.from)) >=
	    sizeof(to))
		copying.error = -ENAMETOOLONG;
	else if (kind == FTW_D && mkdir(to, status->st_mode & 0777) != 0 && errno != EEXIST)
		copying.error = -errno;
	else if ((kind == FTW_F || kind == FTW_SL) && strcmp(path + place->base, "lock.mdb") != 0)
		copying.error = file_take(path, to, copying.links);
	else if (kind == FTW_DNR || kind == FTW_NS)
		copying.error = -EACCES;
	return copying.error;
}

static int entry_sync(const char *path, const struct stat *status, int kind, struct FTW *place)
{
	(void)status;
	(void)place;
	if (kind == FTW_DP)
		copying.error = path_sync(path);
	return copying.error;
}

int tree_copy(const char *from, const char *to, struct links *links)
{
	char top[PATH_MAX];
	struct stat status;

	if (lstat(from, &status) != 0)
		return -errno;
	snprintf(top, sizeof(top), "%s", from);
	/* A place that is a link itself: the directory behind it is walked. */
	if (S_ISLNK(status.st_mode)) {
		if (links == NULL || realpath(from, top) == NULL || lstat(top, &status) != 0 ||
		    !S_ISDIR(status.st_mode))
			return file_refuse(links, from);
		json_object_set_new(links->followed, from, json_string(top));
	}
	copying.from = top;
	copying.to = to;
	copying.links = links;
	copying.error = 0;
	if (nftw(top, entry_copy, 16, FTW_PHYS) != 0 ||
	    nftw(to, entry_sync, 16, FTW_PHYS | FTW_DEPTH) != 0)
		return copying.error != 0 ? copying.error : -errno;
	return 0;
}

static int entry_remove(const char *path, const struct stat *status, int kind, struct FTW *place)
{
	(void)status;
	(void)kind;
	(void)place;
	return remove(path);
}

int tree_remove(const char *path)
{
	return nftw(path, entry_remove, 16, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT ? 0
	                                                                                  : -errno;
}
