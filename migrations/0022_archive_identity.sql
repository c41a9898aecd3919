-- Which archive this is. Its content folder and its key folder carry the same id in a file ARCHIVE (store/marker.py).
-- Once the content folder was marked it never is again by itself: a marker that is missing is a volume that is away.
create table archive.identity (
    only_one boolean primary key default true check (only_one),
    id uuid not null default gen_random_uuid(),
    content_marked boolean not null default false
);
insert into archive.identity default values;

do $$
declare reader text;
begin
    foreach reader in array array['dossier_app', 'dossier_projector'] loop
        if exists (select from pg_roles where rolname = reader) then
            execute format('grant select on archive.identity to %I', reader);
        end if;
    end loop;
exception
    when insufficient_privilege then
        raise notice 'grants were left out: the login may not give them';
end $$;
