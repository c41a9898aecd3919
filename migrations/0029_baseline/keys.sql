-- Keys, and nothing else that names a person but the library-system id. This schema has a short-lived backup of its
-- own: docs/operations.md.

-- One row for the institution: its key (claims, tokens, command bodies), wrapped by the key-encryption key.
create table keys.institution (
    only_one boolean primary key default true check (only_one),
    kek_version int not null,
    wrapped bytea not null
);

-- A customer is named in the log only by this random reference.
create table keys.customer (
    reference uuid primary key,
    customer_id text not null unique,
    kek_version int not null,
    wrapped bytea not null,
    created_at timestamptz not null default now()
);
-- Each start and each minute of /readyz ask which key-encryption keys the wraps name (store/key_wraps.py): 302 ms at a
-- million customers without this index, 0.4 ms with it.
create index customer_by_kek_version on keys.customer (kek_version);

-- One key per paper, wrapped by the key of each customer it belongs to; without a wrap it cannot be read any more.
create table keys.paper (
    paper uuid not null,
    customer uuid not null references keys.customer on delete cascade,
    wrapped bytea not null,
    primary key (paper, customer)
);
create index paper_by_customer on keys.paper (customer);
create trigger paper_lost after delete on keys.paper
    for each row execute function keys.tell_of_lost();

-- What was erased, so that a restored backup is erased again. No name: the reference is all that is left.
create table keys.erasure (
    reference uuid primary key,
    customer_digest bytea not null unique,
    erased_at timestamptz not null default now()
);
