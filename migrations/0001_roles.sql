-- Roles are of the whole server and may be made by several databases at once: whoever comes second goes on.
-- Where the login may not make roles the triggers of the event log stand alone; `dossier config check` says so.
do $$
declare wanted text;
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

create extension if not exists pg_trgm;
create extension if not exists unaccent;

create schema keys;
create schema archive;
create schema register;
create schema views;
create schema access;
