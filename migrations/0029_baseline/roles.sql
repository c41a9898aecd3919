-- The two roles of the programs: dossier_app reads and appends, dossier_projector owns the views.
-- Roles belong to the whole server, so several databases may make them at once: whoever comes second goes on.
-- A login that may not make roles does all the work itself, and only the triggers protect the log from it;
-- `dossier config check` says so.
do $$
declare
    wanted text;
begin
    foreach wanted in array array['dossier_app', 'dossier_projector'] loop
        begin
            if not exists (select from pg_roles where rolname = wanted) then
                execute format('create role %I nologin', wanted);
            end if;
            execute format('grant %I to current_user', wanted);
        exception
            when insufficient_privilege or duplicate_object or unique_violation then null;
        end;
    end loop;
end $$;
