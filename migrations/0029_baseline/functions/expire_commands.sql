-- Forgets Idempotency-Keys older than their term; the papers they made are not touched.
create function archive.expire_commands(older_than interval) returns bigint
language sql security definer set search_path = pg_catalog, pg_temp as $$
    with gone as (delete from archive.command where recorded_at < clock_timestamp() - older_than returning 1)
    select count(*) from gone
$$;
revoke all on function archive.expire_commands from public;
