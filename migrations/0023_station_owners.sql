-- A station's name belongs to its branch: `owned_since` is when the branch took it. Sessions from before are another's.

alter table scan.station add column owned_since timestamptz not null default '-infinity';
alter table scan.station alter column owned_since set default clock_timestamp();
