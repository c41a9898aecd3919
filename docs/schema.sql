-- The database of a fresh archive: what is in force of all migrations. Made by `python -m tests.docs.schema`; a test
-- fails when it drifts. Why a table is as it is stands in migrations/0029_baseline/.

CREATE SCHEMA access;

CREATE SCHEMA archive;

CREATE SCHEMA keys;

CREATE SCHEMA operations;

CREATE SCHEMA register;

CREATE SCHEMA scan;

CREATE SCHEMA staff;

CREATE SCHEMA views;

ALTER SCHEMA views OWNER TO dossier_projector;

CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;

CREATE EXTENSION IF NOT EXISTS unaccent WITH SCHEMA public;

CREATE FUNCTION archive.append(ids uuid[], versions bigint[], topics text[], states bytea[], actor_ text, key_ text, body_ bytea, claim_kinds text[], claim_digests bytea[], claim_owners uuid[], claim_shared boolean[], released_kinds text[], released_digests bytea[], released_owners uuid[], customers uuid[], customer_ids text[], kek_versions integer[], customer_keys bytea[], wrap_papers uuid[], wrap_customers uuid[], wraps bytea[], unwrap_papers uuid[], unwrap_customers uuid[], guarded uuid[], contents uuid[], content_papers uuid[], writer_ text, OUT positions bigint[], OUT at timestamp with time zone, OUT replay_papers uuid[]) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '2s'
    AS $$
declare
    old record;
    touched bigint;
begin
    perform pg_advisory_xact_lock_shared(4701912007);
    at := date_trunc('milliseconds', clock_timestamp());

    if key_ is not null then
        insert into archive.command (actor, key, body, papers, recorded_at)
        values (actor_, key_, body_, (select array_agg(distinct i) from unnest(ids) as i), at)
        on conflict do nothing;
        if not found then  -- a twin was first; having waited for it, this statement sees its row
            select * into old from archive.command as c where c.actor = actor_ and c.key = key_;
            if old.body <> body_ then
                raise exception 'key reused' using errcode = 'DX422';
            end if;
            replay_papers := old.papers;
            at := old.recorded_at;
            return;
        end if;
    end if;

    if cardinality(customers) > 0 then
        if exists (select from keys.erasure as e where e.reference = any (customers)) then
            raise exception 'erased' using errcode = 'DX410';
        end if;
        begin
            insert into keys.customer (reference, customer_id, kek_version, wrapped)
            select * from unnest(customers, customer_ids, kek_versions, customer_keys);
        exception when unique_violation then
            raise exception 'owner raced' using errcode = 'DX409';
        end;
    end if;

    -- Before the wraps: a key that some process still holds must not bring an erased paper back.
    if cardinality(guarded) > 0 and exists (
        select from unnest(guarded) as g
        where not exists (select from keys.paper as p where p.paper = g)
    ) then
        raise exception 'erased' using errcode = 'DX410';
    end if;
    if cardinality(wrap_papers) > 0 then
        begin
            begin
                insert into keys.paper (paper, customer, wrapped)
                select * from unnest(wrap_papers, wrap_customers, wraps);
            exception when unique_violation then  -- one of them comes to a customer who has it
                insert into keys.paper (paper, customer, wrapped)
                select * from unnest(wrap_papers, wrap_customers, wraps)
                on conflict do nothing;
            end;
        exception when foreign_key_violation then
            raise exception 'erased' using errcode = 'DX410';
        end;
    end if;
    if cardinality(unwrap_papers) > 0 then
        -- Of two at once that would each leave the other's wrap, the version of the stream refuses one.
        if not unwrap_papers <@ ids then
            raise exception 'a paper is unwrapped without an event of its own' using errcode = 'DX500';
        end if;
        delete from keys.paper as p
        using unnest(unwrap_papers, unwrap_customers) as u (paper, customer)
        where p.paper = u.paper and p.customer = u.customer;
        if exists (
            select from unnest(unwrap_papers) as u
            where not exists (select from keys.paper as p where p.paper = u)
        ) then
            raise exception 'a paper is left without a key' using errcode = 'DX500';
        end if;
    end if;

    if cardinality(released_kinds) > 0 then
        delete from archive.claim as c
        using unnest(released_kinds, released_digests, released_owners) as r (kind, digest, owner)
        where c.kind = r.kind and c.digest = r.digest and c.owner = r.owner;
    end if;
    if cardinality(claim_kinds) > 0 then
        begin
            insert into archive.claim (kind, digest, owner)
            select * from unnest(claim_kinds, claim_digests, claim_owners);
        exception when unique_violation then
            loop  -- once, unless the claim that was in the way is released before one can see whose it was
                insert into archive.claim (kind, digest, owner)
                select c.kind, c.digest, c.owner
                from unnest(claim_kinds, claim_digests, claim_owners) as c (kind, digest, owner)
                on conflict do nothing;
                get diagnostics touched = row_count;
                exit when touched = cardinality(claim_kinds);
                select h.kind, h.owner into old
                from unnest(claim_kinds, claim_digests, claim_owners, claim_shared) as c (kind, digest, owner, shared)
                join archive.claim as h using (digest)
                where not c.shared and h.owner <> c.owner
                limit 1;
                if found then
                    raise exception 'claimed' using errcode = 'DX423', detail = old.kind || ' ' || old.owner;
                end if;
                exit when not exists (
                    select from unnest(claim_digests) as c (digest)
                    where not exists (select from archive.claim as h where h.digest = c.digest)
                );
            end loop;
        end;
    end if;

    if cardinality(contents) > 0 then
        insert into archive.content (content, paper) select * from unnest(contents, content_papers);
    end if;

    with written as (
        insert into archive.archive_events (originator_id, originator_version, topic, state, recorded_at, writer)
        select e.id, e.version, e.topic, e.state, at, case when e.n = cardinality(ids) then writer_ end
        from unnest(ids, versions, topics, states) with ordinality as e (id, version, topic, state, n)
        order by e.n
        returning notification_id
    )
    select array_agg(notification_id order by notification_id) into positions from written;

    if exists (select from unnest(topics) as t where t like 'document-type-%' or t like 'token-%') then
        perform pg_notify('dossier_catalogue', '');
    end if;
end $$;

CREATE FUNCTION archive.count_catalogue() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '2s'
    AS $$
begin
    update archive.catalogue set version = version + 1;
    return null;
end $$;

CREATE FUNCTION archive.expire_commands(older_than interval) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    with gone as (delete from archive.command where recorded_at < clock_timestamp() - older_than returning 1)
    select count(*) from gone
$$;

CREATE FUNCTION archive.let_go(ended uuid[], forgotten uuid[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    destroyed uuid[];
begin
    select array_agg(p) into destroyed
    from unnest(ended) as p
    where (
        select e.topic
        from archive.archive_events as e
        where e.originator_id = p
        order by e.originator_version desc
        limit 1
    ) in ('content-destroyed.v1', 'authorization-destroyed.v1');
    if exists (
        select from unnest(ended) as p
        where not p = any (coalesce(destroyed, '{}')) and (
            not exists (
                select from archive.archive_events as e
                where e.originator_id = p and e.originator_version = 1 and e.topic = 'scan-started.v1'
            ) or not exists (
                select from archive.archive_events as e
                where e.originator_id = p and e.topic in ('scan-closed.v1', 'scan-cancelled.v1')
            )
        )
    ) then
        raise exception 'a paper would lose its keys that is no scan session and not destroyed, or one that goes on'
            using errcode = 'DX500';
    end if;
    if exists (
        select from archive.content as c
        where c.content = any (forgotten) and not exists (
            select from archive.archive_events as e
            where e.originator_id = c.paper and e.originator_version = 1 and e.topic = 'scan-started.v1'
        )
    ) then
        raise exception 'a content would be forgotten that is no image of a scan session' using errcode = 'DX500';
    end if;
    insert into archive.destroyed_content (content, paper)
    select c.content, c.paper from archive.content as c where c.paper = any (destroyed);
    delete from archive.content where content = any (forgotten) or paper = any (ended);
    delete from keys.paper where paper = any (ended);
end $$;

CREATE FUNCTION archive.note_removed(contents uuid[]) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    update archive.destroyed_content set removed_at = clock_timestamp()
    where content = any (contents) and removed_at is null;
$$;

CREATE FUNCTION archive.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    raise exception 'the event log is append-only' using errcode = 'DX403';
end $$;

CREATE FUNCTION archive.tell_of_user() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    perform pg_notify('dossier_catalogue', '');
    return null;
end $$;

CREATE FUNCTION keys.tell_of_lost() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    perform pg_notify('dossier_keys', old.paper::text);
    return null;
end $$;

CREATE TABLE register.customer (
    customer_id text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL,
    search_name text NOT NULL COLLATE pg_catalog."C",
    birth_date date,
    home_branch text,
    kind text NOT NULL,
    status text NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT customer_kind_check CHECK ((kind = ANY (ARRAY['person'::text, 'organisation'::text]))),
    CONSTRAINT customer_status_check CHECK ((status = ANY (ARRAY['active'::text, 'deceased'::text, 'left'::text, 'deleted_in_source'::text])))
);

CREATE FUNCTION register.named(first text, second text, third text, patterns text[], most integer) RETURNS SETOF register.customer
    LANGUAGE sql STABLE ROWS 200
    SET enable_seqscan TO 'off'
    SET enable_indexscan TO 'off'
    AS $$
    select * from register.customer
    where search_name like first and search_name like second and search_name like third
    and search_name like all (patterns)
    limit most
$$;

CREATE FUNCTION register.resembling(word text, pattern text, patterns text[], most integer) RETURNS SETOF register.customer
    LANGUAGE sql STABLE ROWS 200
    SET enable_seqscan TO 'off'
    SET enable_indexscan TO 'off'
    SET "pg_trgm.word_similarity_threshold" TO '0.6'
    AS $$
    select * from register.customer
    where word operator(public.<%) search_name and search_name like pattern and search_name like all (patterns)
    limit most
$$;

CREATE FUNCTION staff.try_sign_in(name_ bytea, address_ bytea, of_name integer, of_address integer, while_ interval) RETURNS integer
    LANGUAGE plpgsql
    AS $$
declare
    barrier timestamptz;
    is_known boolean;
begin
    perform pg_advisory_xact_lock(4701912012);
    delete from staff.attempt as a where a.at <= clock_timestamp() - while_;
    is_known := exists (select from staff.known_address as k where k.name = name_ and k.address = address_);
    select max(at) into barrier from (
        (
            select a.at
            from staff.attempt as a
            where a.name = name_ and (a.address = address_ or not is_known)
            order by a.at desc offset of_name - 1 limit 1
        )
        union all
        (select a.at from staff.attempt as a where a.address = address_ order by a.at desc offset of_address - 1 limit 1)
    ) as last_one;
    if barrier is not null then
        return greatest(1, ceil(extract(epoch from barrier + while_ - clock_timestamp())));
    end if;
    insert into staff.attempt (name, address) values (name_, address_);
    return 0;
end $$;

CREATE TABLE access.log (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    actor text NOT NULL,
    branch text NOT NULL,
    action text NOT NULL,
    customer uuid,
    document uuid,
    authorization_id uuid,
    status integer NOT NULL,
    trace_id text NOT NULL,
    kind text,
    scan_session uuid,
    page integer
);

ALTER TABLE access.log ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME access.log_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE archive.archive_events (
    notification_id bigint NOT NULL,
    originator_id uuid NOT NULL,
    originator_version bigint NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    topic text NOT NULL,
    state bytea NOT NULL,
    leaf bytea GENERATED ALWAYS AS (sha256((((((('\x00'::bytea || uuid_send(originator_id)) || int8send(originator_version)) || timestamptz_send(recorded_at)) || int4send(length(topic))) || (topic)::bytea) || state))) STORED NOT NULL,
    writer text,
    CONSTRAINT archive_events_originator_version_check CHECK ((originator_version > 0)),
    CONSTRAINT archive_events_topic_check CHECK ((topic ~ '^[a-z0-9-]+\.v[0-9]+$'::text))
);

ALTER TABLE archive.archive_events ALTER COLUMN notification_id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME archive.archive_events_notification_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE archive.catalogue (
    one boolean DEFAULT true NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT catalogue_one_check CHECK (one)
);

CREATE TABLE archive.claim (
    kind text NOT NULL,
    digest bytea NOT NULL,
    owner uuid NOT NULL,
    CONSTRAINT claim_digest_check CHECK ((octet_length(digest) <= 16))
);

CREATE TABLE archive.command (
    actor text NOT NULL,
    key text NOT NULL,
    body bytea NOT NULL,
    papers uuid[] NOT NULL,
    recorded_at timestamp with time zone NOT NULL
);

CREATE TABLE archive.content (
    content uuid NOT NULL,
    paper uuid NOT NULL
);

CREATE TABLE archive.destroyed_content (
    content uuid NOT NULL,
    paper uuid NOT NULL,
    removed_at timestamp with time zone
);

CREATE TABLE archive.identity (
    only_one boolean DEFAULT true NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    content_marked boolean DEFAULT false NOT NULL,
    CONSTRAINT identity_only_one_check CHECK (only_one)
);

CREATE TABLE keys.customer (
    reference uuid NOT NULL,
    customer_id text NOT NULL,
    kek_version integer NOT NULL,
    wrapped bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE keys.erasure (
    reference uuid NOT NULL,
    customer_digest bytea NOT NULL,
    erased_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE keys.institution (
    only_one boolean DEFAULT true NOT NULL,
    kek_version integer NOT NULL,
    wrapped bytea NOT NULL,
    CONSTRAINT institution_only_one_check CHECK (only_one)
);

CREATE TABLE keys.paper (
    paper uuid NOT NULL,
    customer uuid NOT NULL,
    wrapped bytea NOT NULL
);

CREATE TABLE operations.last_run (
    name text NOT NULL,
    ended_at timestamp with time zone NOT NULL,
    seconds double precision NOT NULL,
    problems bigint NOT NULL,
    result jsonb NOT NULL,
    CONSTRAINT last_run_name_check CHECK ((name = ANY (ARRAY['sweep'::text, 'verify'::text, 'backup'::text])))
);

CREATE TABLE operations.task (
    id uuid NOT NULL,
    kind text NOT NULL,
    view text,
    actor text NOT NULL,
    branch text NOT NULL,
    asked_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    begun_at timestamp with time zone,
    ended_at timestamp with time zone,
    done bigint DEFAULT 0 NOT NULL,
    total bigint DEFAULT 0 NOT NULL,
    result jsonb,
    CONSTRAINT task_kind_check CHECK ((kind = ANY (ARRAY['pause'::text, 'resume'::text, 'replay'::text, 'rebuild'::text, 'back'::text, 'verify'::text, 'dispose'::text])))
);

CREATE TABLE public.schema_migration (
    version integer NOT NULL,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE register.card (
    code text NOT NULL COLLATE pg_catalog."C",
    number text NOT NULL,
    customer_id text NOT NULL COLLATE pg_catalog."C",
    n integer NOT NULL
);

CREATE TABLE scan.station (
    name text NOT NULL,
    actor text NOT NULL,
    branch text NOT NULL,
    seen_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    scanners jsonb NOT NULL,
    owned_since timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE staff.attempt (
    name bytea NOT NULL,
    address bytea NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE staff.known_address (
    name bytea NOT NULL,
    address bytea NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE staff.password (
    id uuid NOT NULL,
    user_name text NOT NULL,
    hash text NOT NULL,
    once boolean NOT NULL,
    made_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE staff.session (
    key bytea NOT NULL,
    user_name text NOT NULL,
    password uuid NOT NULL,
    by text NOT NULL,
    branch text,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    last_seen_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT session_by_check CHECK ((by = ANY (ARRAY['password'::text, 'oidc'::text])))
);

CREATE TABLE staff.setting (
    user_name text NOT NULL,
    language text,
    keys_off boolean DEFAULT false NOT NULL
);

CREATE TABLE staff.waiting_identity (
    issuer text NOT NULL,
    subject text NOT NULL,
    name text,
    tried_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE views.audit_history (
    "position" bigint NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    as_of timestamp with time zone NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    actor text NOT NULL,
    branch text NOT NULL,
    action text NOT NULL,
    subject_kind text NOT NULL,
    subject_id uuid NOT NULL,
    subject_name text,
    customer uuid,
    reason text,
    before jsonb NOT NULL,
    after jsonb NOT NULL,
    other_customer uuid
);

ALTER TABLE views.audit_history OWNER TO dossier_projector;

CREATE TABLE views.authorizations (
    id uuid NOT NULL,
    customer uuid NOT NULL,
    from_position bigint NOT NULL,
    to_position bigint,
    created_position bigint NOT NULL,
    version bigint NOT NULL,
    kind text NOT NULL,
    type text NOT NULL,
    labels jsonb NOT NULL,
    status text NOT NULL,
    original_held boolean NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    actor text NOT NULL,
    branch text NOT NULL,
    signed_on date,
    valid_from date,
    valid_until date,
    mandate jsonb,
    complete boolean,
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
    due_on date
)
WITH (fillfactor='90');

ALTER TABLE views.authorizations OWNER TO dossier_projector;

CREATE TABLE views.customer_documents (
    id uuid NOT NULL,
    customer uuid NOT NULL,
    from_position bigint NOT NULL,
    to_position bigint,
    created_position bigint NOT NULL,
    version bigint NOT NULL,
    kind text NOT NULL,
    type text NOT NULL,
    labels jsonb NOT NULL,
    status text NOT NULL,
    source text NOT NULL,
    original_held boolean NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    actor text NOT NULL,
    branch text NOT NULL,
    file_name text,
    note text,
    media_type text,
    size_bytes bigint,
    sha256 text,
    pages integer,
    preview boolean NOT NULL,
    password_protected boolean NOT NULL,
    flags text[] NOT NULL,
    content_version integer NOT NULL,
    content_id uuid,
    sealed_size_bytes bigint,
    sealed_sha256 text,
    received_on date,
    scan_code text,
    evidence uuid,
    evidence_of uuid,
    shelf_mark text,
    external_id text,
    signed_on date,
    valid_from date,
    valid_until date,
    paper text,
    number_suffix text,
    seen_on date,
    item text NOT NULL,
    title text,
    last_collection_on date,
    retention_from date,
    linked boolean DEFAULT false NOT NULL,
    linked_customers text[] DEFAULT '{}'::text[] NOT NULL,
    withdrawn_evidence uuid
)
WITH (fillfactor='90');

ALTER TABLE views.customer_documents OWNER TO dossier_projector;

CREATE TABLE views.parked (
    view text NOT NULL,
    "position" bigint NOT NULL,
    as_of timestamp with time zone NOT NULL,
    customer uuid,
    subject uuid NOT NULL,
    topic text NOT NULL,
    error_type text NOT NULL,
    parked_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    other_customer uuid
);

ALTER TABLE views.parked OWNER TO dossier_projector;

CREATE TABLE views.scan_sessions (
    id uuid NOT NULL,
    customer uuid NOT NULL,
    from_position bigint NOT NULL,
    to_position bigint,
    created_position bigint NOT NULL,
    version bigint NOT NULL,
    state text NOT NULL,
    scanner text,
    station text,
    source text,
    profile text,
    passes integer NOT NULL,
    pages integer NOT NULL,
    last_page integer NOT NULL,
    problem text,
    actor text NOT NULL,
    branch text NOT NULL,
    started_at timestamp with time zone NOT NULL,
    changed_at timestamp with time zone NOT NULL
)
WITH (fillfactor='90');

ALTER TABLE views.scan_sessions OWNER TO dossier_projector;

CREATE TABLE views.tracking (
    name text NOT NULL,
    "position" bigint DEFAULT 0 NOT NULL,
    as_of timestamp with time zone,
    paused boolean DEFAULT false NOT NULL,
    rebuilt_at timestamp with time zone,
    previous_position bigint,
    previous_as_of timestamp with time zone,
    shape integer DEFAULT 1 NOT NULL
);

ALTER TABLE views.tracking OWNER TO dossier_projector;

INSERT INTO archive.catalogue VALUES (true, 1);

INSERT INTO views.tracking VALUES ('audit_history', 0, NULL, false, NULL, NULL, NULL, 1);
INSERT INTO views.tracking VALUES ('authorizations', 0, NULL, false, NULL, NULL, NULL, 1);
INSERT INTO views.tracking VALUES ('scan_sessions', 0, NULL, false, NULL, NULL, NULL, 1);
INSERT INTO views.tracking VALUES ('customer_documents', 0, NULL, false, NULL, NULL, NULL, 1);

ALTER TABLE ONLY access.log
    ADD CONSTRAINT log_pkey PRIMARY KEY (id);

ALTER TABLE ONLY archive.archive_events
    ADD CONSTRAINT archive_events_pkey PRIMARY KEY (originator_id, originator_version);

ALTER TABLE ONLY archive.catalogue
    ADD CONSTRAINT catalogue_pkey PRIMARY KEY (one);

ALTER TABLE ONLY archive.claim
    ADD CONSTRAINT claim_pkey PRIMARY KEY (digest);

ALTER TABLE ONLY archive.command
    ADD CONSTRAINT command_pkey PRIMARY KEY (actor, key);

ALTER TABLE ONLY archive.content
    ADD CONSTRAINT content_pkey PRIMARY KEY (content);

ALTER TABLE ONLY archive.destroyed_content
    ADD CONSTRAINT destroyed_content_pkey PRIMARY KEY (content);

ALTER TABLE ONLY archive.identity
    ADD CONSTRAINT identity_pkey PRIMARY KEY (only_one);

ALTER TABLE ONLY keys.customer
    ADD CONSTRAINT customer_customer_id_key UNIQUE (customer_id);

ALTER TABLE ONLY keys.customer
    ADD CONSTRAINT customer_pkey PRIMARY KEY (reference);

ALTER TABLE ONLY keys.erasure
    ADD CONSTRAINT erasure_customer_digest_key UNIQUE (customer_digest);

ALTER TABLE ONLY keys.erasure
    ADD CONSTRAINT erasure_pkey PRIMARY KEY (reference);

ALTER TABLE ONLY keys.institution
    ADD CONSTRAINT institution_pkey PRIMARY KEY (only_one);

ALTER TABLE ONLY keys.paper
    ADD CONSTRAINT paper_pkey PRIMARY KEY (paper, customer);

ALTER TABLE ONLY operations.last_run
    ADD CONSTRAINT last_run_pkey PRIMARY KEY (name);

ALTER TABLE ONLY operations.task
    ADD CONSTRAINT task_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.schema_migration
    ADD CONSTRAINT schema_migration_pkey PRIMARY KEY (version);

ALTER TABLE ONLY register.card
    ADD CONSTRAINT card_pkey PRIMARY KEY (code);

ALTER TABLE ONLY register.customer
    ADD CONSTRAINT customer_pkey PRIMARY KEY (customer_id);

ALTER TABLE ONLY scan.station
    ADD CONSTRAINT station_pkey PRIMARY KEY (name);

ALTER TABLE ONLY staff.known_address
    ADD CONSTRAINT known_address_pkey PRIMARY KEY (name, address);

ALTER TABLE ONLY staff.password
    ADD CONSTRAINT password_pkey PRIMARY KEY (id);

ALTER TABLE ONLY staff.session
    ADD CONSTRAINT session_pkey PRIMARY KEY (key);

ALTER TABLE ONLY staff.setting
    ADD CONSTRAINT setting_pkey PRIMARY KEY (user_name);

ALTER TABLE ONLY staff.waiting_identity
    ADD CONSTRAINT waiting_identity_pkey PRIMARY KEY (issuer, subject);

ALTER TABLE ONLY views.parked
    ADD CONSTRAINT parked_pkey PRIMARY KEY (view, "position");

ALTER TABLE ONLY views.tracking
    ADD CONSTRAINT tracking_pkey PRIMARY KEY (name);

CREATE INDEX log_by_actor ON access.log USING btree (actor, id);

CREATE INDEX log_by_customer ON access.log USING btree (customer, id);

CREATE INDEX log_by_paper ON access.log USING btree (COALESCE(document, authorization_id), id);

CREATE INDEX log_by_scan_session ON access.log USING btree (scan_session, id) WHERE (scan_session IS NOT NULL);

CREATE INDEX log_missed_checks ON access.log USING btree (actor, at) WHERE ((action = 'check'::text) AND (status >= 400));

CREATE INDEX archive_events_by_writer ON archive.archive_events USING btree (writer, notification_id) WHERE (writer IS NOT NULL);

CREATE INDEX archive_events_catalogue ON archive.archive_events USING btree (topic, notification_id) WHERE ((topic ~~ 'document-type-%'::text) OR (topic ~~ 'token-%'::text));

CREATE UNIQUE INDEX archive_events_notification_id_idx ON archive.archive_events USING btree (notification_id);

CREATE INDEX command_by_age ON archive.command USING btree (recorded_at);

CREATE INDEX destroyed_content_by_paper ON archive.destroyed_content USING btree (paper);

CREATE INDEX destroyed_content_left ON archive.destroyed_content USING btree (content) WHERE (removed_at IS NULL);

CREATE INDEX customer_by_kek_version ON keys.customer USING btree (kek_version);

CREATE INDEX paper_by_customer ON keys.paper USING btree (customer);

CREATE INDEX task_by_time ON operations.task USING btree (asked_at DESC);

CREATE INDEX task_unended_by_view ON operations.task USING btree (view) WHERE ((kind = 'dispose'::text) AND (ended_at IS NULL));

CREATE INDEX card_by_customer ON register.card USING btree (customer_id, n);

CREATE INDEX customer_by_birth_date ON register.customer USING btree (birth_date);

CREATE INDEX customer_by_name ON register.customer USING btree (search_name, customer_id);

CREATE INDEX customer_by_trigram ON register.customer USING gin (search_name public.gin_trgm_ops) WITH (gin_pending_list_limit='256');

CREATE INDEX attempt_by_address ON staff.attempt USING btree (address, at);

CREATE INDEX attempt_by_name ON staff.attempt USING btree (name, at);

CREATE INDEX password_by_user ON staff.password USING btree (user_name);

CREATE INDEX session_by_password ON staff.session USING btree (password);

CREATE INDEX waiting_identity_tried_at ON staff.waiting_identity USING btree (tried_at);

CREATE INDEX audit_history_by_actor ON views.audit_history USING btree (actor, "position" DESC);

CREATE INDEX audit_history_by_customer ON views.audit_history USING btree (customer, "position" DESC) WHERE (customer IS NOT NULL);

CREATE INDEX audit_history_by_moment ON views.audit_history USING btree (as_of, "position");

CREATE INDEX audit_history_by_other_customer ON views.audit_history USING btree (other_customer, "position" DESC) WHERE (other_customer IS NOT NULL);

CREATE INDEX audit_history_by_scan ON views.audit_history USING btree ((((after ->> 'document'::text))::uuid)) WHERE (action = 'pages-archived'::text);

CREATE INDEX audit_history_by_subject ON views.audit_history USING btree (subject_id, "position" DESC);

CREATE UNIQUE INDEX audit_history_key ON views.audit_history USING btree ("position");

CREATE INDEX authorizations_by_customer ON views.authorizations USING btree (customer, created_position DESC);

CREATE INDEX authorizations_by_due ON views.authorizations USING btree (due_on) WHERE ((to_position IS NULL) AND (due_on IS NOT NULL));

CREATE INDEX authorizations_by_end_then ON views.authorizations USING btree (due_on, created_position) WHERE (due_on IS NOT NULL);

CREATE INDEX authorizations_by_original ON views.authorizations USING btree (created_position) WHERE ((to_position IS NULL) AND original_held);

CREATE INDEX authorizations_by_original_then ON views.authorizations USING btree (created_position) WHERE original_held;

CREATE UNIQUE INDEX authorizations_key ON views.authorizations USING btree (id, customer, from_position);

CREATE INDEX customer_documents_by_customer ON views.customer_documents USING btree (customer, created_position DESC);

CREATE INDEX customer_documents_by_external_id ON views.customer_documents USING btree (external_id) WHERE (external_id IS NOT NULL);

CREATE UNIQUE INDEX customer_documents_key ON views.customer_documents USING btree (id, customer, from_position);

CREATE UNIQUE INDEX scan_sessions_key ON views.scan_sessions USING btree (id, customer, from_position);

CREATE INDEX scan_sessions_open ON views.scan_sessions USING btree (state, station) WHERE ((to_position IS NULL) AND (state <> ALL (ARRAY['archived'::text, 'cancelled'::text])));

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON access.log FOR EACH STATEMENT EXECUTE FUNCTION archive.refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON archive.archive_events FOR EACH STATEMENT EXECUTE FUNCTION archive.refuse_change();

ALTER TABLE archive.archive_events ENABLE ALWAYS TRIGGER append_only;

CREATE CONSTRAINT TRIGGER catalogue_counted AFTER INSERT ON archive.archive_events DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (((new.topic ~~ 'document-type-%'::text) OR (new.topic ~~ 'token-%'::text) OR (new.topic ~~ 'user-%'::text))) EXECUTE FUNCTION archive.count_catalogue();

CREATE TRIGGER user_changed AFTER INSERT ON archive.archive_events FOR EACH ROW WHEN ((new.topic ~~ 'user-%'::text)) EXECUTE FUNCTION archive.tell_of_user();

CREATE TRIGGER paper_lost AFTER DELETE ON keys.paper FOR EACH ROW EXECUTE FUNCTION keys.tell_of_lost();

ALTER TABLE ONLY keys.paper
    ADD CONSTRAINT paper_customer_fkey FOREIGN KEY (customer) REFERENCES keys.customer(reference) ON DELETE CASCADE;

ALTER TABLE ONLY register.card
    ADD CONSTRAINT card_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES register.customer(customer_id) ON DELETE CASCADE;

ALTER TABLE ONLY staff.session
    ADD CONSTRAINT session_password_fkey FOREIGN KEY (password) REFERENCES staff.password(id) ON DELETE CASCADE;

ALTER TABLE ONLY views.parked
    ADD CONSTRAINT parked_view_fkey FOREIGN KEY (view) REFERENCES views.tracking(name);

GRANT USAGE ON SCHEMA access TO dossier_app;

GRANT USAGE ON SCHEMA archive TO dossier_app;
GRANT USAGE ON SCHEMA archive TO dossier_projector;

GRANT USAGE ON SCHEMA keys TO dossier_app;
GRANT USAGE ON SCHEMA keys TO dossier_projector;

GRANT USAGE ON SCHEMA operations TO dossier_app;
GRANT USAGE ON SCHEMA operations TO dossier_projector;

GRANT USAGE ON SCHEMA register TO dossier_app;

GRANT USAGE ON SCHEMA scan TO dossier_app;

GRANT USAGE ON SCHEMA staff TO dossier_app;

GRANT USAGE ON SCHEMA views TO dossier_app;

REVOKE ALL ON FUNCTION archive.append(ids uuid[], versions bigint[], topics text[], states bytea[], actor_ text, key_ text, body_ bytea, claim_kinds text[], claim_digests bytea[], claim_owners uuid[], claim_shared boolean[], released_kinds text[], released_digests bytea[], released_owners uuid[], customers uuid[], customer_ids text[], kek_versions integer[], customer_keys bytea[], wrap_papers uuid[], wrap_customers uuid[], wraps bytea[], unwrap_papers uuid[], unwrap_customers uuid[], guarded uuid[], contents uuid[], content_papers uuid[], writer_ text, OUT positions bigint[], OUT at timestamp with time zone, OUT replay_papers uuid[]) FROM PUBLIC;
GRANT ALL ON FUNCTION archive.append(ids uuid[], versions bigint[], topics text[], states bytea[], actor_ text, key_ text, body_ bytea, claim_kinds text[], claim_digests bytea[], claim_owners uuid[], claim_shared boolean[], released_kinds text[], released_digests bytea[], released_owners uuid[], customers uuid[], customer_ids text[], kek_versions integer[], customer_keys bytea[], wrap_papers uuid[], wrap_customers uuid[], wraps bytea[], unwrap_papers uuid[], unwrap_customers uuid[], guarded uuid[], contents uuid[], content_papers uuid[], writer_ text, OUT positions bigint[], OUT at timestamp with time zone, OUT replay_papers uuid[]) TO dossier_app;

REVOKE ALL ON FUNCTION archive.count_catalogue() FROM PUBLIC;

REVOKE ALL ON FUNCTION archive.expire_commands(older_than interval) FROM PUBLIC;
GRANT ALL ON FUNCTION archive.expire_commands(older_than interval) TO dossier_app;
GRANT ALL ON FUNCTION archive.expire_commands(older_than interval) TO dossier_projector;

REVOKE ALL ON FUNCTION archive.let_go(ended uuid[], forgotten uuid[]) FROM PUBLIC;
GRANT ALL ON FUNCTION archive.let_go(ended uuid[], forgotten uuid[]) TO dossier_app;

REVOKE ALL ON FUNCTION archive.note_removed(contents uuid[]) FROM PUBLIC;
GRANT ALL ON FUNCTION archive.note_removed(contents uuid[]) TO dossier_app;
GRANT ALL ON FUNCTION archive.note_removed(contents uuid[]) TO dossier_projector;

REVOKE ALL ON FUNCTION keys.tell_of_lost() FROM PUBLIC;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE register.customer TO dossier_app;

REVOKE ALL ON FUNCTION staff.try_sign_in(name_ bytea, address_ bytea, of_name integer, of_address integer, while_ interval) FROM PUBLIC;
GRANT ALL ON FUNCTION staff.try_sign_in(name_ bytea, address_ bytea, of_name integer, of_address integer, while_ interval) TO dossier_app;

GRANT SELECT,INSERT ON TABLE access.log TO dossier_app;

GRANT SELECT ON TABLE archive.archive_events TO dossier_app;
GRANT SELECT ON TABLE archive.archive_events TO dossier_projector;

GRANT SELECT ON TABLE archive.catalogue TO dossier_app;
GRANT SELECT ON TABLE archive.catalogue TO dossier_projector;

GRANT SELECT ON TABLE archive.claim TO dossier_app;

GRANT SELECT ON TABLE archive.command TO dossier_app;

GRANT SELECT ON TABLE archive.content TO dossier_app;
GRANT SELECT ON TABLE archive.content TO dossier_projector;

GRANT SELECT ON TABLE archive.destroyed_content TO dossier_app;
GRANT SELECT ON TABLE archive.destroyed_content TO dossier_projector;

GRANT SELECT ON TABLE archive.identity TO dossier_app;
GRANT SELECT ON TABLE archive.identity TO dossier_projector;

GRANT SELECT ON TABLE keys.customer TO dossier_app;
GRANT SELECT ON TABLE keys.customer TO dossier_projector;

GRANT SELECT ON TABLE keys.erasure TO dossier_app;
GRANT SELECT ON TABLE keys.erasure TO dossier_projector;

GRANT SELECT ON TABLE keys.institution TO dossier_app;
GRANT SELECT ON TABLE keys.institution TO dossier_projector;

GRANT SELECT ON TABLE keys.paper TO dossier_app;
GRANT SELECT ON TABLE keys.paper TO dossier_projector;

GRANT SELECT,INSERT,UPDATE ON TABLE operations.last_run TO dossier_app;
GRANT SELECT,INSERT,UPDATE ON TABLE operations.last_run TO dossier_projector;

GRANT SELECT,INSERT ON TABLE operations.task TO dossier_app;
GRANT SELECT,UPDATE ON TABLE operations.task TO dossier_projector;

GRANT SELECT ON TABLE public.schema_migration TO dossier_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE register.card TO dossier_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE scan.station TO dossier_app;

GRANT SELECT,INSERT,DELETE ON TABLE staff.attempt TO dossier_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE staff.known_address TO dossier_app;

GRANT SELECT,INSERT,DELETE ON TABLE staff.password TO dossier_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE staff.session TO dossier_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE staff.setting TO dossier_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE staff.waiting_identity TO dossier_app;

GRANT SELECT ON TABLE views.audit_history TO dossier_app;

GRANT SELECT ON TABLE views.authorizations TO dossier_app;

GRANT SELECT ON TABLE views.customer_documents TO dossier_app;

GRANT SELECT ON TABLE views.parked TO dossier_app;

GRANT SELECT ON TABLE views.scan_sessions TO dossier_app;

GRANT SELECT ON TABLE views.tracking TO dossier_app;
