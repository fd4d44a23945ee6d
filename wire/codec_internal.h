/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to wire/codec*.c: the catalogue of templates as one table.
 */
#ifndef SLUICE_WIRE_CODEC_INTERNAL_H
#define SLUICE_WIRE_CODEC_INTERNAL_H

#include <stdint.h>

struct codec_template {
	const char *name;
	uint16_t template_id;
	uint16_t request_block; /* bytes */
	uint16_t reply_block;
	uint8_t right; /* session_right, 0 none */
	uint8_t mutates;
};

/* NULL for an id outside the catalogue. */
const struct codec_template *codec_template_find(uint16_t template_id);

#endif
