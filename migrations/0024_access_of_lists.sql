-- Lists, searches and scanned pages in the access log: what kind of list or search it was, which page of what.
alter table access.log add column kind text;
alter table access.log add column scan_session uuid;
alter table access.log add column page int;
create index log_by_scan_session on access.log (scan_session, id) where scan_session is not null;
-- From a document to the session that it was scanned in.
create index audit_history_by_scan on views.audit_history (((after ->> 'document')::uuid)) where action = 'pages-archived';
