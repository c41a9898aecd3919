-- Takes keys and images of scan sessions that are over, in the transaction of an append, behind it.
-- Of scan sessions alone: one that is over loses every key, one that goes on the names of images that it gave up. For
-- any other paper this is an error, whoever calls it, and whatever events were appended to it: what a stream is its
-- first event says.
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
