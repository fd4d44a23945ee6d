/* SPDX-License-Identifier: Apache-2.0 */
/* What the readers of control's records share. Private to lmdb-schema. */
#ifndef SLUICE_LMDB_SCHEMA_CONTROL_READ_H
#define SLUICE_LMDB_SCHEMA_CONTROL_READ_H

#include <errno.h>
#include <string.h>

#include "lmdb-schema/control_rows.h"

/* The fixed part of a record: kind, version, its own size, reserved bytes, and that it is there. */
static inline int control_header_fits(
    struct db_bytes bytes, enum record_control_kind kind, size_t size)
{
	struct record_header header;

	if (bytes.size < size)
		return 0;
	memcpy(&header, bytes.data, sizeof(header));
	return header.kind == kind && header.version == RECORD_VERSION &&
	       le16_get(header.size) == size &&
	       bytes_all_zero(header.reserved, sizeof(header.reserved));
}

/* Copies a record that is nothing but its fixed part. */
static inline int control_fixed_read(
    struct db_bytes bytes, enum record_control_kind kind, void *record, size_t size)
{
	if (!control_header_fits(bytes, kind, size) || bytes.size != size)
		return -EBADMSG;
	memcpy(record, bytes.data, size);
	return 0;
}

/* A padded text: ends inside its field, nothing behind its end. */
static inline int control_text_fits(const uint8_t *field, size_t size)
{
	size_t length = strnlen((const char *)field, size);

	return length < size && bytes_all_zero(field + length, size - length);
}

#endif
