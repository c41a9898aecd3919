-- The trigger that tells all workers of a destroyed key: whoever destroys it, they forget it at once and not after a
-- minute.
create function keys.tell_of_lost() returns trigger language plpgsql as $$
begin
    perform pg_notify('dossier_keys', old.paper::text);
    return null;
end $$;
revoke all on function keys.tell_of_lost() from public;
