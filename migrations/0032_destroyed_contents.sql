-- Destroying papers whose retention has ended (domain/destroying.py).

-- The contents of destroyed papers. A row is written by the append that destroys the paper; the file is removed after it,
-- and removed_at says that it is gone. So an interrupted destruction is continued from here.
create table archive.destroyed_content (
    content uuid primary key,
    paper uuid not null,
    removed_at timestamptz
);
create index destroyed_content_by_paper on archive.destroyed_content (paper);
create index destroyed_content_left on archive.destroyed_content (content) where removed_at is null;

-- Takes keys and names of contents of streams that are over, in the transaction of an append, behind it: of scan sessions
-- and of destroyed papers. A session that goes on gives up the names of some images. For any other paper this is an
-- error, whoever calls it: what a stream is its first event says, and that it is over its last one.
create or replace function archive.let_go(ended uuid[], forgotten uuid[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    destroyed uuid[];
begin
    select array_agg(p) into destroyed
    from unnest(ended) as p
    where (
        select e.topic
        from archive.archive_events as e
        where e.originator_id = p
        order by e.originator_version desc
        limit 1
    ) in ('content-destroyed.v1', 'authorization-destroyed.v1');
    if exists (
        select from unnest(ended) as p
        where not p = any (coalesce(destroyed, '{}')) and (
            not exists (
                select from archive.archive_events as e
                where e.originator_id = p and e.originator_version = 1 and e.topic = 'scan-started.v1'
            ) or not exists (
                select from archive.archive_events as e
                where e.originator_id = p and e.topic in ('scan-closed.v1', 'scan-cancelled.v1')
            )
        )
    ) then
        raise exception 'a paper would lose its keys that is no scan session and not destroyed, or one that goes on'
            using errcode = 'DX500';
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
    insert into archive.destroyed_content (content, paper)
    select c.content, c.paper from archive.content as c where c.paper = any (destroyed);
    delete from archive.content where content = any (forgotten) or paper = any (ended);
    delete from keys.paper where paper = any (ended);
end $$;

-- Records that the files of these contents of destroyed papers are gone. Idempotent.
create function archive.note_removed(contents uuid[]) returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
    update archive.destroyed_content set removed_at = clock_timestamp()
    where content = any (contents) and removed_at is null;
$$;
revoke all on function archive.note_removed from public;

do $$
begin
    if exists (select from pg_roles where rolname = 'dossier_app') then
        grant select on archive.destroyed_content to dossier_app;
        grant execute on function archive.note_removed to dossier_app;
    end if;
    if exists (select from pg_roles where rolname = 'dossier_projector') then
        grant select on archive.destroyed_content to dossier_projector;
        grant execute on function archive.note_removed to dossier_projector;
    end if;
exception
    when insufficient_privilege then
        raise notice 'grants were left out: the login may not give them';
end $$;
