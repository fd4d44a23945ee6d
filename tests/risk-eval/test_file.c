/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <unistd.h>
#include <zstd.h>

#include "tests/test.h"
#include "tools/risk-eval/eval.h"

static char path[] = "/tmp/test-risk-eval-XXXXXX";

static void write_file(const void *data, size_t size)
{
	static int file = -1;

	if (file < 0)
		file = mkstemp(path);
	assert_true(file >= 0);
	assert_int_equal(ftruncate(file, 0), 0);
	assert_int_equal(pwrite(file, data, size, 0), (long)size);
}

static void expect(const char *data, size_t size)
{
	char *text = NULL;
	size_t got = 0;

	assert_int_equal(eval_file_read(path, &text, &got), 0);
	assert_int_equal(got, size);
	assert_memory_equal(text, data, size);
	assert_int_equal(text[size], '\0');
	free(text);
}

TEST(plain_and_packed_of_any_size)
{
	static const size_t sizes[] = { 0, 1, 3, 4, 5, 65535, 1 << 20, (1 << 20) - 1, 5000000 };

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(sizes); i++) {
		size_t bound = ZSTD_compressBound(sizes[i]), packed_size;
		char *data = malloc(sizes[i] + 1), *packed = malloc(bound * 2);

		assert_true(data != NULL && packed != NULL);
		for (size_t at = 0; at < sizes[i]; at++)
			data[at] = (char)('a' + at * at % 23);
		write_file(data, sizes[i]);
		expect(data, sizes[i]);
		packed_size = ZSTD_compress(packed, bound, data, sizes[i], 1);
		write_file(packed, packed_size);
		expect(data, sizes[i]);
		/* Two frames are one text. */
		if (sizes[i] == 5) {
			memcpy(packed + packed_size, packed, packed_size);
			write_file(packed, packed_size * 2);
			expect("abejqabejq", 10);
		}
		free(data);
		free(packed);
	}
	unlink(path);
}

TEST(cut_damaged_and_missing)
{
	char data[10000], packed[12000], *text;
	size_t size, packed_size;
	char name[] = "/tmp/test-risk-eval-XXXXXX";
	int file = mkstemp(name);

	assert_true(file >= 0);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * i * 7 >> 3);
	packed_size = ZSTD_compress(packed, sizeof(packed), data, sizeof(data), 1);
	for (size_t cut = 4; cut < packed_size; cut += 37) {
		assert_int_equal(ftruncate(file, 0), 0);
		assert_int_equal(pwrite(file, packed, cut, 0), (long)cut);
		assert_int_equal(eval_file_read(name, &text, &size), -EBADMSG);
	}
	packed[4] ^= 0x18;
	assert_int_equal(pwrite(file, packed, packed_size, 0), (long)packed_size);
	assert_int_equal(eval_file_read(name, &text, &size), -EBADMSG);
	close(file);
	unlink(name);
	assert_int_equal(eval_file_read(name, &text, &size), -ENOENT);
	assert_int_equal(eval_file_read("/", &text, &size), -EIO);
}

TEST_MAIN()
