-- Users: hashes of their passwords, their sessions, what they chose. Who there is, and which password counts, is in the
-- log; what lies here alone lets nobody in.

-- argon2id over a digest under the institution's key.
create table staff.password (
    id uuid primary key,
    user_name text not null,
    hash text not null,
    once boolean not null,  -- somebody else made it, so it is good for one sign-in
    made_at timestamptz not null default clock_timestamp()
);
create index password_by_user on staff.password (user_name);

-- A session ends with the password that it was opened under, also where the cookie was given for the word of an
-- identity provider (`by` is then oidc).
create table staff.session (
    key bytea primary key,  -- a digest of the cookie
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

-- From where a user came in before: there misses at other addresses do not count, so that nobody locks another out by
-- guessing at a name all day.
create table staff.known_address (
    name bytea not null,
    address bytea not null,
    at timestamptz not null default clock_timestamp(),
    primary key (name, address)
);

-- Identities of a provider that signed in and are bound to no user: an operator binds one to a user, or leaves it.
create table staff.waiting_identity (
    issuer text not null,
    subject text not null,
    name text,
    tried_at timestamptz not null default clock_timestamp(),
    primary key (issuer, subject)
);
create index waiting_identity_tried_at on staff.waiting_identity (tried_at);
