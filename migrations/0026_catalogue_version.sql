-- Who reads by document types that it knows, finds out in the same question whether they are today's: a number that
-- counts the changes. It is counted at the commit, under a lock of its row that lasts as long: a number that is seen
-- stands for all changes up to it, and no append waits for another one that is still under way.

create table archive.catalogue (
    one boolean primary key default true check (one),
    version bigint not null
);
insert into archive.catalogue (version) values (1);

create function archive.count_catalogue() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
begin
    update archive.catalogue set version = version + 1;
    return null;
end $$;
revoke all on function archive.count_catalogue from public;
create constraint trigger catalogue_counted after insert on archive.archive_events
    deferrable initially deferred
    for each row
    when (new.topic like 'document-type-%' or new.topic like 'token-%' or new.topic like 'user-%')
    execute function archive.count_catalogue();

do $$
declare
    reader text;
begin
    foreach reader in array array['dossier_app', 'dossier_projector'] loop
        if exists (select from pg_roles where rolname = reader) then
            execute format('grant select on archive.catalogue to %I', reader);
        end if;
    end loop;
exception
    when insufficient_privilege then
        raise notice 'grants were left out: the login may not give them';
end $$;
