-- The trigger that tells all workers of a changed user. archive.append() tells of types and tokens; a change of users
-- is rare, so it tells of itself.
create function archive.tell_of_user() returns trigger language plpgsql as $$
begin
    perform pg_notify('dossier_catalogue', '');
    return null;
end $$;
