-- From where a user came in before: there misses at other addresses do not count, so that nobody locks another out by
-- guessing at a name all day. Elsewhere nothing changes.

create table staff.known_address (
    name bytea not null,
    address bytea not null,
    at timestamptz not null default clock_timestamp(),
    primary key (name, address)
);

create or replace function staff.try_sign_in(name_ bytea, address_ bytea, of_name int, of_address int, while_ interval)
returns int
language plpgsql as $$
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

do $$
begin
    if exists (select from pg_roles where rolname = 'dossier_app') then
        grant select, insert, update, delete on staff.known_address to dossier_app;
    end if;
exception
    when insufficient_privilege then
        raise notice 'grants were left out: the login may not give them';
end $$;
