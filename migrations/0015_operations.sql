-- What operators ask for on the screen. The projector's process carries it out, one after the other.

create schema operations;

-- `done` of `total` while it runs; `result` is what the command of that name prints as JSON, or {"error": …}.
create table operations.task (
    id uuid primary key,
    kind text not null check (kind in ('pause', 'resume', 'replay', 'rebuild', 'back', 'verify')),
    view text,
    actor text not null,
    branch text not null,
    asked_at timestamptz not null default clock_timestamp(),
    begun_at timestamptz,
    ended_at timestamptz,
    done bigint not null default 0,
    total bigint not null default 0,
    result jsonb
);
create index task_by_time on operations.task (asked_at desc);

do $$
begin
    if exists (select from pg_roles where rolname = 'dossier_app') then
        grant usage on schema operations to dossier_app;
        grant select, insert on operations.task to dossier_app;
    end if;
    if exists (select from pg_roles where rolname = 'dossier_projector') then
        grant usage on schema operations to dossier_projector;
        grant select, update on operations.task to dossier_projector;
    end if;
exception
    when insufficient_privilege then
        raise notice 'grants were left out: the login may not give them';
end $$;
