-- SPDX-License-Identifier: Apache-2.0
-- The complete ledger: every posting, what becomes of bets, objects, partners, adjustments.

insert into sluice.event_type values (11, 'withdraw'), (12, 'withdraw_close'), (13, 'transfer'),
	(14, 'transfer_out'), (15, 'transfer_in'), (16, 'transfer_done'), (17, 'adjust'),
	(18, 'bet_settle'), (19, 'bet_void'), (20, 'market_result'), (21, 'redeem'),
	(22, 'ticket_expire'), (23, 'bet_retire'), (24, 'object_retire'), (25, 'round_debit'),
	(26, 'round_credit'), (27, 'round_rollback'), (28, 'round_close'), (29, 'sprinkle_create'),
	(30, 'claim'), (31, 'sprinkle_end'), (32, 'fence'), (33, 'reverse'), (34, 'play_set'),
	(35, 'shift'), (36, 'reprint'), (37, 'partner_set'), (38, 'lease');

-- Cash tickets have no account.
alter table sluice.bets alter column account drop not null;
-- Whose customer; 0 nobody's, null: the account's opening was not replicated.
alter table sluice.accounts add column partner integer;
alter table sluice.markets
	add column line integer not null default 0,          -- in quarters
	add column final smallint not null default 0,
	add column outcomes bigint[] not null default '{}';  -- kind | places << 8 | winners << 16

-- Every change of a bet behind its acceptance. States: 1 open, 2 cancelled, 3 settled, 4 void,
-- 5 paid, 6 expired.
create table sluice.bet_changes (
	bet bigint not null,
	time timestamptz not null,
	lsn bigint not null,
	stake bigint not null,
	payout bigint not null,              -- what it is worth now
	payout_before bigint not null,       -- what it had been settled with
	from_state smallint not null,
	to_state smallint not null,
	class smallint not null,             -- of a settlement: 1 lost .. 5; 0 none
	type smallint not null,
	shard smallint not null,
	currency smallint not null,
	account bigint,
	market bigint                        -- whose result settled it
) partition by range (time);

-- Postings besides the account's own in `transactions`: with it they are the double entry, and come
-- to zero for each event. System accounts have the top bit: see sluice.account_kind.
create table sluice.postings (
	account bigint not null,
	time timestamptz not null,
	lsn bigint not null,
	amount bigint not null,
	line smallint not null,              -- from 0, in the event's order
	shard smallint not null,
	type smallint not null,
	currency smallint not null,
	balance bigint,                      -- of a customer afterwards
	customer bigint                      -- whom a posting on RECEIVABLE is about
) partition by range (time);

-- Every state of every object, as its event left it. body: lmdb-schema/object.h.
create table sluice.object_changes (
	id bigint not null,
	time timestamptz not null,
	lsn bigint not null,
	place smallint not null,             -- in the event, from 0
	kind smallint not null,
	state smallint not null,             -- 1 open, 2 done, 3 reversed, 4 refused
	shard smallint not null,
	due timestamptz,
	currency smallint,
	partner integer,
	body bytea not null
) partition by range (time);

create table sluice.object_kind (kind smallint primary key, name text not null);
insert into sluice.object_kind values (1, 'withdrawal'), (2, 'transfer'), (3, 'transfer_in'),
	(4, 'link'), (5, 'sprinkle'), (6, 'claim'), (7, 'round'), (8, 'round_tx'),
	(9, 'partner_key'), (10, 'reversal'), (11, 'play_limits'), (12, 'play_counters'),
	(13, 'partner');

create index on sluice.bet_changes using brin (lsn) with (autosummarize = on);
create index on sluice.bet_changes (bet);
create index on sluice.postings using brin (lsn) with (autosummarize = on);
create index on sluice.postings using brin (time) with (autosummarize = on);
create index on sluice.postings (customer) where customer is not null;
create index on sluice.object_changes using brin (lsn) with (autosummarize = on);

create table sluice.partners (
	id bigint primary key,
	version bigint not null,
	name text,
	exposure_max bigint not null,        -- payouts of open bets; 0: no limit
	keys_max bigint not null,
	currency integer not null,
	blocked smallint not null,
	created timestamptz not null,
	changed timestamptz not null
);
create table sluice.adjustments (
	number bigint primary key,
	state smallint not null,             -- 1 waiting, 2 approved, 3 rejected
	account bigint not null,
	amount bigint not null,
	currency integer not null,
	reason bigint not null,
	proposed_by text,
	proposed timestamptz not null,
	decided_by text,
	decided timestamptz,
	command bigint not null,             -- 0: none
	note text
);

create or replace function sluice.partitions_make(first timestamptz, months integer)
returns integer language plpgsql as $$
declare
	parent text;
	begins timestamp;
	name text;
	made integer := 0;
begin
	for i in 0 .. months - 1 loop
		begins := date_trunc('month', first at time zone 'UTC') + make_interval(months => i);
		foreach parent in array array['transactions', 'bets', 'bet_legs', 'log_block',
			'bet_changes', 'postings', 'object_changes'] loop
			name := parent || to_char(begins, '_YYYY_MM');
			if to_regclass(format('sluice.%I', name)) is null then
				execute format('create table sluice.%I (like sluice.%I including all)',
					name, parent);
				execute format('alter table sluice.%I attach partition sluice.%I '
					'for values from (%L) to (%L)', parent, name,
					begins at time zone 'UTC',
					(begins + interval '1 month') at time zone 'UTC');
				made := made + 1;
			end if;
		end loop;
	end loop;
	return made;
end
$$;

-- Months that other tables have rows in already.
select sluice.partitions_make(
	to_date(right(c.relname, 7), 'YYYY_MM')::timestamp at time zone 'UTC', 1)
	from pg_class c join pg_inherits i on i.inhrelid = c.oid
	where i.inhparent = 'sluice.transactions'::regclass;

-- The kind of a system account: 'cash', 'stakes' ...; null for a customer.
create function sluice.account_kind(account bigint) returns text language sql immutable as $$
	select case when account < 0 then (array['funding', 'cash', 'stakes', 'house', 'partner',
		'payable', 'receivable', 'suspense', 'transit', 'pots', 'adjustment'])
		[(account >> 56 & 127)::integer] end
$$;
-- What a system account is of: a terminal (cash), partner or peer shard.
create function sluice.account_detail(account bigint) returns bigint language sql immutable as $$
	select case when account < 0 then account & 4294967295 end
$$;

-- Every posting of every event that moved money.
create view sluice.entries as
	select lsn, time, shard, account, amount, balance, type, currency from sluice.transactions
		where account is not null and amount <> 0 and (code in (0, 1) or type = 16)
	union all
	select lsn, time, shard, account, amount, balance, type, currency from sluice.postings;

-- What customers owe after reversals.
create view sluice.receivables as
	select customer as account, currency, -sum(amount) as owed from sluice.postings
		where customer is not null group by customer, currency having sum(amount) <> 0;

-- Every object as it was left last.
create view sluice.objects as
	select distinct on (shard, id) sluice.unsigned(id) as id, k.name as kind, c.state, c.shard,
		c.time as changed, c.lsn, c.due, c.currency, c.partner, c.body
	from sluice.object_changes c join sluice.object_kind k on k.kind = c.kind
	order by shard, id, lsn desc, place desc;

-- Bets with what became of them.
drop function sluice.bet_find(numeric);
drop view sluice.bet_states;
create view sluice.bet_states as
	select sluice.unsigned(b.bet) as bet, b.time, b.shard, b.account, b.terminal, b.stake,
		b.payout, b.currency, b.score, b.legs, c.time as cancelled,
		coalesce(s.to_state, 1::smallint) as state, s.payout as worth, s.time as changed
	from sluice.bets b left join sluice.bet_cancels c on c.bet = b.bet
	left join lateral (select to_state, payout, time from sluice.bet_changes x
		where x.bet = b.bet order by x.lsn desc limit 1) s on true;

create function sluice.bet_find(printed numeric) returns setof sluice.bet_states
language sql stable as $$
	select sluice.unsigned(b.bet), b.time, b.shard, b.account, b.terminal, b.stake, b.payout,
		b.currency, b.score, b.legs, c.time, coalesce(s.to_state, 1::smallint), s.payout,
		s.time
	from sluice.bets b left join sluice.bet_cancels c on c.bet = b.bet
	left join lateral (select to_state, payout, time from sluice.bet_changes x
		where x.bet = b.bet order by x.lsn desc limit 1) s on true
	where b.bet & 18014398509481983 = sluice.signed(printed) & 18014398509481983
		and b.bet = sluice.signed(printed)
$$;

-- What each partner's customers did in [first, last): partner 0: nobody's customers, cash tickets.
--   bets, stakes      accepted bets            refunds   stakes given back: cancelled, void
--   payouts           what bets were settled with, less what rollbacks took back
--   net               stakes - payouts - refunds
--   rounds_*          game rounds, rolled back ones apart; rounds_net = debited - credited
--   fees              none are taken
create function sluice.partner_report(first timestamptz, last timestamptz) returns table (
	partner integer, currency smallint, bets bigint, stakes numeric, payouts numeric,
	refunds numeric, net numeric, rounds bigint, rounds_debited numeric, rounds_credited numeric,
	rounds_net numeric, fees numeric) language sql stable as $$
	with placed as (
		select coalesce(a.partner, 0) as partner, b.currency, count(*) as bets,
			sum(b.stake) as stakes
		from sluice.bets b left join sluice.accounts a on a.id = b.account
		where b.time >= first and b.time < last group by 1, 2
	), changed as (
		select coalesce(a.partner, 0) as partner, c.currency,
			-- Opened again (to_state 1), its payout is the potential one again.
			sum(case when c.type <> 18 then 0 when c.to_state = 1 then -c.payout_before
				else c.payout - c.payout_before end) as payouts,
			sum(case when c.type in (4, 19) then c.stake else 0 end) as refunds
		from sluice.bet_changes c left join sluice.accounts a on a.id = c.account
		where c.time >= first and c.time < last group by 1, 2
	), played as (
		select sluice.account_detail(p.account)::integer as partner, p.currency,
			count(*) filter (where p.type = 25) as rounds,
			sum(case when p.type = 25 then p.amount else 0 end) as debited,
			sum(case when p.type = 26 then -p.amount else 0 end) as credited,
			sum(p.amount) as net
		from sluice.postings p
		where p.time >= first and p.time < last and p.type in (25, 26, 27)
			and sluice.account_kind(p.account) = 'partner' group by 1, 2
	), keys as (
		select placed.partner, placed.currency from placed
		union select changed.partner, changed.currency from changed
		union select played.partner, played.currency from played
	)
	select k.partner, k.currency, coalesce(b.bets, 0), coalesce(b.stakes, 0),
		coalesce(c.payouts, 0), coalesce(c.refunds, 0),
		coalesce(b.stakes, 0) - coalesce(c.payouts, 0) - coalesce(c.refunds, 0),
		coalesce(r.rounds, 0), coalesce(r.debited, 0), coalesce(r.credited, 0),
		coalesce(r.net, 0), 0::numeric
	from keys k
	left join placed b on b.partner = k.partner and b.currency = k.currency
	left join changed c on c.partner = k.partner and c.currency = k.currency
	left join played r on r.partner = k.partner and r.currency = k.currency
	order by 1, 2
$$;
