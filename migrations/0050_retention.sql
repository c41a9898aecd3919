-- How long each paper is kept, kept by the follower (projections/retention.py). `part` says what a row is: a paper, a
-- customer (what was reported about the person) or a rule (of a document type); the last two are what the days of papers
-- are made from. `due_on` is the first day on which the paper may be destroyed.
create table views.retention (
    id uuid not null,
    customer uuid not null,        -- of a rule: nobody's, 0
    from_position bigint not null,
    to_position bigint,
    created_position bigint not null,
    version bigint not null,
    part text not null,
    type text,
    trigger text,                  -- of a paper: the one that counts for it
    months int,
    age_years int,
    evidence_of uuid,              -- evidence is kept as long as its authorization, and has no day of its own
    kind text,                     -- of a paper: document, note (seen, not kept) or authorization
    received_on date,
    valid_until date,
    ended_on date,
    last_collection_on date,
    left_on date,                  -- the end of the customer's membership
    born_on date,
    linked_customers text[] not null default '{}',
    reported jsonb,                -- of a customer: the day of the last report of each kind
    due_on date,
    state text not null,           -- of a paper: dated, waiting, unlimited, evidence, destroyed; of the others: fact
    hold boolean not null default false
) with (fillfactor = 90);
create unique index retention_key on views.retention (id, customer, from_position);
create index retention_by_due on views.retention (due_on, id) where to_position is null and due_on is not null;
create index retention_by_customer on views.retention (customer) where to_position is null;
create index retention_by_type on views.retention (type) where to_position is null and part = 'paper';
create index retention_rules on views.retention (type) where to_position is null and part = 'rule';
insert into views.tracking (name) values ('retention');

do $$
begin
    if exists (select from pg_roles where rolname = 'dossier_app') then
        grant select on views.retention to dossier_app;
    end if;
    if exists (select from pg_roles where rolname = 'dossier_projector') then
        grant all on views.retention to dossier_projector;
        alter table views.retention owner to dossier_projector;
    end if;
exception
    when insufficient_privilege then
        raise notice 'grants were left out: the login may not give them';
end $$;
