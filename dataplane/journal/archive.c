/* SPDX-License-Identifier: Apache-2.0 */
/* One archive file: written and read in pieces. */
#include "dataplane/journal/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "wire/hex.h"

#define HEADER_SIZE sizeof(struct journal_archive_header)
/* A file that asks for more than 8 MiB of window is none of ours. */
#define WINDOW_LOG_MAX 23

void journal_archive_name(
    char name[JOURNAL_ARCHIVE_NAME_SIZE], uint64_t incarnation, uint64_t generation)
{
	snprintf(name, JOURNAL_ARCHIVE_NAME_SIZE, "%016" PRIx64 "-%016" PRIx64 ".seg.zst",
	    incarnation, generation);
}

static uint64_t header_checksum(const struct journal_archive_header *header)
{
	return XXH3_128bits(header, offsetof(struct journal_archive_header, checksum)).low64;
}

/* ---- Writing ---- */

static int put(struct journal_archive_writer *writer, const uint8_t *bytes, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t wrote =
		    pwrite(writer->fd, bytes + done, size - done, (off_t)(writer->written));

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote <= 0)
			return wrote < 0 ? -errno : -EIO;
		done += (size_t)wrote;
		writer->written += (uint64_t)wrote;
	}
	if (writer->written - writer->synced < JOURNAL_ARCHIVE_SYNC_SIZE)
		return 0;
	writer->synced = writer->written;
	return fdatasync(writer->fd) == 0 ? 0 : -errno;
}

static int writer_prepare(struct journal_archive_writer *writer)
{
	if (writer->out == NULL)
		writer->out = malloc(JOURNAL_ARCHIVE_BUFFER_SIZE);
	if (writer->context == NULL)
		writer->context = ZSTD_createCCtx();
	if (writer->out == NULL || writer->context == NULL)
		return -ENOMEM;
	ZSTD_CCtx_reset(writer->context, ZSTD_reset_session_and_parameters);
	if (ZSTD_isError(ZSTD_CCtx_setParameter(
	        writer->context, ZSTD_c_compressionLevel, JOURNAL_ARCHIVE_LEVEL)) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(
	        writer->context, ZSTD_c_windowLog, JOURNAL_ARCHIVE_WINDOW_LOG)) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(writer->context, ZSTD_c_checksumFlag, 1)))
		return -EINVAL;
	return 0;
}

int journal_archive_begin(struct journal_archive_writer *writer, const char *directory)
{
	static const uint8_t zeros[HEADER_SIZE];
	int result = writer_prepare(writer);

	if (result != 0)
		return result;
	writer->written = writer->synced = 0;
	writer->directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (writer->directory_fd < 0)
		return -errno;
	writer->fd = openat(writer->directory_fd, JOURNAL_ARCHIVE_NAME_NEW,
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	result = writer->fd < 0 ? -errno : put(writer, zeros, HEADER_SIZE);
	if (result != 0)
		journal_archive_abandon(writer);
	return result;
}

static int compress(struct journal_archive_writer *writer, const uint8_t *bytes, size_t size,
    ZSTD_EndDirective mode)
{
	ZSTD_inBuffer input = { bytes, size, 0 };
	size_t left;

	do {
		ZSTD_outBuffer output = { writer->out, JOURNAL_ARCHIVE_BUFFER_SIZE, 0 };
		int result;

		left = ZSTD_compressStream2(writer->context, &output, &input, mode);
		if (ZSTD_isError(left))
			return -EIO;
		result = put(writer, writer->out, output.pos);
		if (result != 0)
			return result;
	} while (input.pos < input.size || (mode == ZSTD_e_end && left > 0));
	return 0;
}

int journal_archive_add(struct journal_archive_writer *writer, const uint8_t *bytes, size_t size)
{
	return compress(writer, bytes, size, ZSTD_e_continue);
}

/* Two copies of one journal may go on apart; what the first of them archived is not to be lost. */
static int name_is_free(int directory_fd, const char *name, const struct journal_seal *seal)
{
	struct journal_archive_file file;

	if (journal_archive_header_read(directory_fd, name, &file) != 0)
		return 1;
	return file.seal.length == seal->length && strcmp(file.seal.sha256, seal->sha256) == 0;
}

int journal_archive_finish(struct journal_archive_writer *writer, uint32_t shard,
    uint64_t incarnation, const struct journal_seal *seal)
{
	struct journal_archive_header header = {
		.frame_magic = le32_make(JOURNAL_ARCHIVE_FRAME),
		.frame_size = le32_make(HEADER_SIZE - 8),
		.magic = le64_make(JOURNAL_ARCHIVE_MAGIC),
		.version = le16_make(JOURNAL_ARCHIVE_VERSION),
		.shard = le16_make((uint16_t)shard),
		.damaged = le32_make(seal->damaged),
		.incarnation = le64_make(incarnation),
		.generation = le64_make(seal->generation),
		.first_lsn = le64_make(seal->first_lsn),
		.last_lsn = le64_make(seal->last_lsn),
		.events = le64_make(seal->events),
		.batches = le64_make(seal->batches),
		.length = le64_make(seal->length),
		.time_ns = le64_make(seal->time_ns),
		.sealed_ns = le64_make(seal->sealed_ns),
	};
	char name[JOURNAL_ARCHIVE_NAME_SIZE];
	int result = compress(writer, NULL, 0, ZSTD_e_end);

	if (result != 0)
		return result;
	if (hex_decode(seal->sha256, header.sha256, sizeof(header.sha256)) != 0)
		return -EINVAL;
	header.checksum = le64_make(header_checksum(&header));
	errno = EIO; /* a short write sets none */
	if (pwrite(writer->fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header) ||
	    fsync(writer->fd) != 0)
		return -errno;
	journal_archive_name(name, incarnation, seal->generation);
	if (!name_is_free(writer->directory_fd, name, seal))
		return -EEXIST;
	if (renameat(writer->directory_fd, JOURNAL_ARCHIVE_NAME_NEW, writer->directory_fd, name) !=
	        0 ||
	    fsync(writer->directory_fd) != 0)
		return -errno;
	journal_archive_abandon(writer);
	return 0;
}

void journal_archive_abandon(struct journal_archive_writer *writer)
{
	if (writer->fd >= 0)
		close(writer->fd);
	if (writer->directory_fd >= 0)
		close(writer->directory_fd);
	writer->fd = writer->directory_fd = -1;
}

void journal_archive_free(struct journal_archive_writer *writer)
{
	journal_archive_abandon(writer);
	ZSTD_freeCCtx(writer->context);
	free(writer->out);
	*writer = (struct journal_archive_writer){ .directory_fd = -1, .fd = -1 };
}

/* ---- Reading ---- */

static int header_check(const struct journal_archive_header *header)
{
	if (le32_get(header->frame_magic) != JOURNAL_ARCHIVE_FRAME ||
	    le32_get(header->frame_size) != HEADER_SIZE - 8 ||
	    le64_get(header->magic) != JOURNAL_ARCHIVE_MAGIC ||
	    le64_get(header->checksum) != header_checksum(header))
		return -EBADMSG;
	if (le16_get(header->version) > JOURNAL_ARCHIVE_VERSION)
		return -EPROTO;
	if (le16_get(header->version) != JOURNAL_ARCHIVE_VERSION || le32_get(header->damaged) > 1 ||
	    !bytes_all_zero(header->reserved, sizeof(header->reserved)))
		return -EBADMSG;
	/* As in the manifest: the journal made of it begins right in front of its first LSN. */
	if (le64_get(header->incarnation) == 0 || le64_get(header->generation) == 0 ||
	    le64_get(header->first_lsn) == 0 ||
	    le64_get(header->last_lsn) < le64_get(header->first_lsn))
		return -EBADMSG;
	return 0;
}

static int header_load(int fd, const char *name, struct journal_archive_header *header,
    struct journal_archive_file *file)
{
	struct stat status;
	ssize_t got = pread(fd, header, sizeof(*header), 0);
	int result;

	if (got < 0 || fstat(fd, &status) != 0)
		return -errno;
	result = got == (ssize_t)sizeof(*header) ? header_check(header) : -EBADMSG;
	if (result != 0)
		return result;
	*file = (struct journal_archive_file){
		.incarnation = le64_get(header->incarnation),
		.seal = {
			.generation = le64_get(header->generation),
			.first_lsn = le64_get(header->first_lsn),
			.last_lsn = le64_get(header->last_lsn),
			.events = le64_get(header->events),
			.batches = le64_get(header->batches),
			.length = le64_get(header->length),
			.time_ns = le64_get(header->time_ns),
			.sealed_ns = le64_get(header->sealed_ns),
			.damaged = le32_get(header->damaged),
		},
		.size = (uint64_t)status.st_size,
	};
	hex_encode(header->sha256, sizeof(header->sha256), file->seal.sha256);
	snprintf(file->name, sizeof(file->name), "%s", name);
	return 0;
}

int journal_archive_header_read(
    int directory_fd, const char *name, struct journal_archive_file *file)
{
	struct journal_archive_header header;
	int fd = openat(directory_fd, name, O_RDONLY | O_CLOEXEC), result;

	if (fd < 0)
		return -errno;
	result = header_load(fd, name, &header, file);
	close(fd);
	return result;
}

int journal_archive_open(struct journal_archive_reader *reader, int directory_fd, const char *name,
    int out_fd, struct journal_archive_file *file)
{
	int result;

	*reader = (struct journal_archive_reader){ .out_fd = out_fd, .offset = HEADER_SIZE };
	reader->fd = openat(directory_fd, name, O_RDONLY | O_CLOEXEC);
	if (reader->fd < 0)
		return -errno;
	result = header_load(reader->fd, name, &reader->header, file);
	reader->in = malloc(JOURNAL_ARCHIVE_BUFFER_SIZE);
	reader->out = malloc(JOURNAL_ARCHIVE_BUFFER_SIZE);
	reader->context = ZSTD_createDCtx();
	reader->digest = EVP_MD_CTX_new();
	if (result == 0 && (reader->in == NULL || reader->out == NULL || reader->context == NULL ||
	                       reader->digest == NULL ||
	                       EVP_DigestInit_ex(reader->digest, EVP_sha256(), NULL) != 1 ||
	                       ZSTD_isError(ZSTD_DCtx_setParameter(
	                           reader->context, ZSTD_d_windowLogMax, WINDOW_LOG_MAX))))
		result = -ENOMEM;
	if (result != 0)
		journal_archive_close(reader);
	return result;
}

static int out_write(struct journal_archive_reader *reader, size_t size)
{
	size_t done = 0;

	if (EVP_DigestUpdate(reader->digest, reader->out, size) != 1)
		return -ENOMEM;
	reader->produced += size;
	while (reader->out_fd >= 0 && done < size) {
		ssize_t wrote = write(reader->out_fd, reader->out + done, size - done);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote <= 0)
			return wrote < 0 ? -errno : -EIO;
		done += (size_t)wrote;
	}
	return 0;
}

static int end_check(struct journal_archive_reader *reader, const struct journal_archive_file *file)
{
	unsigned char digest[32];

	if (!reader->frame_ended || reader->produced != file->seal.length ||
	    EVP_DigestFinal_ex(reader->digest, digest, NULL) != 1 ||
	    memcmp(digest, reader->header.sha256, sizeof(digest)) != 0)
		return -EBADMSG;
	return 0;
}

int journal_archive_step(
    struct journal_archive_reader *reader, const struct journal_archive_file *file)
{
	for (int piece = 0; piece < 2;) {
		ZSTD_outBuffer output = { reader->out, JOURNAL_ARCHIVE_BUFFER_SIZE, 0 };
		size_t left;
		int result;

		if (reader->input.pos == reader->input.size) {
			ssize_t got = pread(reader->fd, reader->in, JOURNAL_ARCHIVE_BUFFER_SIZE,
			    (off_t)reader->offset);

			if (got < 0)
				return -errno;
			if (got == 0)
				return end_check(reader, file);
			reader->offset += (uint64_t)got;
			reader->input = (ZSTD_inBuffer){ reader->in, (size_t)got, 0 };
		}
		if (reader->frame_ended)
			return -EBADMSG; /* one frame, nothing behind it */
		left = ZSTD_decompressStream(reader->context, &output, &reader->input);
		if (ZSTD_isError(left) || reader->produced + output.pos > file->seal.length)
			return -EBADMSG;
		reader->frame_ended = left == 0;
		result = out_write(reader, output.pos);
		if (result != 0)
			return result;
		piece += output.pos > 0;
	}
	return 1;
}

void journal_archive_close(struct journal_archive_reader *reader)
{
	if (reader->fd >= 0)
		close(reader->fd);
	ZSTD_freeDCtx(reader->context);
	EVP_MD_CTX_free(reader->digest);
	free(reader->in);
	free(reader->out);
	*reader = (struct journal_archive_reader){ .fd = -1, .out_fd = -1 };
}
