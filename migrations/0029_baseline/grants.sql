-- What each role may do. Nobody gets INSERT on the event log: archive.append() is the one way in.
-- Each role on its own: where it could not be made, or may not be given away, the login itself does the work.
do $$
begin
    if exists (select from pg_roles where rolname = 'dossier_app') then
        grant usage on schema archive, keys, register, access, views, scan, staff, operations to dossier_app;
        grant select on
            archive.archive_events, archive.command, archive.claim, archive.content, archive.identity, archive.catalogue
            to dossier_app;
        grant execute on function archive.append, archive.expire_commands, archive.let_go to dossier_app;
        grant select on keys.institution, keys.customer, keys.paper, keys.erasure to dossier_app;
        grant select, insert, update, delete on register.customer, register.card to dossier_app;
        grant select, insert on access.log to dossier_app;
        grant select on
            views.tracking, views.customer_documents, views.authorizations, views.audit_history, views.scan_sessions,
            views.parked
            to dossier_app;
        grant select, insert, update, delete on scan.station to dossier_app;
        grant select, insert, delete on staff.password, staff.attempt to dossier_app;
        grant select, insert, update, delete on
            staff.session, staff.setting, staff.known_address, staff.waiting_identity
            to dossier_app;
        grant execute on function staff.try_sign_in to dossier_app;
        grant select, insert on operations.task to dossier_app;
        grant select, insert, update on operations.last_run to dossier_app;
        grant select on public.schema_migration to dossier_app;
    end if;

    if exists (select from pg_roles where rolname = 'dossier_projector') then
        grant usage on schema archive, keys, operations to dossier_projector;
        grant select on
            archive.archive_events, archive.content, archive.identity, archive.catalogue
            to dossier_projector;
        grant execute on function archive.expire_commands to dossier_projector;
        grant select on keys.institution, keys.customer, keys.paper, keys.erasure to dossier_projector;
        grant all on schema views to dossier_projector;
        grant all on
            views.tracking, views.customer_documents, views.authorizations, views.audit_history, views.scan_sessions,
            views.parked
            to dossier_projector;
        grant select, update on operations.task to dossier_projector;
        grant select, insert, update on operations.last_run to dossier_projector;
    end if;
exception
    when insufficient_privilege then
        raise notice 'grants were left out: the login may not give them';
end $$;

-- A rebuild makes tables beside the live ones and renames them, which only their owner may.
do $$
declare
    owned text;
begin
    if exists (select from pg_roles where rolname = 'dossier_projector') then
        alter schema views owner to dossier_projector;
        for owned in select tablename from pg_tables where schemaname = 'views' loop
            execute format('alter table views.%I owner to dossier_projector', owned);
        end loop;
    end if;
exception
    when insufficient_privilege then
        raise notice 'views stay with the login: rebuild with it';
end $$;
