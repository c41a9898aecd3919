-- The built-in customer register: no more than is needed to find a customer at the desk.
-- Collation C where text is sorted or cut by its beginning: such an index outlives any change of the system's locales.
create table register.customer (
    customer_id text collate "C" primary key,
    name text not null,
    search_name text collate "C" not null,  -- domain/customer.search_name() between two blanks, so "% word%" finds words
    birth_date date,
    home_branch text,
    kind text not null check (kind in ('person', 'organisation')),
    status text not null check (status in ('active', 'deceased', 'left', 'deleted_in_source')),
    updated_at timestamptz not null default now()
);
create index customer_by_name on register.customer (search_name, customer_id);
create index customer_by_birth_date on register.customer (birth_date);
-- Up to 256 kB of new names wait unsorted and are read by every search; the default of 4 MB cost 7 ms a search.
create index customer_by_trigram on register.customer using gin (search_name public.gin_trgm_ops)
    with (gin_pending_list_limit = 256);

-- A card belongs to one customer. `code` is the number as it is compared, `number` as the library writes it.
create table register.card (
    code text collate "C" primary key,
    number text not null,
    customer_id text collate "C" not null references register.customer on delete cascade,
    n int not null
);
create index card_by_customer on register.card (customer_id, n);

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

-- Any `most` customers whose names have a word like this one, and in which all patterns occur.
create function register.resembling(word text, pattern text, patterns text[], most int)
returns setof register.customer language sql stable rows 200
set enable_seqscan = off set enable_indexscan = off set pg_trgm.word_similarity_threshold = 0.6 as $$
    select * from register.customer
    where word operator(public.<%) search_name and search_name like pattern and search_name like all (patterns)
    limit most
$$;
