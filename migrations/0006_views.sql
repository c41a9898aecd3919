-- What is asked, made from the event log by projections/ and made again at any time (`dossier projection rebuild`).
-- Views hold clear text, for they are searched: backups leave this schema out.
-- A row version holds from from_position up to, not including, to_position; null there: it holds now. So "as of" is one
-- query. Keys are plain unique indexes and no constraints: a rebuild makes them anew beside the live ones and renames.

create table views.tracking (
    name text primary key,
    position bigint not null default 0,
    as_of timestamptz,            -- the highest recorded_at up to that position
    paused boolean not null default false,
    rebuilt_at timestamptz,
    previous_position bigint,     -- where NAME_old stands, the table before the last rebuild; null: there is none
    previous_as_of timestamptz
);

create table views.customer_documents (
    id uuid not null,
    customer uuid not null,
    from_position bigint not null,
    to_position bigint,
    created_position bigint not null,
    version bigint not null,
    kind text not null,
    type text not null,
    labels jsonb not null,        -- of the day, by language
    status text not null,
    source text not null,
    original_held boolean not null,
    recorded_at timestamptz not null,
    actor text not null,
    branch text not null,
    file_name text,
    note text,
    media_type text,
    size_bytes bigint,
    sha256 text,
    pages int,
    preview boolean not null,
    password_protected boolean not null,
    flags text[] not null,
    content_version int not null,
    content_id uuid,
    sealed_size_bytes bigint,
    sealed_sha256 text,
    received_on date,
    scan_code text,
    evidence uuid,                -- of an authorization: its document
    evidence_of uuid,             -- of a document: its authorization; such a row is not listed on its own
    shelf_mark text,
    external_id text,
    signed_on date,
    valid_from date,
    valid_until date,
    paper text,
    number_suffix text,
    seen_on date,
    item text not null            -- what of the row does not depend on its reader or the day, as JSON
) with (fillfactor = 90);
create unique index customer_documents_key on views.customer_documents (id, customer, from_position);
create index customer_documents_by_customer on views.customer_documents (customer, created_position desc);
create index customer_documents_by_external_id on views.customer_documents (external_id)
    where external_id is not null;

create table views.authorizations (
    id uuid not null,
    customer uuid not null,
    from_position bigint not null,
    to_position bigint,
    created_position bigint not null,
    version bigint not null,
    kind text not null,
    type text not null,
    labels jsonb not null,
    status text not null,
    original_held boolean not null,
    recorded_at timestamptz not null,
    actor text not null,
    branch text not null,
    signed_on date not null,
    valid_from date,
    valid_until date,
    mandate jsonb,
    complete boolean,             -- whether a mandate has its collection data; null: no mandate, or erased
    note text,
    shelf_mark text,
    external_id text,
    evidence uuid
) with (fillfactor = 90);
create unique index authorizations_key on views.authorizations (id, customer, from_position);
create index authorizations_by_customer on views.authorizations (customer, created_position desc);

create table views.audit_history (
    position bigint not null,
    recorded_at timestamptz not null,
    as_of timestamptz not null,   -- the highest recorded_at up to here: a moment T means the last row with as_of <= T
    occurred_at timestamptz not null,
    actor text not null,
    branch text not null,
    action text not null,
    subject_kind text not null,
    subject_id uuid not null,
    subject_name text,
    customer uuid,
    reason text,
    before jsonb not null,
    after jsonb not null
);
create unique index audit_history_key on views.audit_history (position);
create index audit_history_by_moment on views.audit_history (as_of, position);
create index audit_history_by_customer on views.audit_history (customer, position desc) where customer is not null;
create index audit_history_by_subject on views.audit_history (subject_id, position desc);
create index audit_history_by_actor on views.audit_history (actor, position desc);

-- Events that a view could not take, and the later ones of the same customer, until `dossier projection resume`.
create table views.parked (
    view text not null references views.tracking (name),
    position bigint not null,
    as_of timestamptz not null,
    customer uuid,
    subject uuid not null,
    topic text not null,
    error_type text not null,     -- a class name; messages could name a person
    parked_at timestamptz not null default clock_timestamp(),
    primary key (view, position)
);

insert into views.tracking (name) values ('audit_history'), ('authorizations'), ('customer_documents');
