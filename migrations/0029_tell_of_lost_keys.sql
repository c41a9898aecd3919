-- Whoever destroys a key, the workers that have it in memory forget it at once and not after a minute.
create function keys.tell_of_lost() returns trigger language plpgsql as $$
begin
    perform pg_notify('dossier_keys', old.paper::text);
    return null;
end $$;
revoke all on function keys.tell_of_lost() from public;
create trigger paper_lost after delete on keys.paper
    for each row execute function keys.tell_of_lost();
