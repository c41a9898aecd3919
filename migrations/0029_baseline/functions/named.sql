-- Any `most` customers in whose names all patterns occur; the first three should be the rarest, they go into the index.
-- A LIMIT without ORDER BY tempts the planner to read the table until it has met enough of them: fast for a common
-- name, the whole table for one that came with the last import. So only the bitmap of the index is left to it.
create function register.named(first text, second text, third text, patterns text[], most int)
returns setof register.customer language sql stable rows 200
set enable_seqscan = off set enable_indexscan = off as $$
    select * from register.customer
    where search_name like first and search_name like second and search_name like third
    and search_name like all (patterns)
    limit most
$$;
