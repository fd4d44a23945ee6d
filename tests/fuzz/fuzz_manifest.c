/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: journal_manifest_read, journal_manifest_walk_open, journal_manifest_walk_next. First
 * byte, bit 0: the chain of each line is made right first, since no fuzzer finds a hash. The rest
 * is journal.manifest. What the walk takes to its end, the bounded read takes, and they agree; but
 * a last line that is whole and chained and not the next segment's is a seal to the read, which
 * looks at the end alone, and torn to the walk. No crash makes one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "dataplane/journal/manifest.h"
#include "tests/fuzz/fuzz.h"

#define INPUT_MAX   (16u * 1024u)
#define CHAIN       ",\"chain\":\""
#define CHAIN_SIZE  64u
#define INCARNATION 7u

static char folder[64];

static void folder_end(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/" JOURNAL_MANIFEST_NAME, folder);
	(void)unlink(path);
	(void)rmdir(folder);
}

static int file_write(const char *bytes, size_t size)
{
	int directory, fd;

	if (folder[0] == '\0') {
		/* Memory: speed matters here, durability does not. */
		snprintf(folder, sizeof(folder), "/dev/shm/sluice-fuzz-XXXXXX");
		SLUICE_REQUIRE(mkdtemp(folder) != NULL);
		atexit(folder_end);
	}
	directory = open(folder, O_RDONLY | O_DIRECTORY);
	fd = openat(directory, JOURNAL_MANIFEST_NAME, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	SLUICE_REQUIRE(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
	close(fd);
	return directory;
}

/* Where a chain of this line would stand, or NULL. */
static char *chain_of(char *line, const char *end)
{
	char *at = memmem(line, (size_t)(end - line), CHAIN, sizeof(CHAIN) - 1);

	return at != NULL && at + sizeof(CHAIN) - 1 + CHAIN_SIZE <= end ? at : NULL;
}

static void chains_fix(char *text, size_t size)
{
	char before[CHAIN_SIZE], *line = text, *end = text + size;
	size_t known = 0;

	while (line < end) {
		char *feed = memchr(line, '\n', (size_t)(end - line));
		char *at = chain_of(line, feed != NULL ? feed : end);
		uint8_t hash[EVP_MAX_MD_SIZE];
		EVP_MD_CTX *context = EVP_MD_CTX_new();

		SLUICE_REQUIRE(
		    context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1);
		if (at != NULL) {
			EVP_DigestUpdate(context, before, known);
			EVP_DigestUpdate(context, line, (size_t)(at - line));
			EVP_DigestFinal_ex(context, hash, NULL);
			at += sizeof(CHAIN) - 1;
			for (size_t i = 0; i < CHAIN_SIZE; i++)
				at[i] = "0123456789abcdef"[hash[i / 2] >> (i % 2 ? 0 : 4) & 15];
			memcpy(before, at, CHAIN_SIZE);
			known = CHAIN_SIZE;
		}
		EVP_MD_CTX_free(context);
		line = feed != NULL ? feed + 1 : end;
	}
}

static int walk_all(int directory, struct journal_manifest_walk *walk)
{
	struct journal_seal seal;
	char why[256] = "";
	int result =
	    journal_manifest_walk_open(walk, directory, JOURNAL_MANIFEST_NAME, why, sizeof(why));

	if (result != 0)
		return result;
	do
		result = journal_manifest_walk_next(walk, &seal, why, sizeof(why));
	while (result == 1);
	SLUICE_REQUIRE(result == 0 || (result == -EBADMSG && why[0] != '\0'));
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct journal_manifest_walk walk;
	struct journal_manifest manifest, before;
	char why[256] = "", *text;
	int directory, walked, result, ends_whole;

	if (size < 1 || size > INPUT_MAX)
		return 0;
	text = malloc(size);
	SLUICE_REQUIRE(text != NULL);
	memcpy(text, data + 1, size - 1);
	if (data[0] & 1)
		chains_fix(text, size - 1);
	ends_whole = size > 1 && text[size - 2] == '\n';
	directory = file_write(text, size - 1);
	free(text);
	walked = walk_all(directory, &walk);
	memset(&manifest, 0xa5, sizeof(manifest));
	before = manifest;
	result = journal_manifest_read(directory, 0, INCARNATION, &manifest, why, sizeof(why));
	if (result != 0) {
		SLUICE_REQUIRE(result == -EBADMSG || result == -EPROTO);
		SLUICE_REQUIRE(why[0] != '\0');
		SLUICE_REQUIRE(memcmp(&manifest, &before, sizeof(manifest)) == 0);
	} else {
		SLUICE_REQUIRE(manifest.size + manifest.torn == size - 1);
	}
	if (walked == 0 && walk.header.shard == 0 && walk.header.incarnation == INCARNATION &&
	    (walk.torn == 0 || !ends_whole))
		SLUICE_REQUIRE(result == 0 && manifest.next_generation == walk.next_generation &&
		               manifest.torn == walk.torn);
	journal_manifest_walk_close(&walk);
	close(directory);
	return 0;
}
