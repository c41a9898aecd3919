-- The access log: who read what. The line of a content, a page image or a paper of a sensitive type is committed before
-- the first byte is sent, and nobody changes or removes a line.

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
    trace_id text not null,
    kind text,          -- which list or search it was
    scan_session uuid,
    page int            -- of a document or a scan session
);
create index log_by_customer on access.log (customer, id);
create index log_by_actor on access.log (actor, id);
create index log_by_scan_session on access.log (scan_session, id) where scan_session is not null;
-- Who read one paper: asked on the paper's timeline, also of the days before it was moved.
create index log_by_paper on access.log (coalesce(document, authorization_id), id);
-- How often an actor's Check missed of late.
create index log_missed_checks on access.log (actor, at) where action = 'check' and status >= 400;

create trigger append_only before update or delete or truncate on access.log
    for each statement execute function archive.refuse_change();
