-- The built-in customer register: no more than is needed to find a customer at the desk.
-- Collation C where text is sorted or cut by its beginning: such an index outlives any change of the system's locales.

create table register.customer (
    customer_id text collate "C" primary key,
    name text not null,
    search_name text collate "C" not null,  -- domain/customer.search_name() between two blanks: "% word%" finds words
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
