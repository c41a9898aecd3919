-- The views: what is asked, made from the event log by projections/ and made again at any time
-- (`dossier projection rebuild`). They hold clear text, because they are searched: backups leave this schema out.
-- A row version holds from from_position up to, not including, to_position; null there: it holds now. So "as of" is one
-- query. Keys are plain unique indexes and no constraints: a rebuild makes them anew beside the live ones and renames.

create table views.tracking (
    name text primary key,
    position bigint not null default 0,
    as_of timestamptz,             -- the highest recorded_at up to that position
    paused boolean not null default false,
    rebuilt_at timestamptz,
    previous_position bigint,      -- where NAME_old stands, the table before the last rebuild; null: there is none
    previous_as_of timestamptz,
    shape int not null default 1   -- which form the rows have: `serve` makes a view anew whose rows have an older one
);
insert into views.tracking (name)
values ('audit_history'), ('authorizations'), ('scan_sessions'), ('customer_documents');

create table views.customer_documents (
    id uuid not null,
    customer uuid not null,
    from_position bigint not null,
    to_position bigint,
    created_position bigint not null,
    version bigint not null,
    kind text not null,
    type text not null,
    labels jsonb not null,         -- of the day, by language
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
    evidence uuid,                 -- of an authorization: its document
    evidence_of uuid,              -- of a document: its authorization; such a row is not listed on its own
    shelf_mark text,
    external_id text,
    signed_on date,
    valid_from date,
    valid_until date,
    paper text,
    number_suffix text,
    seen_on date,
    item text not null,            -- what of the row does not depend on its reader or the day, as JSON
    title text,
    last_collection_on date,
    retention_from date,           -- the day its retention counts from; null: unknown
    linked boolean not null default false,           -- a joint paper in the list of a further customer
    linked_customers text[] not null default '{}',   -- of a joint paper: who else it is listed for
    withdrawn_evidence uuid        -- of an authorization whose paper was withdrawn, while it has no other
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
    signed_on date,                -- null: an issued form
    valid_from date,
    valid_until date,
    mandate jsonb,
    complete boolean,              -- whether a mandate has its collection data; null: no mandate, or erased
    note text,
    shelf_mark text,
    external_id text,
    evidence uuid,
    form_lapses_on date,
    ended_on date,
    revocation_received_on date,
    revocation_effective_on date,
    last_collection_on date,
    scan_code text,
    due_on date                    -- the first day on which the calendar ends it
) with (fillfactor = 90);
create unique index authorizations_key on views.authorizations (id, customer, from_position);
create index authorizations_by_customer on views.authorizations (customer, created_position desc);
create index authorizations_by_due on views.authorizations (due_on) where to_position is null and due_on is not null;
-- The papers whose original is held, for the work list: few, among all that there are.
create index authorizations_by_original on views.authorizations (created_position)
    where to_position is null and original_held;
-- Later pages of work lists read the rows as they were at the first page: 1.9 s at a million rows without an index of
-- all versions, 20 ms with it.
create index authorizations_by_original_then on views.authorizations (created_position) where original_held;
create index authorizations_by_end_then on views.authorizations (due_on, created_position) where due_on is not null;

create table views.audit_history (
    position bigint not null,
    recorded_at timestamptz not null,
    as_of timestamptz not null,    -- the highest recorded_at up to here: a moment T means the last row with as_of <= T
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
    after jsonb not null,
    other_customer uuid            -- of a move: the customer before; of a link: who is linked
);
create unique index audit_history_key on views.audit_history (position);
create index audit_history_by_moment on views.audit_history (as_of, position);
create index audit_history_by_customer on views.audit_history (customer, position desc) where customer is not null;
create index audit_history_by_subject on views.audit_history (subject_id, position desc);
create index audit_history_by_actor on views.audit_history (actor, position desc);
create index audit_history_by_other_customer on views.audit_history (other_customer, position desc)
    where other_customer is not null;
-- From a document to the session that it was scanned in.
create index audit_history_by_scan on views.audit_history (((after ->> 'document')::uuid))
    where action = 'pages-archived';

create table views.scan_sessions (
    id uuid not null,
    customer uuid not null,        -- nobody's: 0
    from_position bigint not null,
    to_position bigint,
    created_position bigint not null,
    version bigint not null,
    state text not null,
    scanner text,
    station text,
    source text,
    profile text,
    passes int not null,
    pages int not null,
    last_page int not null,
    problem text,
    actor text not null,
    branch text not null,
    started_at timestamptz not null,
    changed_at timestamptz not null
) with (fillfactor = 90);
create unique index scan_sessions_key on views.scan_sessions (id, customer, from_position);
create index scan_sessions_open on views.scan_sessions (state, station)
    where to_position is null and state not in ('archived', 'cancelled');

-- Events that a view could not take, and the later ones of the same customer, until `dossier projection resume`.
create table views.parked (
    view text not null references views.tracking (name),
    position bigint not null,
    as_of timestamptz not null,
    customer uuid,
    subject uuid not null,
    topic text not null,
    error_type text not null,      -- a class name; messages could name a person
    parked_at timestamptz not null default clock_timestamp(),
    other_customer uuid,
    primary key (view, position)
);
