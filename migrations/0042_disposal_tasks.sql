-- A disposal is run as a task: it may take longer than a request may.
alter table operations.task drop constraint task_kind_check;
alter table operations.task add constraint task_kind_check
    check (kind in ('pause', 'resume', 'replay', 'rebuild', 'back', 'verify', 'dispose'));
create index task_unended_by_view on operations.task (view) where kind = 'dispose' and ended_at is null;
