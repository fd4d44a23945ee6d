/* SPDX-License-Identifier: Apache-2.0 */
/* Objects and system accounts out of records, in the form of the data plane's answers. */
#include "control/control.h"
#include "dataplane/ledger/ledger.h"
#include "lmdb-schema/object_fields.h"
#include "lmdb-schema/object_json.h"

json_t *view_object_bytes(const struct object_bytes *object)
{
	const char *state = object_state_name(object->state);
	const char *kind = object_kind_name(object->kind);
	json_t *view = json_pack("{s:s, s:s, s:i, s:I, s:I}", "kind",
	    kind != NULL ? kind : "unknown", "state", state != NULL ? state : "unknown", "currency",
	    (int)le16_get(object->currency), "partner_id", (json_int_t)le32_get(object->partner_id),
	    "lsn", (json_int_t)le64_get(object->lsn));

	json_object_set_new(view, "object_id", object_json_digits(le64_get(object->id)));
	json_object_set_new(view, "due_ns", object_json_digits(le64_get(object->due_ns)));
	object_json_fields(view, object->kind, object->body);
	return view;
}

const char *view_system_account(uint64_t account_id)
{
	static const char *const names[SYSTEM_ACCOUNT_MAX + 1] = {
		[SYSTEM_FUNDING] = "funding",
		[SYSTEM_CASH] = "cash",
		[SYSTEM_STAKES] = "stakes",
		[SYSTEM_HOUSE] = "house",
		[SYSTEM_PARTNER] = "partner",
		[SYSTEM_PAYABLE] = "payable",
		[SYSTEM_RECEIVABLE] = "receivable",
		[SYSTEM_SUSPENSE] = "suspense",
		[SYSTEM_TRANSIT] = "transit",
		[SYSTEM_POTS] = "pots",
		[SYSTEM_ADJUSTMENT] = "adjustment",
	};
	unsigned kind = account_id >> 56 & 0x7f;

	return kind <= SYSTEM_ACCOUNT_MAX && names[kind] != NULL ? names[kind] : "unknown";
}
