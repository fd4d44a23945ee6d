/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: backup_manifest_read, backup_files_check, backup_time_read, backup_time_text of
 * tools/sluice-db.
 *
 * First byte, bit 7: the rest is a time an operator writes. Else the rest is manifest.json; bit 0:
 * its digest is made right first, since no fuzzer finds a hash.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "tests/fuzz/fuzz.h"
#include "tools/sluice-db/backup.h"

#define INPUT_MAX (16u * 1024u)
#define FIX       1
#define TIME      0x80u

static char folder[64];

static void folder_end(void)
{
	(void)rmdir(folder);
}

static void text_write(const char *path, const char *text, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	SLUICE_REQUIRE(fd >= 0 && write(fd, text, size) == (ssize_t)size);
	close(fd);
}

/* The text with its digest, or NULL: it is no object. */
static char *digest_fix(const char *text, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	json_t *manifest = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned length = 0;
	char hex[65] = "", *bytes;

	if (!json_is_object(manifest)) {
		json_decref(manifest);
		return NULL;
	}
	(void)json_object_del(manifest, "digest");
	bytes = json_dumps(manifest, JSON_SORT_KEYS | JSON_COMPACT);
	SLUICE_REQUIRE(bytes != NULL &&
	               EVP_Digest(bytes, strlen(bytes), digest, &length, EVP_sha256(), NULL) == 1);
	free(bytes);
	for (size_t i = 0; i < 64; i++)
		hex[i] = digits[digest[i / 2] >> (i % 2 ? 0 : 4) & 15];
	SLUICE_REQUIRE(json_object_set_new(manifest, "digest", json_string(hex)) == 0);
	bytes = json_dumps(manifest, JSON_INDENT(1));
	SLUICE_REQUIRE(bytes != NULL);
	json_decref(manifest);
	return bytes;
}

static void manifest_try(const char *text, size_t size)
{
	static struct backup backup;
	char path[128];
	json_t *entry;
	size_t i;
	int result;

	if (folder[0] == '\0') {
		/* Memory: speed matters here, durability does not. */
		snprintf(folder, sizeof(folder), "/dev/shm/sluice-fuzz-XXXXXX");
		SLUICE_REQUIRE(mkdtemp(folder) != NULL);
		atexit(folder_end);
	}
	snprintf(path, sizeof(path), "%s/" BACKUP_MANIFEST, folder);
	text_write(path, text, size);
	memset(&backup, 0xa5, sizeof(backup));
	result = backup_manifest_read(&backup, folder);
	SLUICE_REQUIRE(result == 0 || result == -1);
	SLUICE_REQUIRE((result != 0) == (backup.message[0] != '\0'));
	SLUICE_REQUIRE(memchr(backup.message, 0, sizeof(backup.message)) != NULL);
	if (result == 0) {
		SLUICE_REQUIRE(backup.shard_count >= 1 && backup.shard_count <= LIMIT_SHARDS);
		SLUICE_REQUIRE(backup.schema_version <= SCHEMA_VERSION);
		json_array_foreach(backup.files, i, entry)
		{
			SLUICE_REQUIRE(json_is_string(json_object_get(entry, "path")));
		}
		/* There is no file: none may be listed. */
		SLUICE_REQUIRE(
		    (backup_files_check(&backup) == 0) == (json_array_size(backup.files) == 0));
	}
	backup_free(&backup);
	SLUICE_REQUIRE(unlink(path) == 0);
}

/* Written as it is shown, without the fraction. */
static int is_plain(const char *text)
{
	static const char form[] = "0000-00-00T00:00:00";

	for (size_t i = 0; form[i] != '\0'; i++)
		if (form[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
			return 0;
	return 1;
}

/* A time that is taken is the one that was written. */
static void time_try(const char *text)
{
	uint64_t time_ns = 7, again = 9;
	char shown[32];

	if (backup_time_read(text, &time_ns) != 0)
		return;
	backup_time_text(time_ns, shown);
	SLUICE_REQUIRE(strlen(shown) == 30);
	if (is_plain(text))
		SLUICE_REQUIRE(strncmp(text, shown, 19) == 0);
	if (time_ns / 1000000000u < UINT64_MAX / 1000000000u)
		SLUICE_REQUIRE(backup_time_read(shown, &again) == 0 && again == time_ns);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text, *fixed = NULL;

	if (size < 1 || size > INPUT_MAX)
		return 0;
	text = malloc(size);
	SLUICE_REQUIRE(text != NULL);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	if ((data[0] & TIME) != 0)
		time_try(text);
	else if ((data[0] & FIX) != 0 && (fixed = digest_fix(text, size - 1)) != NULL)
		manifest_try(fixed, strlen(fixed));
	else
		manifest_try(text, size - 1);
	free(fixed);
	free(text);
	return 0;
}
