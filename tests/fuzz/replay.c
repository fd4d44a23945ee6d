/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target over files, for builds without libFuzzer: `fuzz_x [--mutations N]
 * FILE|FOLDER...`. Each file runs as it is and then N times with a few bytes changed, cut or
 * repeated, the same ones in every run, so a failure repeats: the failing input is left in
 * ./crash-NAME. Of a pack (tools/lib/corpora.py) each input runs as it is.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <fcntl.h>

#include "tests/fuzz/fuzz.h"
#include "wire/bytes.h"

#define PACK_MAGIC     "SLPACK1\n"
#define INPUT_SIZE_MAX (256u * 1024u)

static uint8_t original[INPUT_SIZE_MAX], input[INPUT_SIZE_MAX];
static size_t input_size;
static char crash_path[256];

static void on_crash(int number)
{
	int fd = open(crash_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd >= 0 && write(fd, input, input_size) == (ssize_t)input_size)
		(void)!write(STDERR_FILENO, "input kept in ./crash-*\n", 24);
	signal(number, SIG_DFL);
	raise(number);
}

/* SplitMix64. */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static void mutate_once(uint64_t *random)
{
	static const uint8_t corners[] = { 0, 1, 0x7f, 0x80, 0xff, 16, 32 };
	uint64_t choice = next_random(random) % 6;
	size_t at = input_size > 0 ? next_random(random) % input_size : 0, length;

	if (input_size == 0)
		return;
	if (choice == 0) {
		input[at] ^= (uint8_t)(1u << next_random(random) % 8);
	} else if (choice == 1) {
		input[at] = corners[next_random(random) % sizeof(corners)];
	} else if (choice == 2) {
		input[at] = (uint8_t)next_random(random);
	} else if (choice == 3) {
		input_size = at; /* cut */
	} else if (choice == 4) {
		length = 1 + next_random(random) % 16; /* repeat a piece at the end */
		if (at + length <= input_size && input_size + length <= INPUT_SIZE_MAX) {
			memmove(input + input_size, input + at, length);
			input_size += length;
		}
	} else {
		length = 1 + next_random(random) % 8; /* take a piece out */
		if (at + length <= input_size) {
			memmove(input + at, input + at + length, input_size - at - length);
			input_size -= length;
		}
	}
}

/* 0; -1 for a pack that is cut off. */
static int replay_pack(size_t size, unsigned *inputs)
{
	size_t at = sizeof(PACK_MAGIC) - 1;

	while (at + sizeof(struct le32) <= size) {
		struct le32 length;
		size_t one;

		memcpy(&length, original + at, sizeof(length));
		one = le32_get(length);
		at += sizeof(length);
		if (one > size - at)
			break;
		memcpy(input, original + at, one);
		input_size = one;
		(void)LLVMFuzzerTestOneInput(input, input_size);
		at += one;
		*inputs += 1;
	}
	return at == size ? 0 : -1;
}

static int replay_file(const char *path, unsigned mutations, unsigned *inputs)
{
	FILE *file = fopen(path, "rb");
	uint64_t random = 1;
	size_t size;

	if (file == NULL) {
		fprintf(stderr, "Cannot read %s: %s.\n", path, strerror(errno));
		return -1;
	}
	size = fread(original, 1, sizeof(original), file);
	fclose(file);
	if (size >= sizeof(PACK_MAGIC) - 1 &&
	    memcmp(original, PACK_MAGIC, sizeof(PACK_MAGIC) - 1) == 0)
		return replay_pack(size, inputs);
	*inputs += 1;
	for (unsigned run = 0; run <= mutations; run++) {
		memcpy(input, original, size);
		input_size = size;
		for (uint64_t i = run == 0 ? 0 : 1 + next_random(&random) % 4; i > 0; i--)
			mutate_once(&random);
		(void)LLVMFuzzerTestOneInput(input, input_size);
	}
	return 0;
}

static int replay_folder(const char *path, unsigned mutations, unsigned *inputs)
{
	DIR *folder = opendir(path);
	struct dirent *entry;
	char name[4096];
	int result = 0;

	if (folder == NULL)
		return -1;
	while (result == 0 && (entry = readdir(folder)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		result = replay_file(name, mutations, inputs);
	}
	closedir(folder);
	return result;
}

int main(int argc, char **argv)
{
	unsigned mutations = 0, inputs = 0;
	const char *name = strrchr(argv[0], '/');
	int next = 1;

	snprintf(crash_path, sizeof(crash_path), "crash-%s", name != NULL ? name + 1 : argv[0]);
	signal(SIGABRT, on_crash);
	signal(SIGSEGV, on_crash);
	if (argc > 2 && strcmp(argv[1], "--mutations") == 0) {
		mutations = (unsigned)strtoul(argv[2], NULL, 10);
		next = 3;
	}
	for (; next < argc; next++) {
		struct stat status;

		if (stat(argv[next], &status) == 0 && S_ISDIR(status.st_mode)) {
			if (replay_folder(argv[next], mutations, &inputs) != 0)
				return 1;
		} else if (replay_file(argv[next], mutations, &inputs) != 0) {
			return 1;
		}
	}
	if (inputs == 0) {
		fprintf(
		    stderr, "Give seed files or folders: %s [--mutations N] FILE...\n", argv[0]);
		return 2;
	}
	printf("%u inputs; %u mutations of each seed\n", inputs, mutations);
	return 0;
}
