-- Rows for the life of authorizations, for moves and for joint papers. Columns come at the end, in the order of the rows.
-- `shape` counts the forms that a view's rows have had: `serve` makes a view anew whose rows are of an older one.

alter table views.tracking add column shape int not null default 1;

alter table views.customer_documents
    add column title text,
    add column last_collection_on date,
    add column retention_from date,                                -- the day its retention counts from, null: unknown
    add column linked boolean not null default false,              -- a joint paper in the list of a further customer
    add column linked_customers text[] not null default '{}';      -- of a joint paper: who else it is listed for

alter table views.authorizations
    alter column signed_on drop not null,                          -- an issued form
    add column form_lapses_on date,
    add column ended_on date,
    add column revocation_received_on date,
    add column revocation_effective_on date,
    add column last_collection_on date,
    add column scan_code text,
    add column due_on date;                                        -- the first day on which the calendar ends it
create index authorizations_by_due on views.authorizations (due_on) where to_position is null and due_on is not null;

alter table views.audit_history
    add column other_customer uuid;                                -- of a move the one of before; who is linked
create index audit_history_by_other_customer on views.audit_history (other_customer, position desc)
    where other_customer is not null;

alter table views.parked add column other_customer uuid;

-- What the last rebuild left has not these columns: there is no way back to it.
drop table if exists views.audit_history_old, views.authorizations_old, views.customer_documents_old;
update views.tracking set previous_position = null, previous_as_of = null;
