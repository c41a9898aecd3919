-- Who read what: every content, page image and history read, committed before the first byte is sent.
create table access.log (
    id bigint generated always as identity primary key,
    at timestamptz not null default clock_timestamp(),
    actor text not null,
    branch text not null,
    action text not null,
    customer uuid,
    document uuid,
    authorization_id uuid,
    status int not null,
    trace_id text not null
);
create index log_by_customer on access.log (customer, id);
create index log_by_actor on access.log (actor, id);

create trigger append_only before update or delete or truncate on access.log
    for each statement execute function archive.refuse_change();
