-- The extensions and the schemas that the other files fill. A schema is what a backup takes or leaves out as a whole.

create extension if not exists pg_trgm;
create extension if not exists unaccent;

create schema keys;        -- keys of customers and papers: their backup is short-lived, so that erasure reaches it
create schema archive;     -- the event log and what is written with an append
create schema register;    -- the built-in customer register
create schema views;       -- what is asked: clear text made from the log, so backups leave it out
create schema access;      -- who read what
create schema scan;        -- what stations say of themselves
create schema staff;       -- passwords and sessions of users
create schema operations;  -- tasks of operators, and how the last ones ended
