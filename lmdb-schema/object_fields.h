/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fields of each kind of object as data: name, place, meaning. What shows objects to people or
 * machines (admin socket, explain) walks these tables instead of naming every field once more.
 */
#ifndef SLUICE_LMDB_SCHEMA_OBJECT_FIELDS_H
#define SLUICE_LMDB_SCHEMA_OBJECT_FIELDS_H

#include <stddef.h>
#include <stdint.h>

#include "lmdb-schema/object.h"

enum object_field_form {
	OBJECT_FIELD_ID,     /* 64 bits that may be any: shown as a string of digits */
	OBJECT_FIELD_NUMBER, /* unsigned */
	OBJECT_FIELD_AMOUNT, /* signed, minor units; of limits -1: none */
	OBJECT_FIELD_TIME,   /* Unix ns, 0 none, all ones for ever: shown as a string of digits */
	OBJECT_FIELD_CODE,   /* wire_code */
	OBJECT_FIELD_FLAG,   /* 0 or 1 */
	OBJECT_FIELD_HEX,    /* bytes */
};

struct object_field {
	const char *name;
	uint8_t form;  /* object_field_form */
	uint8_t size;  /* bytes of one */
	uint8_t count; /* above 1: a list */
	uint16_t offset;
};

/* The fields of a kind, *count of them; NULL for an unknown kind. */
const struct object_field *object_fields(unsigned kind, size_t *count);
/* The value of one of a field's numbers; SLUICE_REQUIREs a form that is a number and the range. */
uint64_t object_field_value(
    const struct object_field *field, const uint8_t body[OBJECT_BODY_SIZE], unsigned index);
/* "open", "done", "reversed", "refused"; NULL for an unknown one. */
const char *object_state_name(unsigned state);

#endif
