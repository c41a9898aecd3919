-- The one way into the log: one statement, one transaction, one recorded_at.
-- The shared advisory lock comes before any position is drawn, so that a reader who meets a hole can take it
-- exclusively for an instant and know that what is still missing was rolled back.
-- Claims, new customers and keys of papers go in as rows that nobody else has, which they nearly always are: asking
-- first at each of them (`on conflict`) took a third of the time that a claim costs. Only where one is in the way is it
-- asked whose.
create function archive.append(
    ids uuid[], versions bigint[], topics text[], states bytea[],
    actor_ text, key_ text, body_ bytea,
    claim_kinds text[], claim_digests bytea[], claim_owners uuid[], claim_shared boolean[],
    released_kinds text[], released_digests bytea[], released_owners uuid[],
    customers uuid[], customer_ids text[], kek_versions int[], customer_keys bytea[],
    wrap_papers uuid[], wrap_customers uuid[], wraps bytea[],
    unwrap_papers uuid[], unwrap_customers uuid[],
    guarded uuid[],
    contents uuid[], content_papers uuid[],
    writer_ text,
    out positions bigint[], out at timestamptz, out replay_papers uuid[]
)
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
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
revoke all on function archive.append from public;
