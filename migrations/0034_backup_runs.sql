-- The last good back-up stands beside the last sweep and the last verification.
alter table operations.last_run drop constraint last_run_name_check;
alter table operations.last_run add constraint last_run_name_check check (name in ('sweep', 'verify', 'backup'));
