-- Scan sessions: what a session held goes with it, and stations say what scanners they have.

-- In the transaction of an append, behind it. Of scan sessions alone: one that is over loses every key, one that goes on
-- the names of images that it gave up. For any other paper this is an error, whoever calls it, and whatever events were
-- appended to it: what a stream is its first event says.
create function archive.let_go(ended uuid[], forgotten uuid[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if exists (
        select from unnest(ended) as p
        where not exists (
            select from archive.archive_events as e
            where e.originator_id = p and e.originator_version = 1 and e.topic = 'scan-started.v1'
        ) or not exists (
            select from archive.archive_events as e
            where e.originator_id = p and e.topic in ('scan-closed.v1', 'scan-cancelled.v1')
        )
    ) then
        raise exception 'a paper would lose its keys that is no scan session, or one that goes on' using errcode = 'DX500';
    end if;
    if exists (
        select from archive.content as c
        where c.content = any (forgotten) and not exists (
            select from archive.archive_events as e
            where e.originator_id = c.paper and e.originator_version = 1 and e.topic = 'scan-started.v1'
        )
    ) then
        raise exception 'a content would be forgotten that is no image of a scan session' using errcode = 'DX500';
    end if;
    delete from archive.content where content = any (forgotten) or paper = any (ended);
    delete from keys.paper where paper = any (ended);
end $$;
revoke all on function archive.let_go from public;

create schema scan;

-- Not in the log: what a station says of itself, anew every few seconds. `actor` is its token's name.
create table scan.station (
    name text primary key,
    actor text not null,
    branch text not null,
    seen_at timestamptz not null default clock_timestamp(),
    scanners jsonb not null
);

do $$
begin
    if exists (select from pg_roles where rolname = 'dossier_app') then
        grant execute on function archive.let_go to dossier_app;
        grant usage on schema scan to dossier_app;
        grant select, insert, update, delete on scan.station to dossier_app;
    end if;
exception
    when insufficient_privilege then
        raise notice 'grants were left out: the login may not give them';
end $$;

create table views.scan_sessions (
    id uuid not null,
    customer uuid not null,       -- nobody's: 0
    from_position bigint not null,
    to_position bigint,
    created_position bigint not null,
    version bigint not null,
    state text not null,
    scanner text,
    station text,
    source text,
    profile text,
    passes int not null,
    pages int not null,
    last_page int not null,
    problem text,
    actor text not null,
    branch text not null,
    started_at timestamptz not null,
    changed_at timestamptz not null
) with (fillfactor = 90);
create unique index scan_sessions_key on views.scan_sessions (id, customer, from_position);
create index scan_sessions_open on views.scan_sessions (state, station)
    where to_position is null and state not in ('archived', 'cancelled');
insert into views.tracking (name) values ('scan_sessions');

do $$
begin
    if exists (select from pg_roles where rolname = 'dossier_app') then
        grant select on views.scan_sessions to dossier_app;
    end if;
    if exists (select from pg_roles where rolname = 'dossier_projector') then
        alter table views.scan_sessions owner to dossier_projector;
    end if;
exception
    when insufficient_privilege then
        raise notice 'the view of scan sessions stays with the login: rebuild with it';
end $$;
