/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NumPy's format 1.0: magic, header length, a dictionary as text padded to 64, then the records:
 * place (u64), time in seconds (u64), account (u64), label (u8), 7 bytes of padding, features.
 */
#include "tools/risk-eval/eval.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "wire/bytes.h"

#define HEADER_SIZE 256

struct eval_export {
	FILE *file;
};

struct export_record {
	struct le64 place, time_s, account_id;
	uint8_t label;
	uint8_t reserved[7];
};
_Static_assert(sizeof(struct export_record) == 32, "as the header says");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "floats are written as they are");

static int header_write(FILE *file, size_t rows)
{
	unsigned char header[HEADER_SIZE];
	int length;

	memcpy(header, "\x93NUMPY\x01\x00", 8);
	header[8] = HEADER_SIZE - 10;
	header[9] = 0;
	length = snprintf((char *)header + 10, sizeof(header) - 10,
	    "{'descr': [('place', '<u8'), ('time_s', '<u8'), ('account', '<u8'), ('label', '|u1'), "
	    "('reserved', '|u1', (7,)), ('features', '<f4', (%d,))], 'fortran_order': False, "
	    "'shape': (%zu,)}",
	    RISK_FEATURE_COUNT, rows);
	SLUICE_REQUIRE(length > 0 && (size_t)length < sizeof(header) - 11);
	memset(header + 10 + length, ' ', sizeof(header) - 11 - (size_t)length);
	header[HEADER_SIZE - 1] = '\n';
	return fwrite(header, sizeof(header), 1, file) == 1 ? 0 : -EIO;
}

int eval_export_open(const char *path, size_t rows, struct eval_export **out)
{
	struct eval_export *export = malloc(sizeof(*export));
	int result;

	if (export == NULL)
		return -ENOMEM;
	export->file = fopen(path, "wb");
	result = export->file != NULL ? header_write(export->file, rows) : -errno;
	if (result != 0) {
		if (export->file != NULL)
			fclose(export->file);
		free(export);
		return result;
	}
	*out = export;
	return 0;
}

int eval_export_row(
    struct eval_export *export, const struct eval_row *row, const float *features, uint32_t stride)
{
	struct export_record record = {
		.place = le64_make(row->place),
		.time_s = le64_make(row->transaction.time_ns / 1000000000u),
		.account_id = le64_make(row->account_id),
		.label = row->label,
	};
	float values[RISK_FEATURE_COUNT];

	for (uint32_t i = 0; i < RISK_FEATURE_COUNT; i++)
		values[i] = features[(size_t)i * stride];
	return fwrite(&record, sizeof(record), 1, export->file) == 1 &&
	               fwrite(values, sizeof(values), 1, export->file) == 1
	           ? 0
	           : -EIO;
}

int eval_export_close(struct eval_export *export)
{
	int result = fclose(export->file) == 0 ? 0 : -EIO;

	free(export);
	return result;
}
