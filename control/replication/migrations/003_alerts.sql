-- SPDX-License-Identifier: Apache-2.0
-- Alerts, their history, whom they are about, watch lists, countries; who set rules and why.

create table sluice.rules_notes (
	version bigint primary key,
	copied_from bigint not null,         -- rollback: whose content it has; 0: its own
	uid bigint not null,
	set_by text,
	note text
);
create table sluice.subjects (
	subject text primary key,            -- "account 1000"
	kind smallint not null,              -- 1 account, 2 terminal, 3 partner
	id bigint not null,
	name text,
	country text,
	confirmed bigint not null,           -- cases
	dismissed bigint not null,
	changed timestamptz not null
);
create table sluice.alerts (
	number bigint primary key,
	state smallint not null,             -- 1 new, 2 investigating, 3 closed, 4 reported
	severity smallint not null,          -- 1 low, 2 medium, 3 high, 4 critical
	reason smallint not null,            -- 1 risk, 2 watch list, 3 country, 4 by hand
	verdict smallint not null,           -- 0 none, 1 confirmed, 2 false
	subject_kind smallint not null,      -- as subjects.kind
	subject bigint not null,
	terminal bigint not null,            -- 0: none, here and below
	partner bigint not null,
	bet bigint not null,
	amount bigint not null,
	currency integer not null,
	score smallint not null,
	code integer not null,
	factor_bits bigint not null,
	rule_version bigint not null,
	events bigint not null,              -- counted in it; those behind the first were suppressed
	shard smallint not null,
	lsn bigint not null,
	last_lsn bigint not null,
	watch_list bigint not null,
	entry bigint not null,
	similarity smallint not null,        -- 1/1000
	assignee text,
	report text,
	raised timestamptz not null,
	changed timestamptz not null,
	first timestamptz not null,
	last timestamptz not null,
	text text
);
create index on sluice.alerts (subject_kind, subject);
create table sluice.alert_history (
	number bigint primary key,
	alert bigint not null,
	time timestamptz not null,
	uid bigint,                          -- null: control itself
	action smallint not null,            -- 1 raised, 2 state, 3 assigned, 4 note, 5 severity
	"from" smallint not null,
	"to" smallint not null,
	verdict smallint not null,
	by text,
	text text
);
create index on sluice.alert_history (alert);
create table sluice.watch_lists (
	number bigint primary key,
	version bigint not null,             -- counts imports
	name text,
	dated text,
	entries bigint not null,
	names bigint not null,
	sha256 bytea not null,               -- of all names, in order
	imported_by text,
	imported timestamptz not null
);
create table sluice.countries (
	code text primary key,               -- ISO 3166-1 alpha-3
	level smallint not null,             -- 0 none, 1 monitored, 2 high
	status text,
	dated text,
	changed timestamptz not null
);

-- What control's own profile of an account holds, from the events themselves.
create view sluice.account_factors as
	select account, bit as factor, min(time) as first, max(time) as last, count(*) as events
	from sluice.transactions, generate_series(0, 31) as bit
	where account is not null and factor_bits <> 0 and factor_bits >> bit & 1 = 1
	group by account, bit;
