/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: journal_archive_header_read, journal_archive_list, journal_archive_extract,
 * journal_archive_unpack: an archive file of a sealed segment, as `sluice-db backup restore` reads
 * it back.
 *
 * First byte: bit 0: the header's checksum is made right first (and its length at most 1 MiB, since
 * a few bytes of zstd make gigabytes); bit 1: what is behind the header is the segment's bytes,
 * compressed first, and length and SHA-256 are made right; bit 2: it is a zstd frame, and length
 * and SHA-256 are made those of what it gives. The rest is the file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "dataplane/journal/archive.h"
#include "dataplane/journal/meta.h"
#include "dataplane/journal/segment.h"
#include "tests/fuzz/fuzz.h"

#define INPUT_MAX  (16u * 1024u)
#define OUTPUT_MAX (1u << 20)
#define FIX_SUM    1
#define FIX_RAW    2
#define FIX_FRAME  4

static char folder[64], archive[96], journal[96];

static void folder_end(void)
{
	(void)rmdir(archive);
	(void)rmdir(journal);
	(void)rmdir(folder);
}

static void folder_begin(void)
{
	if (folder[0] != '\0')
		return;
	/* Memory: speed matters here, durability does not. */
	snprintf(folder, sizeof(folder), "/dev/shm/sluice-fuzz-XXXXXX");
	SLUICE_REQUIRE(mkdtemp(folder) != NULL);
	snprintf(archive, sizeof(archive), "%s/archive", folder);
	snprintf(journal, sizeof(journal), "%s/journal", folder);
	SLUICE_REQUIRE(mkdir(archive, 0700) == 0 && mkdir(journal, 0700) == 0);
	atexit(folder_end);
}

struct input {
	struct journal_archive_header header;
	uint8_t *body;
	size_t size; /* of the body */
	char name[JOURNAL_ARCHIVE_NAME_SIZE], path[192];
};

static void sealed_set(struct input *input, const uint8_t *bytes, size_t size)
{
	unsigned length = 0;

	input->header.length = le64_make(size);
	SLUICE_REQUIRE(
	    EVP_Digest(bytes, size, input->header.sha256, &length, EVP_sha256(), NULL) == 1);
}

/* 1 when the frame gives the bytes that were sealed. */
static int body_fix(struct input *input, uint8_t flags)
{
	static uint8_t bytes[OUTPUT_MAX];
	size_t size;

	if ((flags & FIX_RAW) != 0) {
		size_t room = ZSTD_compressBound(input->size);
		uint8_t *frame = malloc(room);

		SLUICE_REQUIRE(frame != NULL);
		size = ZSTD_compress(frame, room, input->body, input->size, 1);
		SLUICE_REQUIRE(!ZSTD_isError(size));
		sealed_set(input, input->body, input->size);
		free(input->body);
		input->body = frame;
		input->size = size;
		return 1;
	}
	if ((flags & FIX_FRAME) != 0) {
		size = ZSTD_decompress(bytes, sizeof(bytes), input->body, input->size);
		if (!ZSTD_isError(size))
			sealed_set(input, bytes, size);
	}
	return 0;
}

static void file_write(struct input *input)
{
	int fd;

	journal_archive_name(
	    input->name, le64_get(input->header.incarnation), le64_get(input->header.generation));
	snprintf(input->path, sizeof(input->path), "%s/%s", archive, input->name);
	fd = open(input->path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	SLUICE_REQUIRE(fd >= 0);
	SLUICE_REQUIRE(
	    write(fd, &input->header, sizeof(input->header)) == (ssize_t)sizeof(input->header));
	SLUICE_REQUIRE(write(fd, input->body, input->size) == (ssize_t)input->size);
	close(fd);
}

/* The same by all who read a header. 0 or the refusal. */
static int header_try(const struct input *input, struct journal_archive_file *file)
{
	struct journal_archive_file before;
	int directory = open(archive, O_RDONLY | O_DIRECTORY), result;

	memset(file, 0xa5, sizeof(*file));
	before = *file;
	result = journal_archive_header_read(directory, input->name, file);
	close(directory);
	SLUICE_REQUIRE(result == 0 || result == -EBADMSG || result == -EPROTO);
	if (result != 0)
		SLUICE_REQUIRE(memcmp(file, &before, sizeof(before)) == 0);
	else
		SLUICE_REQUIRE(strlen(file->seal.sha256) == 64 && file->seal.generation != 0 &&
		               file->seal.first_lsn != 0 &&
		               file->seal.last_lsn >= file->seal.first_lsn);
	return result;
}

struct listed {
	unsigned count;
	uint64_t generation;
};

static int list_note(void *context, const struct journal_archive_file *file)
{
	struct listed *listed = context;

	listed->count++;
	listed->generation = file->seal.generation;
	return 0;
}

/* What was written is what was sealed. */
static void output_check(int fd, const struct journal_archive_file *file)
{
	static uint8_t bytes[OUTPUT_MAX];
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned length = 0;
	ssize_t size = pread(fd, bytes, sizeof(bytes), 0);
	char text[3];

	SLUICE_REQUIRE(size >= 0 && (uint64_t)size == file->seal.length);
	SLUICE_REQUIRE(EVP_Digest(bytes, (size_t)size, digest, &length, EVP_sha256(), NULL) == 1);
	for (size_t i = 0; i < 32; i++) {
		snprintf(text, sizeof(text), "%02x", digest[i]);
		SLUICE_REQUIRE(memcmp(text, file->seal.sha256 + 2 * i, 2) == 0);
	}
}

static int extract_try(const struct input *input, struct journal_archive_file *file)
{
	char path[128], why[256] = "";
	int fd, result;

	snprintf(path, sizeof(path), "%s/out", folder);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	SLUICE_REQUIRE(fd >= 0);
	result = journal_archive_extract(archive, input->name, fd, file, why, sizeof(why));
	SLUICE_REQUIRE(result == 0 || result == -EBADMSG || result == -EPROTO);
	if (result == 0)
		output_check(fd, file);
	else
		SLUICE_REQUIRE(why[0] != '\0');
	close(fd);
	SLUICE_REQUIRE(unlink(path) == 0);
	return result;
}

/* A journal that was unpacked can be read, whatever its segment holds. */
static void journal_read(const struct journal_config *config, uint64_t base_lsn)
{
	struct journal_identity identity;
	struct journal_reader *reader;
	struct journal_batch batch;

	SLUICE_REQUIRE(journal_identity_read(config, &identity) == 0);
	SLUICE_REQUIRE(identity.base_lsn == base_lsn);
	SLUICE_REQUIRE(journal_reader_open(&reader, config) == 0);
	while (journal_reader_next(reader, &batch, NULL) == 1)
		;
	journal_reader_close(reader);
}

static void unpack_try(const struct input *input, const struct journal_archive_file *file)
{
	struct journal_config config = { .directory = journal, .allow_volatile = 1 };
	struct journal_unpack what = { .archive = archive,
		.directory = journal,
		.incarnation = le64_get(input->header.incarnation),
		.from_lsn = file->seal.first_lsn,
		.until_ns = UINT64_MAX };
	char name[JOURNAL_NAME_SIZE], path[192], why[256] = "";
	int result = journal_archive_unpack(&what, why, sizeof(why));

	SLUICE_REQUIRE(result == 0 || why[0] != '\0');
	if (result == 0)
		journal_read(&config, file->seal.first_lsn - 1);
	journal_segment_name(name, le64_get(input->header.generation));
	snprintf(path, sizeof(path), "%s/%s", journal, name);
	(void)unlink(path);
	snprintf(path, sizeof(path), "%s/" JOURNAL_META_NAME, journal);
	(void)unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct journal_archive_file file, read;
	struct listed listed = { 0 };
	struct input input = { 0 };
	int whole, header, extracted;

	if (size < 1 + sizeof(input.header) || size > INPUT_MAX)
		return 0;
	folder_begin();
	memcpy(&input.header, data + 1, sizeof(input.header));
	input.size = size - 1 - sizeof(input.header);
	input.body = malloc(input.size + 1);
	SLUICE_REQUIRE(input.body != NULL);
	memcpy(input.body, data + 1 + sizeof(input.header), input.size);
	whole = body_fix(&input, data[0]);
	if ((data[0] & FIX_SUM) != 0) {
		input.header.length = le64_make(le64_get(input.header.length) % (OUTPUT_MAX + 1));
		input.header.checksum = le64_make(
		    XXH3_128bits(&input.header, offsetof(struct journal_archive_header, checksum))
		        .low64);
	}
	file_write(&input);
	header = header_try(&input, &file);
	SLUICE_REQUIRE(journal_archive_list(archive, list_note, &listed) == 0);
	SLUICE_REQUIRE(listed.count == 1);
	SLUICE_REQUIRE(listed.generation == (header == 0 ? file.seal.generation : 0));
	extracted = extract_try(&input, &read);
	SLUICE_REQUIRE(header == 0 || extracted == header);
	if (whole && header == 0)
		SLUICE_REQUIRE(extracted == 0);
	if (header == 0)
		unpack_try(&input, &file);
	SLUICE_REQUIRE(unlink(input.path) == 0);
	free(input.body);
	return 0;
}
