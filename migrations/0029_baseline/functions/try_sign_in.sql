-- Seconds to wait before the next attempt to sign in, 0 when this one may be made: then it counts from now on, until it
-- is forgotten because it went well. One at a time, so that no two both are the last one that is left. From an address
-- that the user came in from before, misses at other addresses do not count.
create function staff.try_sign_in(name_ bytea, address_ bytea, of_name int, of_address int, while_ interval)
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
revoke all on function staff.try_sign_in from public;
