/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Little-endian fields and checked loads.
 *
 * Every wire and disk layout is built from the field types below. They are structs, so a field can
 * neither be used as a host integer by mistake nor assigned one: all access goes through the
 * helpers. A layout is copied out of a buffer with memcpy before any field is read; nothing in the
 * project casts a byte pointer to an integer pointer.
 */
#ifndef SLUICE_WIRE_BYTES_H
#define SLUICE_WIRE_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define SLUICE_LE16(x) ((uint16_t)(x))
#define SLUICE_LE32(x) ((uint32_t)(x))
#define SLUICE_LE64(x) ((uint64_t)(x))
#else
#define SLUICE_LE16(x) __builtin_bswap16(x)
#define SLUICE_LE32(x) __builtin_bswap32(x)
#define SLUICE_LE64(x) __builtin_bswap64(x)
#endif

struct le16 {
	uint16_t raw;
};
struct le32 {
	uint32_t raw;
};
struct le64 {
	uint64_t raw;
};
/* Signed 64 bits: money in minor units. Two's complement, little-endian. */
struct le64s {
	uint64_t raw;
};

static inline uint16_t le16_get(struct le16 field)
{
	return SLUICE_LE16(field.raw);
}

static inline uint32_t le32_get(struct le32 field)
{
	return SLUICE_LE32(field.raw);
}

static inline uint64_t le64_get(struct le64 field)
{
	return SLUICE_LE64(field.raw);
}

static inline int64_t le64s_get(struct le64s field)
{
	return (int64_t)SLUICE_LE64(field.raw);
}

static inline struct le16 le16_make(uint16_t value)
{
	return (struct le16){ SLUICE_LE16(value) };
}

static inline struct le32 le32_make(uint32_t value)
{
	return (struct le32){ SLUICE_LE32(value) };
}

static inline struct le64 le64_make(uint64_t value)
{
	return (struct le64){ SLUICE_LE64(value) };
}

static inline struct le64s le64s_make(int64_t value)
{
	return (struct le64s){ SLUICE_LE64((uint64_t)value) };
}

/* True when all `size` bytes are zero: the check on every reserved field. */
static inline int bytes_all_zero(const void *bytes, size_t size)
{
	const uint8_t *byte = bytes;
	uint8_t seen = 0;

	for (size_t i = 0; i < size; i++)
		seen |= byte[i];
	return seen == 0;
}

/* Layout assertions: one line per field, directly under each struct. */
#define ASSERT_SIZE(type, size)                                                                    \
	_Static_assert(sizeof(type) == (size), #type " must have " #size " bytes")
#define ASSERT_OFFSET(type, field, offset)                                                         \
	_Static_assert(offsetof(type, field) == (offset), #type "." #field " must be at " #offset)

#endif
