/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: ctl_answer_read, ctl_render with tables, changes, times and money: what sluicectl shows
 * of a server's answer. Bytes 0 and 1: which verb was asked; the rest is the line that came back.
 * Nothing of it moves the cursor of who looks at it.
 */
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tools/sluicectl/sluicectl.h"
#include "wire/bytes.h"

/* Printable bytes and ends of lines; no C1 control (U+0080 to U+009F in UTF-8) either. */
static void check_shown(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		unsigned char byte = (unsigned char)text[i];

		SLUICE_REQUIRE((byte >= 0x20 && byte != 0x7f) || byte == '\n');
		SLUICE_REQUIRE(byte != 0xc2 || i + 1 == size || (unsigned char)text[i + 1] >= 0xa0);
	}
}

static void show(const struct verb *verb, const json_t *result)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	SLUICE_REQUIRE(out != NULL);
	ctl_render(out, verb, result);
	SLUICE_REQUIRE(fclose(out) == 0);
	check_shown(text, size);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int started;
	char schema[VERB_NAME_SIZE_MAX] = "", message[CTL_MESSAGE_SIZE] = "", *line;
	json_t *result = NULL;
	enum ctl_status status;

	if (size < 2 || size > 65536)
		return 0;
	if (!started) {
		SLUICE_REQUIRE(setlocale(LC_CTYPE, "C.UTF-8") != NULL);
		setenv("TZ", "KST-9", 1);
		started = 1;
	}
	/* Of exactly this size, so that a sanitizer sees a read behind the end. */
	line = malloc(size > 2 ? size - 2 : 1);
	SLUICE_REQUIRE(line != NULL);
	memcpy(line, data + 2, size - 2);
	status = ctl_answer_read(line, size - 2, &result, schema, message, sizeof(message));
	free(line);
	if (status != CTL_DONE) {
		SLUICE_REQUIRE(result == NULL && strlen(message) < sizeof(message));
		return 0;
	}
	SLUICE_REQUIRE(json_is_object(result) && strlen(schema) < sizeof(schema));
	show(verb_at((data[0] | (size_t)data[1] << 8) % verb_count()), result);
	json_decref(result);
	return 0;
}
