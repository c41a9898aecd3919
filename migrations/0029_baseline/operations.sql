-- What operators ask for on the screen, and how it ended. The projector's process carries it out, one after the other.

create table operations.task (
    id uuid primary key,
    kind text not null check (kind in ('pause', 'resume', 'replay', 'rebuild', 'back', 'verify')),
    view text,
    actor text not null,
    branch text not null,
    asked_at timestamptz not null default clock_timestamp(),
    begun_at timestamptz,
    ended_at timestamptz,
    done bigint not null default 0,   -- of `total`, while it runs
    total bigint not null default 0,
    result jsonb                      -- what the command of that name prints as JSON, or {"error": …}
);
create index task_by_time on operations.task (asked_at desc);

-- How the last sweep and the last verification ended, for `dossier status` and /metrics. One row each.
create table operations.last_run (
    name text primary key check (name in ('sweep', 'verify')),
    ended_at timestamptz not null,
    seconds double precision not null,
    problems bigint not null,
    result jsonb not null
);
