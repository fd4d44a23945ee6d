/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of an object by their names, as JSON: the admin socket and control show the same. */
#ifndef SLUICE_LMDB_SCHEMA_OBJECT_JSON_H
#define SLUICE_LMDB_SCHEMA_OBJECT_JSON_H

#include <jansson.h>

#include "lmdb-schema/object.h"

/* 64 bits that may be any do not fit a JSON number: a string of digits. A new reference. */
json_t *object_json_digits(uint64_t value);
/* Adds each field of the kind to `object`; nothing for an unknown kind. */
void object_json_fields(json_t *object, unsigned kind, const uint8_t body[OBJECT_BODY_SIZE]);

#endif
