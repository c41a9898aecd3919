-- The trigger that counts a change of types, tokens or users, at the commit of its append.
create function archive.count_catalogue() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
begin
    update archive.catalogue set version = version + 1;
    return null;
end $$;
revoke all on function archive.count_catalogue from public;
