/* SPDX-License-Identifier: Apache-2.0 */
/* One pass over a finished segment: read in slices, hashed, compressed. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "dataplane/journal/seal_internal.h"
#include "wire/hex.h"

#define DAMAGE_TRIES 3

void journal_pass_archive_failed(struct journal_sealer *sealer, int error)
{
	journal_archive_abandon(&sealer->writer);
	sealer->pass.to_archive = 0;
	sealer->archive_failed_ns = sealer->now_ns;
	JOURNAL_FIGURE_ADD(sealer, archive_errors, 1);
	JOURNAL_FIGURE_SET(sealer, archive_error, (uint64_t)-error);
}

/* From the front, into an empty digest and an empty file. */
static int restart(struct journal_sealer *sealer, enum journal_pass_phase phase)
{
	struct journal_pass *pass = &sealer->pass;
	struct journal_position start = { .generation = pass->seal.generation };
	int result;

	if (EVP_DigestInit_ex(sealer->digest, EVP_sha256(), NULL) != 1)
		return -ENOMEM;
	if (phase == JOURNAL_PASS_BATCHES)
		pass->seal = (struct journal_seal){ .generation = start.generation };
	pass->phase = phase;
	pass->raw_offset = 0;
	sealer->reader->window_length = 0; /* of before the writer went on, or of a bad read */
	journal_reader_seek_position(sealer->reader, &start);
	if (!pass->to_archive)
		return 0;
	journal_archive_abandon(&sealer->writer);
	result = journal_archive_begin(&sealer->writer, sealer->archive.directory);
	if (result != 0)
		journal_pass_archive_failed(sealer, result);
	return 0;
}

int journal_pass_begin(
    struct journal_sealer *sealer, uint64_t generation, int to_seal, int to_archive)
{
	struct journal_pass *pass = &sealer->pass;
	uint64_t next_first;
	int result;

	*pass = (struct journal_pass){ .to_seal = (uint8_t)to_seal,
		.to_archive = (uint8_t)to_archive,
		.seal = { .generation = generation },
		.raw_fd = -1 };
	/* The writer has left it only when the next one held a durable batch. */
	result = journal_reader_first_lsn(sealer->reader, generation + 1, &next_first);
	if (result == 0)
		pass->last_lsn = next_first - 1;
	else if (result != -ENOENT)
		return result;
	return restart(sealer, JOURNAL_PASS_BATCHES);
}

static int take(struct journal_sealer *sealer, const uint8_t *bytes, size_t size)
{
	int result;

	if (EVP_DigestUpdate(sealer->digest, bytes, size) != 1)
		return -ENOMEM;
	sealer->pass.seal.length += size;
	if (!sealer->pass.to_archive)
		return 0;
	result = journal_archive_add(&sealer->writer, bytes, size);
	if (result != 0)
		journal_pass_archive_failed(sealer, result);
	return 0;
}

static int finished(struct journal_sealer *sealer)
{
	unsigned char digest[32];

	if (EVP_DigestFinal_ex(sealer->digest, digest, NULL) != 1)
		return -ENOMEM;
	hex_encode(digest, sizeof(digest), sealer->pass.seal.sha256);
	sealer->pass.phase = JOURNAL_PASS_NONE;
	return 0;
}

/* It could not be read to its end. Again, and then as it is: nothing is lost by sealing that. */
static int broken(struct journal_sealer *sealer)
{
	struct journal_pass *pass = &sealer->pass;
	struct journal_seal *seal = &pass->seal;
	uint64_t size, sealed = sealer->manifest.last_lsn;
	int result;

	if (++pass->tries < DAMAGE_TRIES) {
		result = restart(sealer, JOURNAL_PASS_BATCHES);
		return result != 0 ? result : 1;
	}
	if (pass->last_lsn == 0)
		return -EBADMSG; /* nor is there one behind it: nothing to go by */
	if (seal->first_lsn == 0)
		seal->first_lsn = sealed != 0 && pass->to_seal ? sealed + 1 : pass->last_lsn;
	seal->last_lsn = pass->last_lsn;
	seal->damaged = 1;
	seal->length = 0;
	result = journal_segment_open(sealer->directory_fd, seal->generation, O_RDONLY,
	    sealer->config.allow_volatile, &pass->raw_fd, &size);
	if (result == 0)
		result = restart(sealer, JOURNAL_PASS_RAW);
	return result != 0 ? result : 1;
}

static int batches_step(struct journal_sealer *sealer)
{
	struct journal_seal *seal = &sealer->pass.seal;
	uint64_t begin = seal->length;

	while (seal->length - begin < JOURNAL_SEAL_SLICE) {
		struct journal_batch batch;
		const char *why;
		int result = journal_reader_step(sealer->reader, &batch, 1, &why);
		uint32_t length;

		if (result < 0 && result != -EBADMSG)
			return result;
		if (result == 1 && batch.generation == seal->generation) {
			length = le32_get(batch.header.body_length);
			if (seal->first_lsn == 0)
				seal->first_lsn = le64_get(batch.header.first_lsn);
			seal->last_lsn = journal_batch_last_lsn(&batch.header);
			seal->events += le32_get(batch.header.event_count);
			seal->batches++;
			seal->time_ns = le64_get(batch.header.time_ns);
			result = take(sealer, batch.events - JOURNAL_HEADER_SIZE,
			    (size_t)journal_batch_padded(length));
			if (result != 0)
				return result;
			continue;
		}
		/* The chain goes on behind it, or it is known that this was the last one. */
		if (seal->batches > 0 && (result == 1 || seal->last_lsn == sealer->pass.last_lsn))
			return finished(sealer);
		return broken(sealer);
	}
	return 1;
}

static int raw_step(struct journal_sealer *sealer)
{
	struct journal_pass *pass = &sealer->pass;
	int64_t got =
	    journal_file_read(pass->raw_fd, sealer->raw, pass->raw_offset, JOURNAL_SEAL_SLICE);
	int result;

	if (got < 0)
		return (int)got;
	if (got == 0)
		return finished(sealer);
	pass->raw_offset += (uint64_t)got;
	result = take(sealer, sealer->raw, (size_t)got);
	if (result == 0 && got < (int64_t)JOURNAL_SEAL_SLICE)
		return finished(sealer);
	return result != 0 ? result : 1;
}

int journal_pass_step(struct journal_sealer *sealer)
{
	return sealer->pass.phase == JOURNAL_PASS_RAW ? raw_step(sealer) : batches_step(sealer);
}

void journal_pass_end(struct journal_sealer *sealer)
{
	if (sealer->pass.raw_fd >= 0)
		close(sealer->pass.raw_fd);
	journal_archive_abandon(&sealer->writer);
	sealer->pass = (struct journal_pass){ .raw_fd = -1 };
}
