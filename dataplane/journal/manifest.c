/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines are read by taking the members out and writing the line again: only what comes out the
 * same, byte by byte, is one. So the format is exactly what is written, and reading is total.
 */
#include "dataplane/journal/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "wire/hex.h"

#define CHAIN_END_SIZE (sizeof(",\"chain\":\"\"}") - 1 + JOURNAL_SHA256_TEXT - 1)
/* The end that is read: the last line, the one before it, and room for what a crash left. */
#define TAIL_SIZE 4096u

__attribute__((format(printf, 4, 5))) static int say(
    char *why, size_t why_size, int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why, why == NULL ? 0 : why_size, format, arguments);
	va_end(arguments);
	return error;
}

/* ---- One line ---- */

/* Ends a line: makes its chain from the one before. Its length, without the line feed. */
static size_t line_end(char line[JOURNAL_MANIFEST_LINE_MAX], size_t length, const char *before,
    char chain[JOURNAL_SHA256_TEXT])
{
	char text[JOURNAL_SHA256_TEXT + JOURNAL_MANIFEST_LINE_MAX];
	unsigned char digest[32];
	int size = snprintf(text, sizeof(text), "%s%s", before, line);
	int ok = EVP_Digest(text, (size_t)size, digest, NULL, EVP_sha256(), NULL);

	SLUICE_REQUIRE(ok == 1); /* fails only without memory */
	hex_encode(digest, sizeof(digest), chain);
	return length + (size_t)snprintf(line + length, JOURNAL_MANIFEST_LINE_MAX - length,
	                    ",\"chain\":\"%s\"}", chain);
}

static size_t header_line(char line[JOURNAL_MANIFEST_LINE_MAX],
    const struct journal_manifest_header *header, char chain[JOURNAL_SHA256_TEXT])
{
	int length = snprintf(line, JOURNAL_MANIFEST_LINE_MAX,
	    "{\"format\":\"sluice-journal-manifest\",\"version\":%d,\"shard\":%" PRIu32
	    ",\"incarnation\":\"%" PRIu64 "\",\"first_segment\":%" PRIu64 ",\"follows\":\"%s\"",
	    JOURNAL_MANIFEST_VERSION, header->shard, header->incarnation, header->first_generation,
	    header->follows);

	return line_end(line, (size_t)length, "", chain);
}

static size_t seal_line(char line[JOURNAL_MANIFEST_LINE_MAX], const struct journal_seal *seal,
    const char *before, char chain[JOURNAL_SHA256_TEXT])
{
	int length = snprintf(line, JOURNAL_MANIFEST_LINE_MAX,
	    "{\"segment\":%" PRIu64 ",\"first_lsn\":%" PRIu64 ",\"last_lsn\":%" PRIu64
	    ",\"events\":%" PRIu64 ",\"batches\":%" PRIu64 ",\"bytes\":%" PRIu64
	    ",\"time_ns\":\"%" PRIu64 "\",\"sealed_ns\":\"%" PRIu64
	    "\",\"damaged\":%s,\"sha256\":\"%s\"",
	    seal->generation, seal->first_lsn, seal->last_lsn, seal->events, seal->batches,
	    seal->length, seal->time_ns, seal->sealed_ns, seal->damaged ? "true" : "false",
	    seal->sha256);

	return line_end(line, (size_t)length, before, chain);
}

/* The number behind `name`, with or without quotes; 0 when there is none: the comparison tells. */
static uint64_t member_number(const char *line, const char *name)
{
	const char *at = strstr(line, name);

	if (at == NULL)
		return 0;
	at += strlen(name);
	at += *at == '"';
	return strtoull(at, NULL, 10);
}

static void member_digest(const char *line, const char *name, char text[JOURNAL_SHA256_TEXT])
{
	const char *at = strstr(line, name);

	text[0] = '\0';
	if (at != NULL && strlen(at) >= strlen(name) + JOURNAL_SHA256_TEXT - 1)
		snprintf(text, JOURNAL_SHA256_TEXT, "%s", at + strlen(name));
}

/* `line` has a zero in place of its line feed. 1 when it is the first line of a manifest. */
static int header_parse(
    const char *line, struct journal_manifest_header *header, char chain[JOURNAL_SHA256_TEXT])
{
	char again[JOURNAL_MANIFEST_LINE_MAX], made[JOURNAL_SHA256_TEXT];
	struct journal_manifest_header parsed = {
		.shard = (uint32_t)member_number(line, "\"shard\":"),
		.incarnation = member_number(line, "\"incarnation\":"),
		.first_generation = member_number(line, "\"first_segment\":"),
	};

	member_digest(line, "\"follows\":\"", parsed.follows);
	header_line(again, &parsed, made);
	if (strcmp(line, again) != 0)
		return 0;
	*header = parsed;
	memcpy(chain, made, JOURNAL_SHA256_TEXT);
	return 1;
}

/* 1 when `line`, with a zero at `length`, is a seal that continues the chain `before`. */
static int seal_parse(
    const char *line, size_t length, const char *before, struct journal_seal *seal)
{
	char again[JOURNAL_MANIFEST_LINE_MAX];
	struct journal_seal parsed = {
		.generation = member_number(line, "{\"segment\":"),
		.first_lsn = member_number(line, "\"first_lsn\":"),
		.last_lsn = member_number(line, "\"last_lsn\":"),
		.events = member_number(line, "\"events\":"),
		.batches = member_number(line, "\"batches\":"),
		.length = member_number(line, "\"bytes\":"),
		.time_ns = member_number(line, "\"time_ns\":"),
		.sealed_ns = member_number(line, "\"sealed_ns\":"),
		.damaged = strstr(line, "\"damaged\":true") != NULL,
	};

	member_digest(line, "\"sha256\":\"", parsed.sha256);
	seal_line(again, &parsed, before, parsed.chain);
	if (strlen(line) != length || strcmp(line, again) != 0 || parsed.generation == 0 ||
	    parsed.first_lsn == 0 || parsed.last_lsn < parsed.first_lsn)
		return 0;
	*seal = parsed;
	return 1;
}

static int version_newer(const char *line)
{
	static const char begin[] = "{\"format\":\"sluice-journal-manifest\",\"version\":";

	return strncmp(line, begin, sizeof(begin) - 1) == 0 &&
	       strtoull(line + sizeof(begin) - 1, NULL, 10) > JOURNAL_MANIFEST_VERSION;
}

/*
 * Is what lies behind the last valid line an append that a crash cut short? One line is written at
 * a time, so it has no line feed but at its end.
 */
static int is_torn(int fd, uint64_t offset, uint64_t size)
{
	char rest[JOURNAL_MANIFEST_LINE_MAX];
	char *feed;

	if (size == 0)
		return 1;
	if (size > sizeof(rest) || pread(fd, rest, size, (off_t)offset) != (ssize_t)size)
		return 0;
	feed = memchr(rest, '\n', size);
	return feed == NULL || feed == rest + size - 1;
}

/* ---- Beginning and end ---- */

/* The first line of an open file. 0, -EPROTO, -EBADMSG, -errno. *end: behind its line feed. */
static int first_line(int fd, struct journal_manifest_header *header,
    char chain[JOURNAL_SHA256_TEXT], uint64_t *end, char *why, size_t why_size)
{
	char line[JOURNAL_MANIFEST_LINE_MAX + 1];
	ssize_t got = pread(fd, line, JOURNAL_MANIFEST_LINE_MAX, 0);
	char *feed;

	if (got < 0)
		return say(why, why_size, -errno, "%s: %s", JOURNAL_MANIFEST_NAME, strerror(errno));
	line[got] = '\0';
	feed = memchr(line, '\n', (size_t)got);
	if (feed != NULL)
		*feed = '\0';
	if (version_newer(line))
		return say(why, why_size, -EPROTO,
		    "%s was written by a newer version: start that version", JOURNAL_MANIFEST_NAME);
	if (feed == NULL || strlen(line) != (size_t)(feed - line) ||
	    !header_parse(line, header, chain))
		return say(why, why_size, -EBADMSG, "%s: the first line is damaged",
		    JOURNAL_MANIFEST_NAME);
	*end = (uint64_t)(feed - line) + 1;
	return 0;
}

/* The chain a line says it has, unproven. */
static void chain_of(const char *line, size_t length, char chain[JOURNAL_SHA256_TEXT])
{
	chain[0] = '\0';
	if (length > CHAIN_END_SIZE)
		snprintf(chain, JOURNAL_SHA256_TEXT, "%s", line + length - JOURNAL_SHA256_TEXT - 1);
}

/*
 * Looks for the last line of `tail` (a whole line begins at its start, if it holds one at all) that
 * continues the one before. 1 found.
 */
static int last_seal(
    char *tail, size_t size, const char *before_tail, struct journal_seal *seal, size_t *end)
{
	char before[JOURNAL_SHA256_TEXT];
	size_t at = 0;
	int found = 0;

	memcpy(before, before_tail, sizeof(before));
	while (at < size) {
		char *feed = memchr(tail + at, '\n', size - at);
		size_t length = feed == NULL ? 0 : (size_t)(feed - tail) - at;

		if (feed == NULL)
			break;
		*feed = '\0';
		/* The first of the tail has nothing to be proven by; it is what the next continues.
		 */
		if (before[0] != '\0' && seal_parse(tail + at, length, before, seal)) {
			found = 1;
			*end = at + length + 1;
		}
		chain_of(tail + at, length, before);
		at += length + 1;
	}
	return found;
}

static int tail_read(
    int fd, uint64_t header_end, struct journal_manifest *manifest, char *why, size_t why_size)
{
	static const char unknown[sizeof(manifest->chain)] = "";
	char tail[TAIL_SIZE + 1], *begin = tail;
	struct stat status;
	struct journal_seal seal;
	uint64_t from = header_end;
	size_t size, end = 0;
	ssize_t got;

	if (fstat(fd, &status) != 0)
		return say(why, why_size, -errno, "%s: %s", JOURNAL_MANIFEST_NAME, strerror(errno));
	if ((uint64_t)status.st_size > header_end + TAIL_SIZE)
		from = (uint64_t)status.st_size - TAIL_SIZE;
	got = pread(fd, tail, TAIL_SIZE, (off_t)from);
	if (got < 0)
		return say(why, why_size, -errno, "%s: %s", JOURNAL_MANIFEST_NAME, strerror(errno));
	size = (size_t)got;
	tail[size] = '\0';
	if (from > header_end) { /* in the middle of a line */
		begin = memchr(tail, '\n', size);
		begin = begin == NULL ? tail + size : begin + 1;
		size -= (size_t)(begin - tail);
	}
	manifest->next_generation = manifest->header.first_generation;
	manifest->size = header_end;
	if (last_seal(begin, size, from > header_end ? unknown : manifest->chain, &seal, &end)) {
		manifest->size = from + (uint64_t)(begin - tail) + end;
		manifest->next_generation = seal.generation + 1;
		manifest->last_lsn = seal.last_lsn;
		memcpy(manifest->chain, seal.chain, sizeof(manifest->chain));
	} else if (from > header_end) {
		manifest->size = 0;
	}
	manifest->torn = (uint64_t)status.st_size - manifest->size;
	if (!is_torn(fd, manifest->size, manifest->torn))
		return say(why, why_size, -EBADMSG,
		    "%s: damaged behind byte %" PRIu64
		    "; keep it as evidence, put a good copy in its place (the archive has one), or "
		    "move it away: sealing begins anew",
		    JOURNAL_MANIFEST_NAME, manifest->size);
	return 0;
}

int journal_manifest_read(int directory_fd, uint32_t shard, uint64_t incarnation,
    struct journal_manifest *out, char *why, size_t why_size)
{
	struct journal_manifest manifest = { 0 };
	uint64_t end = 0;
	int fd = openat(directory_fd, JOURNAL_MANIFEST_NAME, O_RDONLY | O_CLOEXEC), result;

	if (fd < 0)
		return say(why, why_size, -errno, "%s: %s", JOURNAL_MANIFEST_NAME, strerror(errno));
	result = first_line(fd, &manifest.header, manifest.chain, &end, why, why_size);
	if (result == 0 &&
	    (manifest.header.shard != shard || manifest.header.incarnation != incarnation))
		result = say(why, why_size, -EBADMSG,
		    "%s is of another journal (shard %" PRIu32 ", incarnation %" PRIu64
		    "): put the right one back, or move it away: sealing begins anew",
		    JOURNAL_MANIFEST_NAME, manifest.header.shard, manifest.header.incarnation);
	if (result == 0)
		result = tail_read(fd, end, &manifest, why, why_size);
	close(fd);
	if (result == 0)
		*out = manifest;
	return result;
}

/* ---- Writing ---- */

static int write_all(int fd, const char *text, size_t size, uint64_t offset)
{
	size_t done = 0;

	while (done < size) {
		ssize_t wrote = pwrite(fd, text + done, size - done, (off_t)(offset + done));

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote <= 0)
			return wrote < 0 ? -errno : -EIO;
		done += (size_t)wrote;
	}
	return 0;
}

int journal_manifest_create(int directory_fd, const struct journal_manifest_header *header,
    struct journal_manifest *manifest)
{
	char line[JOURNAL_MANIFEST_LINE_MAX], chain[JOURNAL_SHA256_TEXT];
	size_t length = header_line(line, header, chain);
	int result, fd;

	fd = openat(directory_fd, JOURNAL_MANIFEST_NAME_NEW,
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	line[length++] = '\n';
	result = write_all(fd, line, length, 0);
	if (result == 0 && fsync(fd) != 0)
		result = -errno;
	close(fd);
	if (result == 0 && renameat(directory_fd, JOURNAL_MANIFEST_NAME_NEW, directory_fd,
	                       JOURNAL_MANIFEST_NAME) != 0)
		result = -errno;
	if (result == 0 && fsync(directory_fd) != 0)
		result = -errno;
	if (result != 0)
		return result;
	*manifest = (struct journal_manifest){
		.header = *header, .next_generation = header->first_generation, .size = length
	};
	memcpy(manifest->chain, chain, sizeof(chain));
	return 0;
}

int journal_manifest_append(
    int directory_fd, struct journal_manifest *manifest, struct journal_seal *seal)
{
	char line[JOURNAL_MANIFEST_LINE_MAX], chain[JOURNAL_SHA256_TEXT];
	size_t length = seal_line(line, seal, manifest->chain, chain);
	int result = 0, fd = openat(directory_fd, JOURNAL_MANIFEST_NAME, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	line[length++] = '\n';
	/* Also what an append of this run left that failed half-way. */
	if (ftruncate(fd, (off_t)manifest->size) != 0)
		result = -errno;
	if (result == 0)
		result = write_all(fd, line, length, manifest->size);
	if (result == 0 && fsync(fd) != 0)
		result = -errno;
	if (result != 0)
		(void)!ftruncate(fd, (off_t)manifest->size); /* else the next append does */
	close(fd);
	if (result != 0)
		return result;
	memcpy(seal->chain, chain, sizeof(chain));
	memcpy(manifest->chain, chain, sizeof(chain));
	manifest->size += length;
	manifest->torn = 0;
	manifest->next_generation = seal->generation + 1;
	manifest->last_lsn = seal->last_lsn;
	return 0;
}

/* ---- Walk ---- */

int journal_manifest_walk_open(struct journal_manifest_walk *walk, int directory_fd,
    const char *name, char *why, size_t why_size)
{
	int result;

	walk->held = 0;
	walk->torn = 0;
	walk->fd = openat(directory_fd, name, O_RDONLY | O_CLOEXEC);
	if (walk->fd < 0)
		return say(why, why_size, -errno, "%s: %s", name, strerror(errno));
	result = first_line(walk->fd, &walk->header, walk->chain, &walk->offset, why, why_size);
	if (result != 0) {
		journal_manifest_walk_close(walk);
		return result;
	}
	walk->line_offset = 0;
	walk->next_generation = walk->header.first_generation;
	walk->next_lsn = 0;
	return 0;
}

/* The next line into the front of the buffer, ended by a zero. 1, 0 at the end, -errno. */
static int walk_line(struct journal_manifest_walk *walk, size_t *length)
{
	for (;;) {
		char *feed = memchr(walk->buffer, '\n', walk->held);
		ssize_t got;

		if (feed != NULL) {
			*feed = '\0';
			*length = (size_t)(feed - walk->buffer);
			return 1;
		}
		if (walk->held == sizeof(walk->buffer))
			return 0;
		got = pread(walk->fd, walk->buffer + walk->held, sizeof(walk->buffer) - walk->held,
		    (off_t)(walk->offset + walk->held));
		if (got <= 0)
			return got < 0 ? -errno : 0;
		walk->held += (size_t)got;
	}
}

int journal_manifest_walk_next(
    struct journal_manifest_walk *walk, struct journal_seal *seal, char *why, size_t why_size)
{
	const char *fault = "the line is damaged, or does not continue the chain";
	struct stat status;
	size_t length = 0;
	int result = walk_line(walk, &length);

	if (result < 0)
		return say(
		    why, why_size, result, "%s: %s", JOURNAL_MANIFEST_NAME, strerror(-result));
	if (result == 1 && seal_parse(walk->buffer, length, walk->chain, seal)) {
		fault = NULL;
		if (seal->generation != walk->next_generation)
			fault = "not the next segment";
		else if (walk->next_lsn != 0 && seal->first_lsn != walk->next_lsn)
			fault = "not the next LSN";
	}
	if (result == 1 && fault == NULL) {
		walk->line_offset = walk->offset;
		walk->offset += length + 1;
		walk->held -= length + 1;
		memmove(walk->buffer, walk->buffer + length + 1, walk->held);
		walk->next_generation++;
		walk->next_lsn = seal->last_lsn + 1;
		memcpy(walk->chain, seal->chain, sizeof(walk->chain));
		return 1;
	}
	if (fstat(walk->fd, &status) != 0)
		return say(why, why_size, -errno, "%s: %s", JOURNAL_MANIFEST_NAME, strerror(errno));
	walk->torn = (uint64_t)status.st_size - walk->offset;
	if (is_torn(walk->fd, walk->offset, walk->torn))
		return 0; /* nothing, or what a crash or a running writer left of one line */
	return say(why, why_size, -EBADMSG, "%s byte %" PRIu64 " (segment %" PRIu64 "): %s",
	    JOURNAL_MANIFEST_NAME, walk->offset, walk->next_generation, fault);
}

void journal_manifest_walk_close(struct journal_manifest_walk *walk)
{
	if (walk->fd >= 0)
		close(walk->fd);
	walk->fd = -1;
}
