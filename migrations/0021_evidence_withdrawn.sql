-- An authorization whose paper was withdrawn names it while it has no other: `serve` makes the view anew (its `shape`).

alter table views.customer_documents add column withdrawn_evidence uuid;

-- What the last rebuild left has not this column: there is no way back to it.
drop table if exists views.customer_documents_old;
update views.tracking set previous_position = null, previous_as_of = null where name = 'customer_documents';
