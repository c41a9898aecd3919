-- Claims: values that only one paper may have, over all streams. A scan code, a mandate reference, an external id and a
-- content are claimed by a keyed digest, in the append that names them.

-- Claims are most of what an import writes, so rows and index are small: the digest is made of the kind as well and is
-- the key alone, half of SHA-256 tells values apart just as well (RFC 2104, 5), and no index finds the claims of an
-- owner, because nobody asks for them.
create table archive.claim (
    kind text not null,
    digest bytea not null check (octet_length(digest) <= 16),
    owner uuid not null,
    primary key (digest)
);
