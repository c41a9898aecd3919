-- The built-in customer register: no more than is needed to find a customer at the desk.
create table register.customer (
    customer_id text primary key,
    name text not null,
    search_name text not null,
    birth_date date,
    card_numbers text[] not null default '{}',
    home_branch text,
    kind text not null default 'person' check (kind in ('person', 'organisation')),
    status text not null default 'active',
    updated_at timestamptz not null default now()
);
create index customer_by_name on register.customer using gin (search_name public.gin_trgm_ops);
create index customer_by_card on register.customer using gin (card_numbers);
create index customer_by_birth_date on register.customer (birth_date);
create index customer_by_id_prefix on register.customer (customer_id text_pattern_ops);
