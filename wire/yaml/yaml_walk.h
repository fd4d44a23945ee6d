/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A walk over the keys of a YAML text, in its order, with their lines: what a good message about a
 * configuration file needs and libcyaml does not give. libyaml parses; here is only the
 * bookkeeping.
 */
#ifndef SLUICE_WIRE_YAML_WALK_H
#define SLUICE_WIRE_YAML_WALK_H

#include <stddef.h>
#include <stdint.h>

#include "wire/assert.h"

#define YAML_WALK_DEPTH_MAX 8
#define YAML_WALK_PATH_SIZE 256

enum yaml_walk_kind {
	YAML_WALK_TEXT,
	YAML_WALK_MAPPING,
	YAML_WALK_SEQUENCE,
};

struct yaml_walk_entry {
	const char *path;      /* "keys.port", "ports[0].address" */
	unsigned line, column; /* of the key (of the value in a sequence), from 1 */
	enum yaml_walk_kind kind;
	const char *value; /* TEXT: NUL-terminated, may hold further NULs; else "" */
	size_t size;       /* of value */
	int plain;         /* TEXT without quotes */
};

struct yaml_walk_problem {
	unsigned line, column; /* from 1; 0: the text as a whole */
	char text[192];        /* what was found and the remedy */
};

/*
 * Called for each key and each member of a sequence, a mapping before what is in it. Not 0: the
 * walk ends and yaml_walk returns it.
 */
typedef int yaml_walk_visit(void *context, const struct yaml_walk_entry *entry);

/*
 * 0; -EINVAL (or -ENOMEM) with *problem: not UTF-8, not YAML, no mapping at the top, aliases, more
 * than one document, too deep; or what `visit` returned. Total on hostile bytes; memory and time
 * are bounded by `size`.
 */
SLUICE_MUST_USE int yaml_walk(const uint8_t *text, size_t size, yaml_walk_visit *visit,
    void *context, struct yaml_walk_problem *problem);

/*
 * 1 when a value is a plain decimal number of up to 10 digits, which goes to *number. libcyaml
 * takes "010" for 8, "0x10" for 16 and "64x" for 64.
 */
int yaml_walk_number(const char *value, size_t size, uint64_t *number);

/* Copies a value for use in a message: control characters become '?', long ones are cut ("..."). */
void yaml_walk_quote(const char *value, size_t size, char *out, size_t out_size);

/* Number of edits (insert, remove, replace) between two words, for "did you mean"; long words are
 * compared by their first 63 bytes. */
unsigned yaml_walk_distance(const char *one, const char *other);

#endif
