/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How well names are found: the aliases of a list that were left out of it against the rest, and
 * names that are on no list.
 *
 *   watchlist-eval SDN.csv ALT.csv BENIGN.csv [THRESHOLD [SHARE]]
 *
 * Of the aliases every SHAREth (default 3, a hash of its number chooses) is asked for and not in
 * the index. One counts whose highest character similarity (2 * longest common subsequence /
 * lengths, upper case, otherwise as it stands) to a name of its entry that is in the index is at
 * least 0.8. It is found when a hit of its own entry is among the first 20. One JSON object on
 * standard output; exit status 0 when recall is at least 0.98 at no more than 1 % false hits, 1
 * when not.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/subjects/subjects.h"
#include "control/watchlist/names.h"

#define HITS 20

struct named {
	uint64_t entry;
	char text[400];
};

struct list {
	struct named *names;
	size_t count, room;
};

static char *file_read(const char *path, size_t *size)
{
	FILE *file = fopen(path, "rb");
	char *text = NULL;
	size_t room = 8u << 20;

	if (file == NULL || (text = malloc(room)) == NULL) {
		fprintf(stderr, "watchlist-eval: %s: %s\n", path, strerror(errno));
		exit(3);
	}
	*size = fread(text, 1, room, file);
	fclose(file);
	return text;
}

static void list_add(struct list *list, uint64_t entry, const char *text)
{
	if (list->count == list->room) {
		list->room = list->room == 0 ? 1024 : list->room * 2;
		list->names = realloc(list->names, list->room * sizeof(*list->names));
		if (list->names == NULL)
			exit(3);
	}
	list->names[list->count].entry = entry;
	snprintf(list->names[list->count++].text, sizeof(list->names[0].text), "%s", text);
}

/* One column of a file, with the entry's number out of another (-1: none). */
static void list_read(struct list *list, const char *path, int entry_column, unsigned name_column)
{
	static struct csv csv;
	size_t size;
	char *text = file_read(path, &size);

	csv_begin(&csv, text, size);
	while (csv_next(&csv) == 1) {
		if (csv.line == 1 || csv.count <= name_column)
			continue;
		list_add(list, entry_column < 0 ? 0 : strtoull(csv.fields[entry_column], NULL, 10),
		    csv.fields[name_column]);
	}
	free(text);
}

/* As the eye sees it: no normalisation but of case. A plain table, another way than the library's.
 */
static double similarity_plain(const char *a, const char *b)
{
	static unsigned rows[2][401];
	size_t la = strlen(a), lb = strlen(b);

	memset(rows, 0, sizeof(rows));
	for (size_t i = 1; i <= la; i++)
		for (size_t j = 1; j <= lb; j++) {
			unsigned *row = rows[i & 1], *above = rows[(i & 1) ^ 1];

			if (toupper((unsigned char)a[i - 1]) == toupper((unsigned char)b[j - 1]))
				row[j] = above[j - 1] + 1;
			else
				row[j] = above[j] > row[j - 1] ? above[j] : row[j - 1];
		}
	return la + lb == 0 ? 0 : 2.0 * rows[la & 1][lb] / (double)(la + lb);
}

struct verdict {
	unsigned queries, found, eligible, eligible_found, benign, false_hits;
};

static void aliases_ask(const struct name_index *index, const struct list *list,
    const struct list *queries, unsigned threshold, int verbose, struct verdict *verdict)
{
	for (size_t i = 0; i < queries->count; i++) {
		const struct named *query = &queries->names[i];
		struct name_hit hits[HITS];
		double best = 0;
		struct name name;
		unsigned count;
		int found = 0;

		for (size_t k = 0; k < list->count; k++) {
			double like;

			if (list->names[k].entry != query->entry)
				continue;
			like = similarity_plain(list->names[k].text, query->text);
			best = like > best ? like : best;
		}
		if (name_make(query->text, strlen(query->text), &name) != 0)
			exit(3);
		count = name_index_find(index, &name, threshold, hits, HITS);
		for (unsigned k = 0; k < count; k++)
			found |= list->names[hits[k].place].entry == query->entry;
		verdict->queries++;
		verdict->found += (unsigned)found;
		verdict->eligible += best >= 0.8;
		verdict->eligible_found += best >= 0.8 && found;
		if (verbose && best >= 0.8 && !found)
			fprintf(stderr, "missed: %s (%.3f)\n", query->text, best);
	}
}

static void benign_ask(const struct name_index *index, const struct list *list,
    const struct list *benign, unsigned threshold, int verbose, struct verdict *verdict)
{
	for (size_t i = 0; i < benign->count; i++) {
		struct name_hit hit;
		struct name name;

		if (name_make(benign->names[i].text, strlen(benign->names[i].text), &name) != 0)
			exit(3);
		verdict->benign++;
		if (name_index_find(index, &name, threshold, &hit, 1) == 0)
			continue;
		verdict->false_hits++;
		if (verbose)
			fprintf(stderr, "false: %s ~ %s (%u)\n", benign->names[i].text,
			    list->names[hit.place].text, hit.similarity);
	}
}

static unsigned number_of(const char *text)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);

	if (*end != '\0' || number == 0 || number > 1000000000) {
		fprintf(stderr, "watchlist-eval: %s is no number it takes\n", text);
		exit(2);
	}
	return (unsigned)number;
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int count, char **arguments)
{
	struct list list = { 0 }, aliases = { 0 }, queries = { 0 }, benign = { 0 };
	struct verdict verdict = { 0 };
	struct name_index *index = name_index_create();
	unsigned threshold = count > 4 ? number_of(arguments[4]) : 800;
	unsigned share = count > 5 ? number_of(arguments[5]) : 3;
	int verbose = getenv("VERBOSE") != NULL;
	double begun, recall, false_share;

	if (count < 4 || index == NULL) {
		fprintf(stderr, "usage: watchlist-eval SDN.csv ALT.csv BENIGN.csv [THRESHOLD "
		                "[SHARE]]\n");
		return 2;
	}
	list_read(&list, arguments[1], 0, 1);
	list_read(&aliases, arguments[2], 0, 3);
	list_read(&benign, arguments[3], -1, 0);
	for (size_t i = 0; i < aliases.count; i++)
		list_add(((uint32_t)i * 2654435761u >> 8) % share == 0 ? &queries : &list,
		    aliases.names[i].entry, aliases.names[i].text);
	for (size_t i = 0; i < list.count; i++) {
		struct name name;

		if (name_make(list.names[i].text, strlen(list.names[i].text), &name) != 0 ||
		    name_index_add(index, &name) != 0)
			return 3;
	}
	aliases_ask(index, &list, &queries, threshold, verbose, &verdict);
	begun = seconds();
	benign_ask(index, &list, &benign, threshold, verbose, &verdict);
	begun = seconds() - begun;
	recall = verdict.eligible == 0 ? 1 : (double)verdict.eligible_found / verdict.eligible;
	false_share = verdict.benign == 0 ? 0 : (double)verdict.false_hits / verdict.benign;
	printf(
	    "{\"schema\": \"watchlist-eval/1\", \"names\": %u, \"threshold\": %u, \"queries\": %u, "
	    "\"queries_similar\": %u, \"recall_similar\": %.4f, \"recall_all\": %.4f, "
	    "\"benign\": %u, \"false_hits\": %u, \"false_share\": %.4f, \"us_per_name\": %.0f}\n",
	    name_index_count(index), threshold, verdict.queries, verdict.eligible, recall,
	    verdict.queries == 0 ? 1 : (double)verdict.found / verdict.queries, verdict.benign,
	    verdict.false_hits, false_share,
	    begun * 1e6 / (verdict.benign == 0 ? 1 : verdict.benign));
	name_index_free(index);
	free(list.names);
	free(aliases.names);
	free(queries.names);
	free(benign.names);
	return recall >= 0.98 && false_share <= 0.01 ? 0 : 1;
}
