-- Identities of a provider that signed in and are bound to no user: an operator binds one to a user, or leaves it.

create table staff.waiting_identity (
    issuer text not null,
    subject text not null,
    name text,
    tried_at timestamptz not null default clock_timestamp(),
    primary key (issuer, subject)
);

create index waiting_identity_tried_at on staff.waiting_identity (tried_at);

do $$
begin
    if exists (select from pg_roles where rolname = 'dossier_app') then
        grant select, insert, update, delete on staff.waiting_identity to dossier_app;
    end if;
exception
    when insufficient_privilege then
        raise notice 'grants were left out: the login may not give them';
end $$;
