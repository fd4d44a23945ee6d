/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows in the form of COPY ... (FORMAT BINARY): PostgreSQL 15 documentation, "COPY", "Binary
 * Format". A row is its number of fields (16 bits), then each field's length (32 bits, -1 null) and
 * bytes; all numbers big-endian. Times: microseconds since 2000-01-01 UTC.
 *
 * Fields are written at a pointer into room reserved before: copy_row gives it, copy_end takes it.
 */
#ifndef SLUICE_CONTROL_REPLICATION_COPY_H
#define SLUICE_CONTROL_REPLICATION_COPY_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "wire/assert.h"

struct copy {
	uint8_t *bytes;
	size_t size, room;
	uint64_t rows;
	int failed; /* out of memory: the rows are not all here */
};

void copy_free(struct copy *copy);
/* Empty again, memory kept. */
void copy_clear(struct copy *copy);
/* Room for a row of at most `size` bytes; NULL (and failed set) out of memory. */
uint8_t *copy_row(struct copy *copy, size_t size);
void copy_end(struct copy *copy, const uint8_t *at);
/* Header in front is written by the first row; this writes the trailer. */
SLUICE_MUST_USE int copy_finish(struct copy *copy);

#define COPY_FIELD_INT8 12u /* bytes of a field with its length */
#define COPY_FIELD_INT4 8u
#define COPY_FIELD_INT2 6u

static inline uint8_t *copy_put16(uint8_t *at, uint16_t value)
{
	value = htobe16(value);
	memcpy(at, &value, sizeof(value));
	return at + sizeof(value);
}

static inline uint8_t *copy_put32(uint8_t *at, uint32_t value)
{
	value = htobe32(value);
	memcpy(at, &value, sizeof(value));
	return at + sizeof(value);
}

static inline uint8_t *copy_put64(uint8_t *at, uint64_t value)
{
	value = htobe64(value);
	memcpy(at, &value, sizeof(value));
	return at + sizeof(value);
}

static inline uint8_t *copy_int8(uint8_t *at, uint64_t value)
{
	return copy_put64(copy_put32(at, 8), value);
}

static inline uint8_t *copy_int4(uint8_t *at, uint32_t value)
{
	return copy_put32(copy_put32(at, 4), value);
}

static inline uint8_t *copy_int2(uint8_t *at, uint16_t value)
{
	return copy_put16(copy_put32(at, 2), value);
}

static inline uint8_t *copy_null(uint8_t *at)
{
	return copy_put32(at, UINT32_MAX);
}

/* 0 means none: null. */
static inline uint8_t *copy_int8_or_null(uint8_t *at, uint64_t value)
{
	return value == 0 ? copy_null(at) : copy_int8(at, value);
}

static inline uint8_t *copy_bool(uint8_t *at, int value)
{
	at = copy_put32(at, 1);
	*at = value != 0;
	return at + 1;
}

/* Unix ns to PostgreSQL's microseconds, cut (not rounded); before 1970 there is nothing. */
#define COPY_EPOCH_US 946684800000000ll
static inline int64_t copy_time_us(uint64_t unix_ns)
{
	return (int64_t)(unix_ns / 1000) - COPY_EPOCH_US;
}

static inline uint8_t *copy_time(uint8_t *at, uint64_t unix_ns)
{
	return copy_int8(at, (uint64_t)copy_time_us(unix_ns));
}

static inline uint8_t *copy_bytes(uint8_t *at, const void *bytes, size_t size)
{
	at = copy_put32(at, (uint32_t)size);
	memcpy(at, bytes, size);
	return at + size;
}

#endif
