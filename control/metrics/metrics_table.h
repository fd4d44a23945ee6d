/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the counters of the data plane's status are called outside. Left out on purpose: state_hash
 * (no number to draw), busy_messages (messages_out again).
 *
 * X(field of a shard's status, metric, counter or gauge, COUNT or NS, help)
 */
#ifndef SLUICE_CONTROL_METRICS_TABLE_H
#define SLUICE_CONTROL_METRICS_TABLE_H

#define METRICS_SHARD(X)                                                                           \
	X(turns, "sluice_turns_total", counter, COUNT, "Loop turns of the worker.")                \
	X(busy_ns, "sluice_busy_seconds_total", counter, NS,                                       \
	    "Time in turns that moved anything, system calls included.")                           \
	X(turn_ns_max, "sluice_turn_max_seconds", gauge, NS, "Longest turn since the start.")      \
	X(turns_over_1ms, "sluice_turns_slow_total", counter, COUNT, "Turns longer than 1 ms.")    \
	X(datagrams_in, "sluice_datagrams_received_total", counter, COUNT,                         \
	    "Datagrams that were authentic.")                                                      \
	X(messages_in, "sluice_requests_total", counter, COUNT, "Requests decoded.")               \
	X(datagrams_out, "sluice_datagrams_sent_total", counter, COUNT, "Answer datagrams sent.")  \
	X(messages_out, "sluice_answers_sent_total", counter, COUNT, "Answers sent.")              \
	X(datagrams_held, "sluice_datagrams_held_total", counter, COUNT,                           \
	    "Datagrams that waited for room in their port's ring.")                                \
	X(resets_sent, "sluice_resets_sent_total", counter, COUNT, "RESET datagrams sent.")        \
	X(arp_icmp_answered, "sluice_arp_icmp_answered_total", counter, COUNT,                     \
	    "ARP requests and ICMP echoes answered.")                                              \
	X(handed_over, "sluice_datagrams_handed_over_total", counter, COUNT,                       \
	    "Datagrams handed to their home worker.")                                              \
	X(requests_remote, "sluice_requests_remote_total", counter, COUNT,                         \
	    "Requests decided by another shard.")                                                  \
	X(answers_lost, "sluice_answers_lost_total", counter, COUNT,                               \
	    "Answers whose session had ended.")                                                    \
	X(history_asked, "sluice_history_lookups_total", counter, COUNT,                           \
	    "Requests looked up in the logs.")                                                     \
	X(resends, "sluice_requests_resent_total", counter, COUNT,                                 \
	    "Requests terminals marked as sent again.")                                            \
	X(heartbeats, "sluice_heartbeats_total", counter, COUNT, "HEARTBEAT messages.")            \
	X(pending_full, "sluice_busy_pending_total", counter, COUNT,                               \
	    "Requests answered BUSY: too many answers wait for the disk.")                         \
	X(window_full, "sluice_busy_window_total", counter, COUNT,                                 \
	    "Requests answered BUSY: 64 ids away from one that is running.")                       \
	X(request_ring_full, "sluice_busy_request_ring_total", counter, COUNT,                     \
	    "Requests answered BUSY: the ring to the account's shard was full.")                   \
	X(history_ring_full, "sluice_busy_history_ring_total", counter, COUNT,                     \
	    "Requests answered BUSY: too many ask for old outcomes.")                              \
	X(groups, "sluice_linked_groups_total", counter, COUNT, "Linked groups carried out.")      \
	X(groups_undone, "sluice_linked_groups_undone_total", counter, COUNT,                      \
	    "Linked groups undone because a member was refused.")                                  \
	X(transfers_open, "sluice_transfers_open", gauge, COUNT,                                   \
	    "Transfers and leases sent to other shards and not closed.")                           \
	X(transfers_full, "sluice_busy_transfers_total", counter, COUNT,                           \
	    "Requests answered BUSY: too many transfers are open.")                                \
	X(parcels_early, "sluice_parcels_early_total", counter, COUNT,                             \
	    "Parcels of other shards dropped because one before was missing.")                     \
	X(parcels_stale, "sluice_parcels_stale_total", counter, COUNT,                             \
	    "Parcels of other shards refused: another transfer came under their number before.")   \
	X(shortages_asked, "sluice_lease_questions_total", counter, COUNT,                         \
	    "Questions to other shards for credit of a limit.")                                    \
	X(leases_given, "sluice_leases_given_total", counter, COUNT,                               \
	    "Times credit of a limit was given to another shard.")                                 \
	X(walks_open, "sluice_settlements_open", gauge, COUNT, "Settlements being walked.")        \
	X(walk_events, "sluice_settlement_bets_total", counter, COUNT,                             \
	    "Bets settled or opened again by results.")                                            \
	X(due_events, "sluice_timer_events_total", counter, COUNT,                                 \
	    "Events made because their time had come.")                                            \
	X(pending, "sluice_answers_pending", gauge, COUNT, "Answers waiting for the disk.")        \
	X(events, "sluice_events_total", counter, COUNT, "Events appended to the journal.")        \
	X(batches, "sluice_journal_batches_total", counter, COUNT, "Journal batches closed.")      \
	X(journal_bytes, "sluice_journal_written_bytes_total", counter, COUNT,                     \
	    "Bytes written to the journal.")                                                       \
	X(write_ns_total, "sluice_journal_write_seconds_total", counter, NS,                       \
	    "Time of journal writes, submit to completion.")                                       \
	X(write_ns_max, "sluice_journal_write_max_seconds", gauge, NS,                             \
	    "Longest journal write since the start.")                                              \
	X(journal_error, "sluice_journal_error", gauge, COUNT,                                     \
	    "Error number of the failed journal write, 0 when healthy.")                           \
	X(journal_no_segment, "sluice_journal_no_segment_total", counter, COUNT,                   \
	    "Times no journal segment was ready.")                                                 \
	X(journal_no_buffer, "sluice_journal_no_buffer_total", counter, COUNT,                     \
	    "Times the open journal batch had no room.")                                           \
	X(journal_not_lent, "sluice_journal_not_lent_total", counter, COUNT,                       \
	    "Durable batches the store must read from the files.")                                 \
	X(disk_refused, "sluice_busy_disk_total", counter, COUNT,                                  \
	    "Times an event was refused: disk quota, or too little free space.")                   \
	X(disk_state, "sluice_disk_full", gauge, COUNT,                                            \
	    "0 there is room, 1 the shard's quota is reached, 2 too little space is free.")        \
	X(disk_used_bytes, "sluice_disk_used_bytes", gauge, COUNT,                                 \
	    "Size of the shard's journal, log and row files.")                                     \
	X(disk_free_bytes, "sluice_disk_free_bytes", gauge, COUNT,                                 \
	    "Free space of the file system they are on.")                                          \
	X(store_waiting, "sluice_store_waiting", gauge, COUNT,                                     \
	    "Error number of the full disk the store waits for, 0 when it does not.")              \
	X(keeper_errors, "sluice_journal_segment_errors_total", counter, COUNT,                    \
	    "Times a journal segment could not be made or used again.")                            \
	X(keeper_error, "sluice_journal_segment_error", gauge, COUNT,                              \
	    "Error number of the last time, 0 when it went well since.")                           \
	X(finished_segment, "sluice_journal_finished_segment", gauge, COUNT,                       \
	    "Newest segment the worker has left.")                                                 \
	X(sealed_segment, "sluice_journal_sealed_segment", gauge, COUNT, "Newest segment sealed.") \
	X(sealed_lsn, "sluice_journal_sealed_lsn", gauge, COUNT, "Last position sealed.")          \
	X(sealed_bytes, "sluice_journal_sealed_bytes_total", counter, COUNT, "Bytes sealed.")      \
	X(seals_damaged, "sluice_journal_seals_damaged_total", counter, COUNT,                     \
	    "Segments found damaged when they were sealed: must stay 0.")                          \
	X(seal_errors, "sluice_journal_seal_errors_total", counter, COUNT,                         \
	    "Times a segment could not be sealed.")                                                \
	X(waiting_segments, "sluice_journal_waiting_segments", gauge, COUNT,                       \
	    "Finished segments not yet sealed and, where there is an archive, archived.")          \
	X(archiving, "sluice_archive_enabled", gauge, COUNT, "1 when there is an archive.")        \
	X(archived_segment, "sluice_archive_segment", gauge, COUNT, "Newest segment archived.")    \
	X(archive_bytes_in, "sluice_archive_sealed_bytes_total", counter, COUNT,                   \
	    "Sealed bytes archived.")                                                              \
	X(archive_bytes_out, "sluice_archive_written_bytes_total", counter, COUNT,                 \
	    "Compressed bytes written to the archive.")                                            \
	X(archive_errors, "sluice_archive_errors_total", counter, COUNT,                           \
	    "Times archiving failed.")                                                             \
	X(archive_error, "sluice_archive_error", gauge, COUNT,                                     \
	    "Error number of the last try to archive, 0 when it succeeded.")                       \
	X(archive_files, "sluice_archive_files", gauge, COUNT, "Files in the archive.")            \
	X(archive_bytes, "sluice_archive_bytes", gauge, COUNT, "Size of the archive.")             \
	X(archive_removed, "sluice_archive_removed_total", counter, COUNT,                         \
	    "Files removed by retention.")                                                         \
	X(verify_runs, "sluice_journal_verify_runs_total", counter, COUNT,                         \
	    "Checks of all seals finished.")                                                       \
	X(verify_bad, "sluice_journal_verify_bad", gauge, COUNT,                                   \
	    "What the last check found that does not fit: must stay 0.")                           \
	X(segments_ready, "sluice_journal_segments_ready", gauge, COUNT,                           \
	    "Journal segments made and not begun.")                                                \
	X(durable_lsn, "sluice_durable_lsn", gauge, COUNT, "Last position on stable storage.")     \
	X(applied_lsn, "sluice_applied_lsn", gauge, COUNT, "Last position applied by the worker.") \
	X(store_applied_lsn, "sluice_follower_applied_lsn", gauge, COUNT,                          \
	    "Last position applied by the follower.")                                              \
	X(store_lag_ns, "sluice_follower_lag_seconds", gauge, NS,                                  \
	    "How far the follower is behind what is durable.")                                     \
	X(committed_lsn, "sluice_log_committed_lsn", gauge, COUNT,                                 \
	    "Last position committed to the log tables.")                                          \
	X(checkpoint_lsn, "sluice_checkpoint_lsn", gauge, COUNT,                                   \
	    "Position of the last checkpoint.")                                                    \
	X(batches_from_files, "sluice_follower_batches_from_files_total", counter, COUNT,          \
	    "Batches the follower read back from journal files: it had fallen behind.")            \
	X(divergences, "sluice_follower_divergences_total", counter, COUNT,                        \
	    "Times the follower's state differed from the worker's: must stay 0.")                 \
	X(store_errors, "sluice_store_errors_total", counter, COUNT,                               \
	    "Errors of the store thread.")                                                         \
	X(log_bytes, "sluice_log_bytes", gauge, COUNT, "Size of the log tables.")                  \
	X(row_bytes, "sluice_rows_bytes", gauge, COUNT, "Size of the row tables.")                 \
	X(log_map_bytes, "sluice_log_map_bytes", gauge, COUNT,                                     \
	    "Memory map of the newest log table: grown before it is full.")                        \
	X(row_map_bytes, "sluice_rows_map_bytes", gauge, COUNT,                                    \
	    "Memory map of the row tables: grown before it is full.")                              \
	X(accounts, "sluice_accounts", gauge, COUNT, "Accounts.")                                  \
	X(bets, "sluice_bets", gauge, COUNT, "Bets held.")                                         \
	X(bets_open, "sluice_bets_open", gauge, COUNT, "Open bets.")                               \
	X(markets, "sluice_markets", gauge, COUNT, "Markets.")                                     \
	X(objects, "sluice_objects", gauge, COUNT,                                                 \
	    "Withdrawals, transfers, rounds, idempotency keys and the like held.")                 \
	X(suspense, "sluice_withdrawals_waiting_amount", gauge, COUNT,                             \
	    "Withdrawals that wait for approval, in minor units of the rules' currency.")          \
	X(receivable, "sluice_receivable_amount", gauge, COUNT,                                    \
	    "What customers owe after reversals, in minor units of the rules' currency.")          \
	X(transfer_stuck_ns, "sluice_transfer_stuck_seconds", gauge, NS,                           \
	    "How long the oldest open transfer to another shard has been the oldest.")             \
	X(sessions, "sluice_shard_sessions", gauge, COUNT, "Live sessions of the shard.")          \
	X(control_sequence, "sluice_shard_command_sequence", gauge, COUNT,                         \
	    "Last command of control the shard made durable.")                                     \
	X(control_sequence_applied, "sluice_shard_command_sequence_applied", gauge, COUNT,         \
	    "Last command of control the shard applied, perhaps not durable yet.")                 \
	X(rule_version, "sluice_rule_version", gauge, COUNT, "Rules in force.")                    \
	X(rule_factors, "sluice_rule_factors", gauge, COUNT,                                       \
	    "1: they judge by the states of accounts and terminals, too.")

/* X(metric, the position that is ahead, the one that is behind, help) */
#define METRICS_LAGS(X)                                                                            \
	X("sluice_follower_lag_events", durable_lsn, store_applied_lsn,                            \
	    "Events durable and not yet applied by the follower.")                                 \
	X("sluice_log_commit_lag_events", durable_lsn, committed_lsn,                              \
	    "Events durable and not yet in the log tables.")                                       \
	X("sluice_checkpoint_lag_events", durable_lsn, checkpoint_lsn,                             \
	    "Events a recovery would read again.")

#endif
