-- What stations say of themselves, anew every few seconds. It is not in the log: nobody asks for it later.

create table scan.station (
    name text primary key,
    actor text not null,     -- the name of its token
    branch text not null,
    seen_at timestamptz not null default clock_timestamp(),
    scanners jsonb not null,
    -- When the branch took the name: sessions from before belong to another branch.
    owned_since timestamptz not null default clock_timestamp()
);
