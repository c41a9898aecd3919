-- Users: hashes of their passwords, their sessions, what they chose. Who there is, and which password counts, is in the
-- log; what lies here alone lets nobody in.

create schema staff;

-- argon2id over a digest under the institution's key. `once`: somebody else made it, so it is good for one sign-in.
create table staff.password (
    id uuid primary key,
    user_name text not null,
    hash text not null,
    once boolean not null,
    made_at timestamptz not null default clock_timestamp()
);
create index password_by_user on staff.password (user_name);

-- `key` is a digest of the cookie. A session ends with the password that it was opened under, also where the cookie was
-- given for the word of an identity provider (`by` is then oidc).
create table staff.session (
    key bytea primary key,
    user_name text not null,
    password uuid not null references staff.password on delete cascade,
    by text not null check (by in ('password', 'oidc')),
    branch text,
    created_at timestamptz not null default clock_timestamp(),
    last_seen_at timestamptz not null default clock_timestamp()
);
create index session_by_password on staff.session (password);

create table staff.setting (
    user_name text primary key,
    language text,
    keys_off boolean not null default false
);

-- Names and addresses as digests: what is typed as a name may be a password, and whose address it was nobody needs.
create table staff.attempt (
    name bytea not null,
    address bytea not null,
    at timestamptz not null default clock_timestamp()
);
create index attempt_by_name on staff.attempt (name, at);
create index attempt_by_address on staff.attempt (address, at);

-- Seconds to wait before the next attempt, 0 when this one may be made: then it counts from now on, until it is forgotten
-- because it went well. One at a time, so that no two both are the last one that is left.
create function staff.try_sign_in(name_ bytea, address_ bytea, of_name int, of_address int, while_ interval) returns int
language plpgsql as $$
declare
    barrier timestamptz;
begin
    perform pg_advisory_xact_lock(4701912012);
    delete from staff.attempt as a where a.at <= clock_timestamp() - while_;
    select max(at) into barrier from (
        (select a.at from staff.attempt as a where a.name = name_ order by a.at desc offset of_name - 1 limit 1)
        union all
        (select a.at from staff.attempt as a where a.address = address_ order by a.at desc offset of_address - 1 limit 1)
    ) as last_one;
    if barrier is not null then
        return greatest(1, ceil(extract(epoch from barrier + while_ - clock_timestamp())));
    end if;
    insert into staff.attempt (name, address) values (name_, address_);
    return 0;
end $$;
revoke all on function staff.try_sign_in from public;

-- archive.append() tells of types and tokens; a change of users is rare, so it tells of itself.
create function archive.tell_of_user() returns trigger language plpgsql as $$
begin
    perform pg_notify('dossier_catalogue', '');
    return null;
end $$;
create trigger user_changed after insert on archive.archive_events
    for each row when (new.topic like 'user-%') execute function archive.tell_of_user();

do $$
begin
    if exists (select from pg_roles where rolname = 'dossier_app') then
        grant usage on schema staff to dossier_app;
        grant select, insert, delete on staff.password, staff.attempt to dossier_app;
        grant select, insert, update, delete on staff.session, staff.setting to dossier_app;
        grant execute on function staff.try_sign_in to dossier_app;
    end if;
exception
    when insufficient_privilege then
        raise notice 'grants were left out: the login may not give them';
end $$;
