/* SPDX-License-Identifier: Apache-2.0 */
/* The manifest: made, read, and held against the files. The layout is in backup.h. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lmdb-schema/control_rows.h"
#include "tools/sluice-db/backup.h"

int backup_say(struct backup *backup, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(backup->message, sizeof(backup->message), format, arguments);
	va_end(arguments);
	return -1;
}

void backup_free(struct backup *backup)
{
	json_decref(backup->files);
	backup->files = NULL;
}

void backup_time_text(uint64_t time_ns, char text[32])
{
	time_t seconds = (time_t)(time_ns / 1000000000u);
	struct tm parts;

	gmtime_r(&seconds, &parts);
	strftime(text, 32, "%Y-%m-%dT%H:%M:%S", &parts);
	snprintf(text + 19, 13, ".%09uZ", (unsigned)(time_ns % 1000000000u));
}

/* As the pattern: 0 stands for a digit, all else for itself. The rest, or NULL. */
static const char *shape_skip(const char *text, const char *pattern)
{
	for (; *pattern != '\0'; pattern++, text++)
		if (*pattern == '0' ? *text < '0' || *text > '9' : *text != *pattern)
			return NULL;
	return text;
}

/* Digits and nothing else, below all ones. 0 or -1. */
static int ns_read(const char *text, uint64_t *time_ns)
{
	char *end;

	if (*text < '0' || *text > '9')
		return -1;
	errno = 0;
	*time_ns = strtoull(text, &end, 10);
	return errno != 0 || *end != '\0' ? -1 : 0;
}

int backup_time_read(const char *text, uint64_t *time_ns)
{
	struct tm parts = { 0 }, given;
	const char *rest = shape_skip(text, "0000-00-00T00:00:00");
	uint64_t fraction = 0, unit = 1000000000u;
	time_t seconds;

	if (rest == NULL)
		return ns_read(text, time_ns);
	if (strptime(text, "%Y-%m-%dT%H:%M:%S", &parts) != rest)
		return -1;
	if (*rest == '.') {
		for (rest++; *rest >= '0' && *rest <= '9' && unit > 1; rest++) {
			unit /= 10;
			fraction += (uint64_t)(*rest - '0') * unit;
		}
		if (unit == 1000000000u)
			return -1;
	}
	if (strcmp(rest, "Z") != 0)
		return -1;
	given = parts;
	seconds = timegm(&parts);
	/* What is on no calendar (February 31st) would become another day, and what is behind the
	 * year 2554 another century. */
	if (seconds < 0 || (uint64_t)seconds >= UINT64_MAX / 1000000000u ||
	    parts.tm_mday != given.tm_mday || parts.tm_mon != given.tm_mon ||
	    parts.tm_sec != given.tm_sec)
		return -1;
	*time_ns = (uint64_t)seconds * 1000000000u + fraction;
	return 0;
}

static json_t *hash_json(uint64_t hash)
{
	char text[24];

	snprintf(text, sizeof(text), "%016" PRIx64, hash);
	return json_string(text);
}

static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)value);
}

/* ---- Digest ---- */

static int digest_make(json_t *manifest, char text[SHA256_TEXT])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned size = 0;
	json_t *bare = json_copy(manifest);
	char *bytes;
	int done;

	json_object_del(bare, "digest");
	bytes = json_dumps(bare, JSON_SORT_KEYS | JSON_COMPACT);
	json_decref(bare);
	done = bytes != NULL &&
	       EVP_Digest(bytes, strlen(bytes), digest, &size, EVP_sha256(), NULL) == 1;
	free(bytes);
	for (unsigned i = 0; done && i < size && i < 32; i++)
		snprintf(text + (size_t)2 * i, 3, "%02x", digest[i]);
	return done ? 0 : -1;
}

/* ---- Files ---- */

/* nftw gives no context. */
static struct {
	const char *top;
	json_t *files;
	int error;
} walk;

static int file_note(const char *path, const struct stat *status, int kind, struct FTW *place)
{
	const char *relative = path + strlen(walk.top) + 1;
	char hash[SHA256_TEXT];
	uint64_t size;

	if (kind == FTW_DNR || kind == FTW_NS)
		walk.error = -EACCES;
	if (kind != FTW_F || !S_ISREG(status->st_mode) || strcmp(relative, BACKUP_MANIFEST) == 0 ||
	    strcmp(path + place->base, "lock.mdb") == 0) /* a reader's, no part of it */
		return walk.error;
	walk.error = file_sha256(path, hash, &size);
	if (walk.error == 0)
		json_array_append_new(walk.files, json_pack("{s:s, s:I, s:s}", "path", relative,
		                                      "size", (json_int_t)size, "sha256", hash));
	return walk.error;
}

static int by_path(const void *a, const void *b)
{
	json_t *const *x = a, *const *y = b;

	return strcmp(json_string_value(json_object_get(*x, "path")),
	    json_string_value(json_object_get(*y, "path")));
}

/* All files under `directory`, sorted by path. NULL and the message on failure. */
static json_t *files_list(struct backup *backup, const char *directory)
{
	json_t **order, *sorted = json_array();
	size_t count;

	walk.top = directory;
	walk.files = json_array();
	walk.error = 0;
	if (nftw(directory, file_note, 16, FTW_PHYS) != 0)
		(void)backup_say(backup, "%.300s: cannot be read (%s); check the permissions",
		    directory, strerror(walk.error != 0 ? -walk.error : errno));
	count = json_array_size(walk.files);
	order = calloc(count + 1, sizeof(json_t *));
	for (size_t i = 0; order != NULL && i < count; i++)
		order[i] = json_array_get(walk.files, i);
	if (order != NULL && count > 1)
		qsort(order, count, sizeof(json_t *), by_path);
	for (size_t i = 0; order != NULL && i < count; i++)
		json_array_append(sorted, order[i]);
	json_decref(walk.files);
	free(order);
	if (order == NULL || backup->message[0] != '\0') {
		json_decref(sorted);
		return NULL;
	}
	return sorted;
}

static const char *file_path(json_t *file)
{
	return file == NULL ? NULL : json_string_value(json_object_get(file, "path"));
}

int backup_files_check(struct backup *backup)
{
	json_t *found = files_list(backup, backup->path);
	size_t i = 0, k = 0;
	int error = found == NULL ? -1 : 0;

	while (error == 0 && (i < json_array_size(backup->files) || k < json_array_size(found))) {
		json_t *wanted = json_array_get(backup->files, i), *is = json_array_get(found, k);
		int order = file_path(wanted) == NULL ? 1
		            : file_path(is) == NULL   ? -1
		                                      : strcmp(file_path(wanted), file_path(is));

		if (order < 0)
			error = backup_say(
			    backup, "%.300s is missing; take another backup", file_path(wanted));
		else if (order > 0)
			error = backup_say(backup,
			    "%.300s is no part of this backup; somebody put it there",
			    file_path(is));
		else if (!json_equal(wanted, is))
			error = backup_say(backup,
			    "%.300s was changed since (its SHA-256 is another one); take another "
			    "backup",
			    file_path(is));
		i++;
		k++;
	}
	json_decref(found);
	return error;
}

/* ---- Writing ---- */

static json_t *shards_json(const struct backup *backup)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < backup->shard_count; i++) {
		const struct backup_shard *shard = &backup->shards[i];
		json_t *entry = json_object();

		json_object_set_new(entry, "shard", number(i));
#define SHARD_NUMBER(name) json_object_set_new(entry, #name, number(shard->name))
		SHARD_NUMBER(incarnation);
		SHARD_NUMBER(first_lsn);
		SHARD_NUMBER(last_lsn);
		SHARD_NUMBER(first_time_ns);
		SHARD_NUMBER(last_time_ns);
		SHARD_NUMBER(horizon_lsn);
		SHARD_NUMBER(horizon_time_ns);
		SHARD_NUMBER(covered_ns);
		SHARD_NUMBER(control_sequence);
#undef SHARD_NUMBER
		json_object_set_new(entry, "state_hash", hash_json(shard->state_hash));
		json_array_append_new(list, entry);
	}
	return list;
}

int backup_manifest_write(struct backup *backup, const char *directory)
{
	char path[PATH_MAX + 32];
	json_t *manifest, *files = files_list(backup, directory);
	FILE *stream;
	int failed;

	if (files == NULL)
		return -1;
	manifest = json_pack("{s:s, s:i, s:s, s:s, s:s, s:I, s:I, s:{s:i, s:i, s:i}, s:i, s:o, "
	                     "s:o, s:O}",
	    "format", BACKUP_FORMAT, "version", BACKUP_VERSION, "software", SLUICE_VERSION, "label",
	    backup->label, "deployment", backup->deployment, "begun_ns",
	    (json_int_t)backup->begun_ns, "ended_ns", (json_int_t)backup->ended_ns, "formats",
	    "journal", JOURNAL_VERSION, "schema", SCHEMA_VERSION, "control", CONTROL_SCHEMA_VERSION,
	    "shard_count", (int)backup->shard_count, "shards", shards_json(backup), "control",
	    backup->has_control ? json_pack("{s:I, s:I}", "changes", (json_int_t)backup->changes,
	                              "commands", (json_int_t)backup->commands)
	                        : json_null(),
	    "files", files);
	backup->files = files;
	if (manifest == NULL || digest_make(manifest, backup->digest) != 0) {
		json_decref(manifest);
		return backup_say(backup, "not enough memory");
	}
	json_object_set_new(manifest, "digest", json_string(backup->digest));
	snprintf(path, sizeof(path), "%s/" BACKUP_MANIFEST, directory);
	stream = fopen(path, "wxe");
	failed = stream == NULL || json_dumpf(manifest, stream, JSON_INDENT(1)) != 0 ||
	         fputc('\n', stream) == EOF || fflush(stream) != 0 || fsync(fileno(stream)) != 0;
	if (failed)
		(void)backup_say(backup, "%.300s cannot be written: %s", path, strerror(errno));
	if (stream != NULL && fclose(stream) != 0)
		failed = 1;
	json_decref(manifest);
	return failed ? -1 : 0;
}

/* ---- Reading ---- */

static int number_read(json_t *object, const char *key, uint64_t *value)
{
	json_t *member = json_object_get(object, key);

	if (!json_is_integer(member))
		return -1;
	*value = (uint64_t)json_integer_value(member);
	return 0;
}

static int shard_read(json_t *entry, struct backup_shard *shard)
{
	const char *hash = json_string_value(json_object_get(entry, "state_hash"));
	char *end;

	if (hash == NULL || strlen(hash) != 16)
		return -1;
	shard->state_hash = strtoull(hash, &end, 16);
#define SHARD_NUMBER(name) number_read(entry, #name, &shard->name) != 0
	return *end != '\0' || SHARD_NUMBER(incarnation) || SHARD_NUMBER(first_lsn) ||
	               SHARD_NUMBER(last_lsn) || SHARD_NUMBER(first_time_ns) ||
	               SHARD_NUMBER(last_time_ns) || SHARD_NUMBER(horizon_lsn) ||
	               SHARD_NUMBER(horizon_time_ns) || SHARD_NUMBER(covered_ns) ||
	               SHARD_NUMBER(control_sequence)
	           ? -1
	           : 0;
#undef SHARD_NUMBER
}

/* Versions first, so that a newer manifest is called newer, whatever else it holds. */
static int versions_read(struct backup *backup, json_t *manifest)
{
	static const struct {
		const char *name;
		uint32_t known;
	} formats[] = {
		{ "journal", JOURNAL_VERSION },
		{ "schema", SCHEMA_VERSION },
		{ "control", CONTROL_SCHEMA_VERSION },
	};
	uint32_t *const found[] = { &backup->journal_version, &backup->schema_version,
		&backup->control_version };
	const char *format = json_string_value(json_object_get(manifest, "format"));
	uint64_t version = 0;

	if (format == NULL || strcmp(format, BACKUP_FORMAT) != 0 ||
	    number_read(manifest, "version", &version) != 0 || version == 0)
		return backup_say(backup, "%.300s: its manifest is of no backup", backup->path);
	if (version > BACKUP_VERSION)
		return backup_say(backup,
		    "%.300s: version %" PRIu64 " of the manifest is newer than this program's %d. "
		    "Use the program version that made the backup, or a newer one",
		    backup->path, version, BACKUP_VERSION);
	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(formats); i++) {
		uint64_t value = 0;

		if (number_read(json_object_get(manifest, "formats"), formats[i].name, &value) != 0)
			return backup_say(
			    backup, "%.300s: its manifest is damaged (formats)", backup->path);
		if (value > formats[i].known)
			return backup_say(backup,
			    "%.300s: version %" PRIu64
			    " of %s is newer than this program's %u. Use "
			    "the program version that made the backup, or a newer one",
			    backup->path, value, formats[i].name, formats[i].known);
		*found[i] = (uint32_t)value;
	}
	return 0;
}

static int text_read(json_t *manifest, const char *key, char text[65])
{
	const char *value = json_string_value(json_object_get(manifest, key));

	return value == NULL || (size_t)snprintf(text, 65, "%s", value) >= 65 ? -1 : 0;
}

static int members_read(struct backup *backup, json_t *manifest)
{
	json_t *control = json_object_get(manifest, "control"), *entry,
	       *shards = json_object_get(manifest, "shards");
	const char *digest = json_string_value(json_object_get(manifest, "digest"));
	uint64_t count = 0;
	size_t i;
	json_t *files = json_object_get(manifest, "files");

	if (digest_make(manifest, backup->digest) != 0 || digest == NULL ||
	    strcmp(digest, backup->digest) != 0)
		return backup_say(backup,
		    "%.300s: its manifest was changed (the digest is another one); take another "
		    "backup",
		    backup->path);
	if (text_read(manifest, "label", backup->label) != 0 ||
	    text_read(manifest, "deployment", backup->deployment) != 0 ||
	    text_read(manifest, "software", backup->software) != 0 ||
	    number_read(manifest, "begun_ns", &backup->begun_ns) != 0 ||
	    number_read(manifest, "ended_ns", &backup->ended_ns) != 0 ||
	    number_read(manifest, "shard_count", &count) != 0 || count == 0 ||
	    count > LIMIT_SHARDS || json_array_size(shards) != count || !json_is_array(files))
		return -1;
	backup->shard_count = (uint32_t)count;
	json_array_foreach(
	    shards, i, entry) if (shard_read(entry, &backup->shards[i]) != 0) return -1;
	json_array_foreach(files, i, entry) if (file_path(entry) == NULL) return -1;
	backup->has_control = json_is_object(control);
	if (backup->has_control && (number_read(control, "changes", &backup->changes) != 0 ||
	                               number_read(control, "commands", &backup->commands) != 0))
		return -1;
	backup->files = json_incref(files);
	return 0;
}

int backup_manifest_read(struct backup *backup, const char *directory)
{
	char path[PATH_MAX + 32];
	json_error_t why;
	json_t *manifest;
	int error;

	memset(backup, 0, sizeof(*backup));
	snprintf(backup->path, sizeof(backup->path), "%s", directory);
	snprintf(path, sizeof(path), "%s/" BACKUP_MANIFEST, directory);
	if (access(path, R_OK) != 0)
		return backup_say(backup,
		    "%.300s: no backup (its " BACKUP_MANIFEST " cannot be read: %s)", directory,
		    strerror(errno));
	manifest = json_load_file(path, JSON_REJECT_DUPLICATES, &why);
	if (manifest == NULL)
		return backup_say(backup,
		    "%.300s: its manifest is damaged (%s); take another backup", directory,
		    why.text);
	error = versions_read(backup, manifest);
	if (error == 0) {
		error = members_read(backup, manifest);
		if (error != 0 && backup->message[0] == '\0')
			(void)backup_say(backup,
			    "%.300s: its manifest is damaged; take another backup", directory);
	}
	json_decref(manifest);
	return error;
}
