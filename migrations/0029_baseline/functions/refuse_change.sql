-- The trigger that refuses to change or remove rows, of the event log and of the access log: even the owner's.
create function archive.refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'the event log is append-only' using errcode = 'DX403';
end $$;
