/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files, plain or zstd, into memory. */
#include "tools/risk-eval/eval.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define TEXT_MAX (8ull << 30)

static int plain_read(FILE *file, char **out, size_t *out_size)
{
	size_t room = 1 << 20, size = 0;
	char *text = malloc(room);

	while (text != NULL) {
		size_t got = fread(text + size, 1, room - size - 1, file);
		char *larger;

		size += got;
		if (got == 0)
			break;
		if (size + 1 < room)
			continue;
		larger = room < TEXT_MAX ? realloc(text, room * 2) : NULL;
		if (larger == NULL) {
			free(text);
			return -ENOMEM;
		}
		text = larger;
		room *= 2;
	}
	if (text == NULL || ferror(file)) {
		free(text);
		return text == NULL ? -ENOMEM : -EIO;
	}
	text[size] = '\0';
	*out = text;
	*out_size = size;
	return 0;
}

/* All frames of the input; -EBADMSG when they are damaged or cut. */
static int unpack(const char *packed, size_t packed_size, char **out, size_t *out_size)
{
	ZSTD_DStream *stream = ZSTD_createDStream();
	ZSTD_inBuffer input = { packed, packed_size, 0 };
	size_t room = packed_size * 8 + 65536, left = 1;
	ZSTD_outBuffer output = { malloc(room), room - 1, 0 };
	int result = stream != NULL && output.dst != NULL ? 0 : -ENOMEM;

	while (result == 0 && (input.pos < input.size || output.pos == output.size)) {
		if (output.pos == output.size) {
			void *larger = room < TEXT_MAX ? realloc(output.dst, room * 2) : NULL;

			if (larger == NULL) {
				result = -ENOMEM;
				break;
			}
			room *= 2;
			output.dst = larger;
			output.size = room - 1;
		}
		left = ZSTD_decompressStream(stream, &output, &input);
		if (ZSTD_isError(left))
			result = -EBADMSG;
		else if (left == 0 && input.pos == input.size)
			break;
	}
	if (result == 0 && left != 0)
		result = -EBADMSG;
	ZSTD_freeDStream(stream);
	if (result != 0) {
		free(output.dst);
		return result;
	}
	*out = output.dst;
	*out_size = output.pos;
	(*out)[*out_size] = '\0';
	return 0;
}

int eval_file_read(const char *path, char **text, size_t *size)
{
	static const unsigned char magic[4] = { 0x28, 0xb5, 0x2f, 0xfd };
	FILE *file = fopen(path, "rb");
	char *packed;
	int result;

	if (file == NULL)
		return -errno;
	result = plain_read(file, text, size);
	fclose(file);
	if (result != 0 || *size < sizeof(magic) || memcmp(*text, magic, sizeof(magic)) != 0)
		return result;
	packed = *text;
	result = unpack(packed, *size, text, size);
	free(packed);
	return result;
}
