-- How the last sweep and the last verification ended: for `dossier status` and /metrics. One row each.

create table operations.last_run (
    name text primary key check (name in ('sweep', 'verify')),
    ended_at timestamptz not null,
    seconds double precision not null,
    problems bigint not null,
    result jsonb not null
);

do $$
begin
    if exists (select from pg_roles where rolname = 'dossier_app') then
        grant select, insert, update on operations.last_run to dossier_app;
    end if;
    if exists (select from pg_roles where rolname = 'dossier_projector') then
        grant select, insert, update on operations.last_run to dossier_projector;
    end if;
exception
    when insufficient_privilege then
        raise notice 'grants were left out: the login may not give them';
end $$;
