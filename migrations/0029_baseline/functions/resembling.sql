-- Any `most` customers whose names have a word like this one, and in which all patterns occur.
create function register.resembling(word text, pattern text, patterns text[], most int)
returns setof register.customer language sql stable rows 200
set enable_seqscan = off set enable_indexscan = off set pg_trgm.word_similarity_threshold = 0.6 as $$
    select * from register.customer
    where word operator(public.<%) search_name and search_name like pattern and search_name like all (patterns)
    limit most
$$;
