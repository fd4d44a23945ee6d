/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows that leave memory, and linked groups that are undone. A retired row is no part of the state
 * any more: out of the index and of the state hash at once. In the follower (track_checkpoint) its
 * bytes stay until the checkpoint has put them into the closed table.
 */
#include "dataplane/ledger/ledger_derived.h"
#include "dataplane/ledger/ledger_internal.h"

/* The risk state of an account or terminal as it was; NULL: none. */
static void state_put(
    struct ledger *ledger, enum ledger_table table, uint32_t row, const void *state)
{
	size_t size = table == LEDGER_ACCOUNT ? sizeof(*ledger->account_states)
	                                      : sizeof(*ledger->terminal_states);
	void *at = table == LEDGER_ACCOUNT ? (void *)&ledger->account_states[row]
	                                   : (void *)&ledger->terminal_states[row];
	struct row_meta *meta = ledger_row_meta(ledger, table, row);

	if (!(meta->listed & LISTED_STATE))
		return; /* zeros, before and now */
	if (state == NULL)
		memset(at, 0, size);
	else
		memcpy(at, state, size);
	if (bytes_all_zero(at, size))
		meta->listed &= ~(uint32_t)LISTED_STATE;
}

static void row_clear(struct ledger *ledger, enum ledger_table table, uint32_t row)
{
	switch (table) {
	case LEDGER_ACCOUNT:
		memset(&ledger->accounts[row].row, 0, sizeof(struct account_row));
		state_put(ledger, table, row, NULL);
		break;
	case LEDGER_BET:
		if (ledger->bets[row].overflow != 0)
			ledger->bet_overflow_free[ledger->bet_overflow_free_count++] =
			    ledger->bets[row].overflow;
		memset(&ledger->bets[row], 0, sizeof(struct bet_slot));
		break;
	case LEDGER_TERMINAL:
		memset(&ledger->terminals[row].row, 0, sizeof(struct terminal_row));
		state_put(ledger, table, row, NULL);
		break;
	case LEDGER_OBJECT:
		memset(&ledger->objects[row].row, 0, sizeof(struct object_row));
		break;
	case LEDGER_MARKET:
	case LEDGER_TABLE_COUNT:
		SLUICE_REQUIRE(!"rows of this table stay");
	}
}

/* Out of the index and of the state hash. */
static void row_leave(struct ledger *ledger, enum ledger_table table, uint32_t row)
{
	struct row_meta *meta = ledger_row_meta(ledger, table, row);

	if (table == LEDGER_BET) {
		ledger_chain_remove(ledger, row);
	} else if (table == LEDGER_OBJECT) {
		ledger_object_count(ledger, row, -1);
		ledger_due_forget(ledger, table, row);
	}
	ledger_table_remove(ledger, table, row);
	ledger->hash_sum -= meta->hash;
	meta->hash = 0;
	meta->listed |= LISTED_GONE;
}

void ledger_row_retire(struct ledger *ledger, enum ledger_table table, uint32_t row)
{
	SLUICE_REQUIRE(table == LEDGER_BET || table == LEDGER_OBJECT);
	row_leave(ledger, table, row);
	if (ledger->config.track_checkpoint) {
		ledger_row_changed(ledger, table, row, ledger_row_meta(ledger, table, row));
		return;
	}
	row_clear(ledger, table, row);
	ledger_table_free(ledger, table, row);
}

int ledger_row_retired(const struct ledger *ledger, enum ledger_table table, uint32_t row)
{
	return !ledger_row_live(ledger_row_meta(ledger, table, row));
}

void ledger_row_release(struct ledger *ledger, enum ledger_table table, uint32_t row)
{
	SLUICE_REQUIRE(ledger_row_retired(ledger, table, row));
	row_clear(ledger, table, row);
	ledger_table_free(ledger, table, row);
}

/* ---- Linked groups ---- */

void ledger_group_begin(struct ledger *ledger)
{
	SLUICE_REQUIRE(!ledger->group->active && !ledger->config.track_checkpoint);
	ledger->group->active = 1;
	ledger->group->count = 0;
	ledger->group->shard = ledger->shard;
}

void ledger_group_commit(struct ledger *ledger)
{
	SLUICE_REQUIRE(ledger->group->active);
	ledger->group->active = 0;
}

void ledger_group_save(struct ledger *ledger, enum ledger_table table, uint32_t row, int created)
{
	struct ledger_group *group = ledger->group;
	struct group_entry *entry;

	if (SLUICE_LIKELY(!group->active))
		return;
	SLUICE_REQUIRE(group->count < GROUP_ENTRIES_MAX);
	entry = &group->entries[group->count++];
	entry->row = row;
	entry->table = (uint8_t)table;
	entry->created = (uint8_t)created;
	if (created)
		return;
	switch (table) {
	case LEDGER_ACCOUNT:
		entry->account.row = ledger->accounts[row].row;
		entry->account.state = ledger->account_states[row];
		break;
	case LEDGER_BET:
		entry->bet = ledger->bets[row];
		break;
	case LEDGER_TERMINAL:
		entry->terminal.row = ledger->terminals[row].row;
		entry->terminal.state = ledger->terminal_states[row];
		break;
	case LEDGER_OBJECT:
		entry->object = ledger->objects[row].row;
		break;
	case LEDGER_MARKET:
	case LEDGER_TABLE_COUNT:
		SLUICE_REQUIRE(!"no member of a group changes it");
	}
}

static void bet_open_note(struct ledger *ledger, uint32_t row, int sign)
{
	if (ledger->bets[row].state != BET_OPEN)
		return;
	ledger_exposure_change(ledger, row, sign);
	ledger->bets_open += (uint64_t)(int64_t)sign;
}

static void entry_undo(struct ledger *ledger, const struct group_entry *entry)
{
	enum ledger_table table = (enum ledger_table)entry->table;
	uint32_t row = entry->row;

	if (table == LEDGER_BET)
		bet_open_note(ledger, row, -1);
	else if (table == LEDGER_OBJECT && !entry->created)
		ledger_object_count(ledger, row, -1);
	if (entry->created) {
		if (table == LEDGER_ACCOUNT && ledger->accounts[row].row.flags & ACCOUNT_SYSTEM)
			ledger->system_count--;
		row_leave(ledger, table, row);
		row_clear(ledger, table, row);
		ledger_table_free(ledger, table, row);
		return;
	}
	if (table == LEDGER_ACCOUNT) {
		ledger->accounts[row].row = entry->account.row;
		state_put(ledger, table, row, &entry->account.state);
	} else if (table == LEDGER_TERMINAL) {
		ledger->terminals[row].row = entry->terminal.row;
		state_put(ledger, table, row, &entry->terminal.state);
	} else if (table == LEDGER_OBJECT) {
		ledger->objects[row].row = entry->object;
	} else {
		ledger->bets[row] = entry->bet;
	}
	if (table == LEDGER_BET) {
		bet_open_note(ledger, row, 1);
		ledger_due_note(ledger, LEDGER_BET, row, 0);
	} else if (table == LEDGER_OBJECT) {
		ledger_object_count(ledger, row, 1);
		ledger_due_note(ledger, LEDGER_OBJECT, row, entry->object.due_ns);
	}
	ledger_row_changed(ledger, table, row, ledger_row_meta(ledger, table, row));
}

void ledger_group_undo(struct ledger *ledger)
{
	struct ledger_group *group = ledger->group;

	SLUICE_REQUIRE(group->active);
	group->active = 0;
	ledger->decided.lsn = 0; /* its rows may go with the group */
	while (group->count > 0)
		entry_undo(ledger, &group->entries[--group->count]);
	ledger->shard = group->shard;
}
